"""Networks that are controls: left untrained, and kept whatever their accuracy."""

import numpy as np
import torch
from test_models_train import FILES, SETTINGS, contents, dataset

from faithcam.core import seeding
from faithcam.core.identity import Identity
from faithcam.metrics.localisation.dead_zone import unseen
from faithcam.models import evaluate, obtain, registry, weights
from faithcam.models.dead_zone import dead_cells
from faithcam.models.tables import PREDICTIONS
from faithcam.results import io as tables

IDENTITY = Identity("bars", "vgg_small", "flatten", 3)


def obtained(folder, monkeypatch, control="untrained", identity=IDENTITY):
    monkeypatch.setattr(obtain, "open_dataset", lambda _: dataset())
    settings = {"device": "cpu", "threads": 1, "seed": 1, "training": SETTINGS, "control": control}
    obtain.obtain(identity, folder / "manifest.json", settings, folder / "model")
    return folder / "model"


def test_an_untrained_network_is_as_initialised(tmp_path, monkeypatch):
    folder = obtained(tmp_path, monkeypatch)
    assert len(contents(folder)) == len(FILES)
    with seeding.torch_seed(1, "bars", "vgg_small-flatten/seed3", "initialisation"):
        expected = registry.build("vgg_small", "flatten", 2, 28).state_dict()
    actual = weights.load(
        folder / "weights.safetensors", "vgg_small", "flatten", 2, 28
    ).state_dict()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)
    assert len(tables.read(folder / "history.parquet")) == 0
    assert tables.read(folder / "predictions.parquet")["image_id"].to_pylist() == list(
        range(60, 100)
    )


def test_a_network_with_a_dead_zone_is_trained_and_blind(tmp_path, monkeypatch):
    (tmp_path / "manifest.json").write_text("{}")
    folder = obtained(tmp_path, monkeypatch, control="dead_zone")
    model = weights.load(folder / "weights.safetensors", "vgg_small", "flatten", 2, 28)
    cells = registry.find("vgg_small").cells(28)
    assert torch.equal(unseen(model, (cells, cells)), dead_cells(cells))
    assert len(tables.read(folder / "history.parquet")) > 0


def test_exempt_networks_are_included_whatever_their_accuracy(tmp_path, monkeypatch):
    folder = tmp_path / "models" / "bars" / "vgg_small-flatten"
    folder.mkdir(parents=True)
    for seed in (3, 4):
        identity = Identity("bars", "vgg_small", "flatten", seed)
        obtained(tmp_path, monkeypatch, identity=identity).rename(folder / f"seed{seed}")
    for seed in (3, 4):
        file = folder / f"seed{seed}" / "predictions.parquet"
        predictions = tables.read(file).to_pydict()
        predictions["predicted"] = [1 - label for label in predictions["label"]]
        tables.write(file, predictions, PREDICTIONS)
    counts = {split: {"images": n} for split, n in (("train", 60), ("val", 20), ("test", 20))}
    planned = [("bars", "vgg_small-flatten", seed) for seed in (3, 4, 5)]
    manifests = {f"bars/seed{seed}": {"splits": counts} for seed in (3, 4, 5)}

    def table(**options):
        return evaluate.models_table(tmp_path / "models", planned, manifests, 1, **options)

    assert table()["included"].to_pylist() == [False] * 3
    assert table()["exempt"].to_pylist() == [False] * 3
    exempt = table(exempt=["bars"], present=planned[:1]).to_pylist()
    assert [row["exempt"] for row in exempt] == [True] * 3
    assert [row["included"] for row in exempt] == [True, False, False]
    assert exempt[0]["accuracy"] == 0
    assert exempt[0]["reason"] == ""
    assert exempt[0]["best_epoch"] == -1
    assert exempt[0]["train_images"] == 0
    assert exempt[1]["reason"] == "maps or scores are missing"
    assert exempt[2]["reason"].startswith("the training has not ended")
    assert np.isnan(exempt[2]["accuracy"])
