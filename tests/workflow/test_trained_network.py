"""One trained network alone, on a folder of images: truth, leaderboards and words about it."""

import os
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.numpy import load_file
from workspace import Workspace

from faithcam.data.dataset import open_dataset
from faithcam.results import io as tables

pytestmark = [pytest.mark.slow, pytest.mark.runs]

EXPLAINED, OF_A_PATIENT = 24, 4
WORDS = {"usable", "undecided", "no better than blind", "no information"}
MODEL = "vgg_small-flatten/seed0"


def folders(dataset, root):
    """Write images as a user has them: CLASS/PATIENT/NAME.png."""
    for label, name in enumerate(dataset.classes):
        for place, image in enumerate(np.flatnonzero(np.asarray(dataset.labels) == label)):
            patient = root / name.replace(" ", "_") / f"{name[:2]}{place // OF_A_PATIENT}"
            patient.mkdir(parents=True, exist_ok=True)
            Image.fromarray(dataset.images[image, ..., 0]).save(patient / f"{image}.png")


def test_one_trained_network_has_truth_leaderboards_and_words(finished, tmp_path):
    dataset = open_dataset(finished.results / "data" / "phantom")
    folders(dataset, tmp_path / "images")
    (weights,) = (finished.results / "models" / "phantom" / MODEL).glob("*.safetensors")
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        yaml.safe_dump({
            "results": "results/own",
            "datasets": ["mine"],
            "dataset_definitions": {
                "mine": {"source": "folder", "path": str(tmp_path / "images"), "size": 32}
            },
            "trained_weights": {f"mine/{MODEL}": str(weights)},
            "heads": ["flatten"],
            "seeds": [0],
            "explained_images": EXPLAINED,
            "metrics": ["aopc", "truth_agreement", "blind"],
            "concordance": {"primary": ["aopc"]},
            "truth": {"images": EXPLAINED, "estimands": ["background"]},
            "report": {"cases": 0},
        })
    )  # fmt: skip
    own = Workspace(finished.repository, tmp_path / "run", experiment="own")
    done = own.run(configs=["config/tiny.yaml", mine])
    assert done.returncode == 0, done.stdout + done.stderr

    (used,) = (own.results / "models" / "mine" / MODEL).glob("*.safetensors")
    kept, given = load_file(used), load_file(weights)
    assert all(np.array_equal(kept[name], given[name]) for name in given)
    truth = tables.read(own.results / "truth.parquet").to_pandas()
    assert len(truth) == EXPLAINED
    resolved = truth.loc[truth["resolved"], "image_id"]
    images = tables.read(own.results / "data" / "mine" / "table.parquet").to_pandas()
    group = images.set_index("image_id")["group"]
    patients = group[resolved].nunique()
    assert 8 <= patients < len(resolved)

    compared = tables.read(own.results / "agreement.parquet").to_pandas()
    assert set(compared["unit"]) == {"groups of images"}
    assert set(compared["n"]) == {patients}
    wanted = "method_a == 'hirescam' and method_b == 'gradcam' and measure == 'spearman'"
    (pair,) = compared.query(wanted).to_dict("records")
    assert pair["low"] < pair["estimate"] < pair["high"]

    (verdict,) = tables.read(own.results / "validity.parquet").to_pandas().query(
        "dataset == 'mine'"
    ).to_dict("records")  # fmt: skip
    assert (verdict["metric"], verdict["scope"]) == ("aopc", "this network")
    assert verdict["word"] in WORDS
    assert 8 <= verdict["networks"] <= patients
    for family in ("damaged", "methods"):
        ends = [verdict[f"{family}_{name}"] for name in ("low", "difference", "high")]
        assert ends == sorted(ends)

    answer = (own.results / "answer.txt").read_text().replace("\n", " ")
    assert f"n = {patients} groups of images of this network" in answer
    assert "All of this is about this network alone." in answer
    assert "Anything about other networks: intervals are over images of one network." in answer
    page = (own.results / "report.html").read_text()
    assert "Which map is right? mine" in page
    assert "Which metric finds it? mine" in page


def test_other_weights_are_noticed_though_their_file_is_older(finished, tmp_path):
    folder = finished.results / "models" / "phantom"
    mine, weights = tmp_path / "mine.yaml", tmp_path / "w.safetensors"
    shutil.copy(folder / MODEL / "weights.safetensors", weights)
    named = {f"phantom/{MODEL}": str(weights)}
    mine.write_text(yaml.safe_dump({"results": "results/own", "trained_weights": named}))
    own = Workspace(finished.repository, tmp_path / "run", experiment="own")
    asked = {"configs": ["config/tiny.yaml", mine]}
    target = f"results/own/models/phantom/{MODEL}/weights.safetensors"
    done = own.run(target, **asked)
    assert done.returncode == 0, done.stdout + done.stderr
    weights.touch()
    assert own.planned(target, **asked) == {}
    shutil.copy(folder / MODEL.replace("seed0", "seed1") / "weights.safetensors", weights)
    os.utime(weights, (0, 0))
    assert own.planned(target, **asked) == {"train": 1}
