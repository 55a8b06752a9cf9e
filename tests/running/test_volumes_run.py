"""From images to the report in one process, untrained networks: volumes, and several labels.

``ct``: both. ``nodule``: volumes of one label, as NoduleMNIST3D. ``chest``: images of several
labels without masks, as ChestMNIST.
"""

import base64
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from faithcam.core.identity import Identity
from faithcam.data import medmnist, prepare, store
from faithcam.data.dataset import SPLITS, open_dataset
from faithcam.experiment import axes, config, datasets
from faithcam.experiment.evaluations import Plan
from faithcam.figures import controls, draw, examples
from faithcam.maps import registry as cams
from faithcam.maps.tables import COMPLETENESS
from faithcam.metrics import registry as metrics
from faithcam.metrics.tables import CURVES, SCORES
from faithcam.models import evaluate, obtain
from faithcam.models.tables import MODELS
from faithcam.report import cases
from faithcam.report import page as report
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.results.tables import CHECKS
from faithcam.running import collect, provenance
from faithcam.running import explaining as maps
from faithcam.running.scoring import scored
from faithcam.running.shard import open_shard
from faithcam.statistics import compare, subgroups
from faithcam.statistics.tables import STATISTICS, SUBGROUPS
from faithcam.validity.multiverse import specifications
from faithcam.validity.tables import MULTIVERSE

pytestmark = [pytest.mark.slow, pytest.mark.runs]

ROOT = Path(__file__).parents[2]
UNTRAINED = {"control": "untrained"}
DEFINITIONS = {
    "ct": {"size": 32, "slices": 4, "train": 16, "val": 16, "test": 32},
    "nodule": {"source": "medmnist", "flag": "nodulemnist3d", "size": 28, "heads": ["flatten"]},
    "chest": {
        **{"source": "medmnist", "flag": "chestmnist", "size": 28, "heads": ["flatten"]},
        "architectures": ["resnet_small"],
    },
}
OVER = {
    "device": "cpu",
    "batch_size": 4,
    "explained_images": 6,
    "seeds": [0, 1],
    "architectures": ["axial_small"],
    "methods": ["cam", "gradcam", "hirescam"],
    "aopc": {"thesis": {"regions": [16]}, "strict": {"regions": ["native", 16], "fractions": []}},
    "max_sensitivity": {
        "thesis": {"radii": [0.1], "samples": [2]},
        "strict": {"radii": [0.1], "samples": 2},
    },
    "statistics": {"resamples": 50},
}
COUNT = 24  # images of each split


def drawn(definition):
    """Return noise with a data set's shape and labels."""
    random, spec = np.random.default_rng(0), medmnist.FLAGS[definition["flag"]]
    size, labels = definition["size"], random.integers(0, 2, 3 * COUNT).tolist()
    if spec.multi_label:
        labels = [tuple({i % 14, (5 * i) % 14, (i * i) % 14}) for i in range(3 * COUNT)]
    splits = np.repeat(SPLITS, COUNT).tolist()
    rows = [
        store.Row(split, label, f"g{i}", f"n{i}")
        for i, (split, label) in enumerate(zip(splits, labels, strict=True))
    ]
    shape = (len(rows), *([size] if spec.volumes else []), size, size)
    pixels = random.integers(0, 256, (*shape, 1), np.uint8)
    return store.Source(
        spec.classes,
        size,
        1,
        rows,
        iter([(pixels, np.zeros(shape, np.uint8))]),
        slices=size if spec.volumes else 0,
        multi_label=spec.multi_label,
    )


@pytest.fixture(scope="module", params=list(DEFINITIONS))
def run(request, tmp_path_factory):
    """Do what the workflow's jobs do; return the data set, the folder and the config."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    files = [ROOT / "config.yaml", ROOT / "config" / "volumes.yaml"]
    changes = {"datasets": [name], "dataset_definitions": {name: DEFINITIONS[name] | UNTRAINED}}
    if name == "chest":
        changes["explained_images"] = 14
    settings = config.merged(config.merged(config.read(files), OVER), changes)
    config.validate(settings, ROOT / "workflow" / "schemas" / "config.schema.yaml")
    definition = settings["dataset_definitions"][name]
    if name == "ct":
        prepare.prepare(name, definition, settings["seed"], [], folder / name, [], 0)
    else:
        store.write(name, "medmnist", drawn(definition), folder / name)
    compute(name, folder, settings)
    return name, folder, settings


def compute(name, folder, settings):
    """Write all tables, figures and the report of one data set."""
    manifest, parts = folder / name / "manifest.json", {}
    plan, shard_name = Plan(settings), f"0-{settings['explained_images']}"
    given = SimpleNamespace(predictions=[], manifests=[], maps=[], truths=[])
    for _, architecture, head, seed in axes.planned(settings):
        place = folder / "models" / name / f"{architecture}-{head}" / f"seed{seed}"
        identity = Identity(name, architecture, head, seed)
        obtain.obtain(identity, manifest, settings | UNTRAINED, place)
        names = SimpleNamespace(**vars(identity), model=f"{architecture}-{head}", shard=shard_name)
        where = SimpleNamespace(
            manifest=manifest,
            weights=place / "weights.safetensors",
            predictions=place / "predictions.parquet",
        )
        shard = open_shard(names, where, settings)
        methods = cams.supported([*settings["methods"], *settings["controls"]], head)
        actual, checks = maps.compute(shard, methods)
        place = folder / "maps" / name / f"{architecture}-{head}" / f"seed{seed}"
        stored = []
        for method, table in actual.items():
            stored.append(str(place / method / f"{shard_name}.parquet"))
            tables.write(stored[-1], table, table.schema)
        parts.setdefault("checks", []).append(checks)
        given.predictions.append(str(where.predictions))
        given.manifests.append(str(manifest))
        given.maps += stored
        network = plan.network(name, f"{architecture}-{head}")
        for metric in plan.metrics(network):
            files = stored if metrics.METRICS[metric].maps == "stored" else []
            actual = scored(shard, files, plan.settings(metric, network))
            for part, table in actual.items():
                parts.setdefault(part, []).append(table)
    for part, actual in parts.items():
        for i, table in enumerate(actual):
            tables.write(folder / part / f"{i}.parquet", table, table.schema)
        parts[part] = [folder / part / f"{i}.parquet" for i in range(len(actual))]
    planned = [(d, f"{a}-{h}", s) for d, a, h, s in axes.planned(settings)]
    manifests = {name: json.loads(manifest.read_text())}
    models = evaluate.models_table(folder / "models", planned, manifests, 1, None, [name])
    included = pa.array([True] * len(models))  # untrained networks would not be
    models = models.set_column(models.column_names.index("included"), "included", included)
    results = {
        "scores": (collect.scores(parts["scores"], plan.table()), SCORES),
        "curves": (collect.curves(parts["curves"]), CURVES),
        "checks": (collect.checks(parts["checks"]), CHECKS),
        "completeness": (collect.completeness(given.maps), COMPLETENESS),
        "models": (models, MODELS),
    }
    images = {name: tables.read(folder / name / "table.parquet")}
    evaluations = Evaluations(plan.table())
    known = settings | {"data": datasets.specs(settings), "plan": datasets.plan(settings)}
    statistics = compare.compute(results["scores"][0], models, evaluations, known, images)
    results["statistics"] = (statistics, STATISTICS)
    asked = (results["scores"][0], models, evaluations, known | {"additive": []}, {})
    results["subgroups"] = (subgroups.compute(*asked), SUBGROUPS)
    for file, (table, schema) in results.items():
        tables.write(folder / f"{file}.parquet", table, schema)
    table = specifications(folder / "scores.parquet", models, evaluations, known)
    tables.write(folder / "multiverse.parquet", table, MULTIVERSE)
    _report(name, folder, evaluations, known, given, results, manifests)


def _report(dataset, folder, evaluations, settings, given, results, manifests):
    given.scores, given.statistics = folder / "scores.parquet", folder / "statistics.parquet"
    cases.write(folder / "cases.json", cases.collect(given, evaluations, settings))
    paths = {
        name: folder / f"{name}-{dataset}.png"
        for name in (
            *("aopc_curves", "completeness", "haas", "max_sensitivity", "paired_differences"),
            *("sham", "examples"),
        )
    }
    actual = {name: table for name, (table, _) in results.items()}
    others = ("sham", "examples")
    drawn = [path for kind, path in paths.items() if kind not in others]
    draw.draw_all(dataset, actual, evaluations, settings, drawn)
    names = ("scores", "models", "statistics")
    files = SimpleNamespace(**{name: folder / f"{name}.parquet" for name in names})
    controls.draw_all(dataset, files, evaluations, settings, [paths["sham"]])
    output = [file for file in given.maps if "flatten/seed0" in file]
    examples.draw_stored(folder / dataset, output, "Maps", paths["examples"], 2)
    provenance.write(
        folder / "provenance.json",
        provenance.record(settings, manifests, settings["plan"]["networks"]),
    )
    inputs = SimpleNamespace(
        statistics=folder / "statistics.parquet",
        models=folder / "models.parquet",
        checks=folder / "checks.parquet",
        subgroups=folder / "subgroups.parquet",
        completeness=folder / "completeness.parquet",
        provenance=folder / "provenance.json",
        figures=list(paths.values()),
        truths=[],
        multiverse=[folder / "multiverse.parquet"],
        part_shapley=[],
        cases=[folder / "cases.json"],
    )
    captions = ROOT / "workflow" / "report"
    page, text = folder / "report.html", folder / "answer.txt"
    report.write(inputs, evaluations, settings, captions, page, text)


def test_a_run_ends_with_a_report(run):
    name, folder, settings = run
    scores = tables.read(folder / "scores.parquet").to_pandas()
    here = [m for m in settings["metrics"] if name == "ct" or m != "localisation"]
    assert set(scores["metric"]) == set(here)
    data = open_dataset(folder / name)
    pairs = set(zip(scores["image_id"], scores["label"], strict=True))
    assert len({image for image, _ in pairs}) == settings["explained_images"]
    if data.multi_label:
        assert all(data.labels[pair] for pair in pairs)
        assert len(pairs) > settings["explained_images"]
        assert set(scores.loc[~scores["correct"], "predicted"]) <= {-1}
    assert name in (folder / "answer.txt").read_text()
    assert "<table" in (folder / "report.html").read_text()
    assert all(tables.read(folder / "checks.parquet")["passed"].to_pylist())


def test_statistics_are_over_networks_and_images(run):
    name, folder, settings = run
    frame = tables.read(folder / "statistics.parquet").to_pandas()
    frame = frame[(frame["method_a"] == "hirescam") & (frame["method_b"] == "gradcam")]
    primary = frame[frame["primary"]]
    assert set(primary["metric"]) == {"aopc", "max_sensitivity", "haas"}
    assert set(primary["n"]) == {2}
    within = frame[frame["effect_name"].isin(["rank-biserial", "discordant"])]
    assert within["n"].max() == settings["explained_images"]
    twins = frame[(frame["effect_name"] == "images that differ") & (frame["head"] == "gap")]
    assert bool(len(twins)) == (name == "ct")
    assert twins["effect"].eq(0).all()


def test_hirescam_alone_adds_up_to_the_score(run):
    _, folder, _ = run
    frame = tables.read(folder / "completeness.parquet").to_pandas()
    frame = frame[frame["head"] == "flatten"].assign(
        gap=lambda x: (x["map_sum"] - x["score_minus_bias"]).abs()
    )
    worst = frame.groupby("method")["gap"].max()
    assert worst["hirescam"] < 1e-5
    assert worst["gradcam"] > 100 * worst["hirescam"]


def test_the_cases_are_slices_and_findings(run):
    name, folder, _ = run
    actual = json.loads((folder / "cases.json").read_text())
    data = open_dataset(folder / name)
    assert actual["datasets"][name].get("slices", 0) == data.slices
    assert actual["datasets"][name].get("multi_label", False) == data.multi_label
    for network in actual["networks"]:
        for case in network["cases"]:
            assert {"hirescam", "gradcam"} <= set(case["scores"]) & set(case["maps"])
            cells = base64.b64decode(case["maps"]["hirescam"][1])
            assert len(cells) == network["cells"][0] * network["cells"][1]
            output = actual["images"][case["image"]]
            picture = Image.open(io.BytesIO(base64.b64decode(output["png"])))
            place = (case["slice"],) if data.slices else ()
            assert np.array_equal(np.asarray(picture), data.images[case["id"]][place][..., 0])
            assert set(output["masks"]) <= {"lesion"}
            if data.multi_label:
                assert data.labels[case["id"], case["label"]]
                assert case["predicted"] in (-1, case["label"])
                assert (case["predicted"] == -1) == (case["probability"] <= 0.5)
            if name == "ct":
                voxels = data.finding_masks[case["id"], case["label"]].sum((1, 2), dtype=int)
                assert voxels[case["slice"]] == voxels.max()
