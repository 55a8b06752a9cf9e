"""Evaluation: exact numbers, and which networks are kept out of the summaries."""

import json
import math
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.stats import beta

from faithcam.core.errors import FaithcamError
from faithcam.core.identity import Identity
from faithcam.models import evaluate, performance, predictions
from faithcam.models.tables import HISTORY, MODELS, MULTI_LABEL_PREDICTIONS, PREDICTIONS
from faithcam.results import files
from faithcam.results import io as tables
from faithcam.results.checksums import checksum

MANIFEST = {"splits": {"train": {"images": 7}, "val": {"images": 5}, "test": {"images": 4}}}


def test_hand_made_numbers():
    labels = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.95, 0.05], [0.61, 0.39], [0.45, 0.55], [0.1, 0.9]])
    row = performance.evaluate(labels, probabilities.argmax(1), probabilities, ("test",))
    assert row["accuracy"] == 3 / 4
    assert row["recall"] == pytest.approx([2 / 3, 1])
    assert row["balanced_accuracy"] == pytest.approx(5 / 6)
    assert row["auc"] == 1
    # bins of 1/15: .95 alone, .9 alone, .61 alone, .55 alone (and wrong)
    assert row["calibration_error"] == pytest.approx((0.05 + 0.1 + 0.39 + 0.55) / 4)


def test_hand_made_numbers_of_several_labels():
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 1]])
    probabilities = np.array([[0.9, 0.6], [0.4, 0.8], [0.3, 0.7], [0.2, 0.1]])
    predicted = (probabilities > 0.5).astype(int)
    row = performance.evaluate(labels, predicted, probabilities, ("test",))
    assert row["accuracy"] == 5 / 8
    assert row["recall"] == pytest.approx([1 / 2, 2 / 3])
    # sensitivity and specificity of each label: 1/2 and 1, 2/3 and 0
    assert row["balanced_accuracy"] == pytest.approx((1 / 2 + 1 + 2 / 3 + 0) / 4)
    assert row["class_auc"] == pytest.approx([1, 2 / 3])
    assert row["auc"] == pytest.approx(5 / 6)
    assert row["balanced_accuracy_low"] < row["balanced_accuracy"] < row["balanced_accuracy_high"]
    assert "not surely above chance, 1/2" in row["reason"]


def test_labels_that_no_or_all_test_images_have_are_left_out_of_means():
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    probabilities = np.array([[0.9, 0.6], [0.2, 0.2], [0.7, 0.1]])
    row = performance.evaluate(labels, (probabilities > 0.5).astype(int), probabilities, ())
    assert row["class_auc"][0] == row["auc"] == 1
    assert math.isnan(row["class_auc"][1])
    assert math.isnan(row["recall"][1])
    assert row["balanced_accuracy"] == 1  # of the other label
    never = performance.evaluate(
        np.eye(4, 3, dtype=int) * [1, 0, 0], np.zeros((4, 3)), np.zeros((4, 3)), ()
    )
    assert (never["balanced_accuracy"], never["included"]) == (0.5, False)
    none = performance.evaluate(np.zeros((4, 2)), np.zeros((4, 2)), np.zeros((4, 2)), ())
    assert math.isnan(none["balanced_accuracy"])
    assert math.isnan(none["balanced_accuracy_low"])
    assert (none["included"], none["reason"]) == (False, "all test images have the same labels")


def test_the_interval_over_labels_is_the_mean_of_their_beta_distributions():
    labels = np.repeat([[1, 0], [0, 1]], 200, axis=0)
    predicted = np.where(np.arange(400)[:, None] % 10 < 8, labels, 1 - labels)
    low, high = performance.balanced_accuracy_interval(labels, predicted, ("test",))
    one = performance.balanced_accuracy_interval(labels[:, 0], predicted[:, 0], ("test",))
    # two independent labels: the interval is narrower by the square root of two
    assert (high - low) == pytest.approx((one[1] - one[0]) / np.sqrt(2), rel=0.02)
    assert (low + high) / 2 == pytest.approx(0.8, abs=0.005)


def test_calibration_error_weights_bins_by_their_images():
    correct = np.array([True, False, True, True])
    confidence = np.array([0.91, 0.92, 0.93, 0.41])
    expected = 3 / 4 * abs(2 / 3 - 0.92) + 1 / 4 * (1 - 0.41)
    assert performance.calibration_error(correct, confidence) == pytest.approx(expected)
    assert performance.calibration_error(np.array([True]), np.array([1.0])) == 0


def test_auc_of_three_classes_is_one_against_the_rest():
    labels = np.array([0, 1, 2])
    probabilities = np.array([[0.5, 0.3, 0.2], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8]], dtype=np.float32)
    row = performance.evaluate(labels, probabilities.argmax(1), probabilities, ())
    assert row["auc"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert row["class_auc"] == pytest.approx([1 / 2, 1 / 2, 1])


def test_a_class_without_test_images_leaves_the_auc_undefined():
    labels, probabilities = np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]])
    row = performance.evaluate(labels, probabilities.argmax(1), probabilities, ())
    assert math.isnan(row["auc"])
    assert row["recall"][0] == 0.5
    assert math.isnan(row["recall"][1])
    assert row["balanced_accuracy"] == 0.5


def test_interval_of_one_class_is_its_beta_distributions():
    predicted = np.repeat([0, 1], [30, 10])
    interval = performance.balanced_accuracy_interval(np.zeros(40, int), predicted, ("test",))
    assert interval == pytest.approx(beta.ppf([0.025, 0.975], 31, 11), abs=2e-3)
    assert interval == performance.balanced_accuracy_interval(
        np.zeros(40, int), predicted, ("test",)
    )


@pytest.mark.parametrize(("right", "included"), [(50, False), (55, False), (70, True)])
def test_a_network_at_chance_is_not_included(right, included):
    labels = np.repeat([0, 1], 100)
    predicted = np.where(np.arange(200) % 100 < right, labels, 1 - labels)
    probabilities = np.eye(2)[predicted] * 0.8 + 0.1
    row = performance.evaluate(labels, predicted, probabilities, ())
    assert row["included"] is included
    assert row["reason"] == "" if included else "not surely above chance, 1/2" in row["reason"]


@pytest.mark.parametrize("varying", [0.0, 0.5, 3.0])
def test_spatial_share_is_the_energy_that_averaging_over_cells_loses(varying):
    # two classes, W_0 = -W_1 after centring: per channel a constant and a part of zero mean
    constant = np.array([[1.0], [-2.0]])
    pattern = varying * np.array([[1.0, -1.0, 1.0, -1.0], [2.0, 2.0, -2.0, -2.0]])
    first = (constant + pattern).ravel()
    common = np.linspace(-5, 5, 8)  # of all classes: changes no probability
    weight = np.stack([common + first, common - first]).astype(np.float32)
    lost, kept = varying**2 * (4 + 16), 4 * (1 + 4)
    assert evaluate.spatial_share(weight, 2) == pytest.approx(lost / (lost + kept))


def test_spatial_share_of_gap_heads_is_zero_and_of_equal_classes_undefined():
    weight = np.random.default_rng(0).normal(size=(3, 8))
    assert evaluate.spatial_share(weight, 8) == 0
    assert math.isnan(evaluate.spatial_share(np.ones((3, 8)), 2))


def test_the_models_table_lists_failed_networks_with_the_reason(tmp_path):
    folder = tmp_path / "phantom" / "vgg_small-gap" / "seed1"
    predictions = {
        "image_id": range(7, 107),
        "split": ["val"] * 50 + ["test"] * 50,
        "label": [0, 1] * 50,
        "predicted": [1, 0] * 25 + [0, 1] * 25,
        "probabilities": [[0.1, 0.9], [0.9, 0.1]] * 25 + [[0.9, 0.1], [0.1, 0.9]] * 25,
    }
    history = {
        "epoch": [0, 1],
        "train_loss": [1.0, 1.0],
        "val_loss": [2.0, 1.0],
        "val_balanced_accuracy": [0.5, 0.6],
        "best": [False, True],
    }
    tables.write(folder / "history.parquet", history, HISTORY)
    weight = np.arange(4, dtype=np.float32).reshape(2, 2)
    with files.recorded(folder / "weights.safetensors") as file:
        save_file({"classifier.weight": np.repeat(weight, 32, axis=1)}, file)
    digest = checksum(folder / "weights.safetensors", "sha256")
    predictions |= {"weights_sha256": [digest] * 100, "manifest_sha256": ["1" * 64] * 100}
    tables.write(folder / "predictions.parquet", predictions, PREDICTIONS)
    planned = [
        ("phantom", "vgg_small-gap", 1),
        ("phantom", "vgg_small-gap", 0),
        ("absent", "vgg_small-gap", 0),
    ]
    table = evaluate.models_table(tmp_path, planned, {"phantom": MANIFEST}, 1)
    assert table.schema.equals(MODELS)
    absent, unfinished, whole = table.to_pylist()
    assert (absent["included"], absent["reason"]) == (False, "the data set has not been prepared")
    assert unfinished["reason"].startswith("the training has not ended: no weights.safetensors, ")
    assert math.isnan(unfinished["accuracy"])
    assert whole["included"]
    assert whole["accuracy"] == 1
    assert (whole["train_images"], whole["val_images"], whole["test_images"]) == (7, 5, 50)
    assert whole["best_epoch"] == 1
    assert whole["weights_sha256"] == digest
    assert whole["spatial_share"] == 0
    assert math.isnan(unfinished["spatial_share"])
    tables.write(tmp_path / "models.parquet", table, MODELS)
    multi_label = {
        **{
            name: predictions[name]
            for name in ("image_id", "split", "probabilities", "weights_sha256", "manifest_sha256")
        },
        "labels": [[0], [1]] * 50,
        "predicted": [[0], [0, 1]] * 50,
    }
    tables.write(folder / "predictions.parquet", multi_label, MULTI_LABEL_PREDICTIONS)
    manifest = {"phantom": MANIFEST | {"classes": ["a", "b"], "multi_label": True}}
    multi = evaluate.models_table(tmp_path, planned[:1], manifest, 1).to_pylist()[0]
    assert multi["recall"] == [1, 1]
    assert multi["accuracy"] == 3 / 4
    assert multi["balanced_accuracy"] == (1 / 2 + 1) / 2
    assert multi["class_auc"] == multi["recall"]
    tables.write(folder / "predictions.parquet", predictions, PREDICTIONS)
    left = evaluate.models_table(tmp_path, planned, {"phantom": MANIFEST}, 1, present=planned[1:])
    assert left.to_pylist()[2] == whole | {
        "included": False,
        "reason": "maps or scores are missing",
    }


WHOSE = Identity("bars", "vgg_small", "flatten", 3)


def write_network(folder, said=WHOSE, digest="", manifest="1" * 64):
    """Write weights that say whose they are, and predictions."""
    text = {"faithcam": json.dumps(asdict(said))} if said else {}
    with files.recorded(folder / "weights.safetensors") as file:
        save_file({"a": np.zeros(1, np.float32)}, file, text)
    columns = {
        "image_id": [0], "split": ["test"], "label": [0], "predicted": [0],
        "probabilities": [[1.0, 0.0]], "manifest_sha256": [manifest],
        "weights_sha256": [digest or files.digest(folder / "weights.safetensors")],
    }  # fmt: skip
    tables.write(folder / "predictions.parquet", columns, PREDICTIONS)


@pytest.mark.counts("faults")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"digest": "0" * 64}, "predictions with weights_sha256 0000.* found"),
        ({"manifest": "2" * 64}, "predictions with manifest_sha256 2222.* images has 1111"),
        ({"said": replace(WHOSE, seed=4)}, "weights of bars/vgg_small-flatten/seed4 found, expect"),
        ({"said": replace(WHOSE, dataset="x")}, "weights of x/vgg_small-flatten/seed3 found"),
        ({"said": replace(WHOSE, head="gap")}, "weights of bars/vgg_small-gap/seed3 found"),
    ],
)
def test_files_of_another_network_or_of_other_images_are_refused(tmp_path, wrong, message):
    read = partial(
        predictions.read,
        *(tmp_path / "predictions.parquet", tmp_path / "weights.safetensors", WHOSE, "1" * 64),
    )
    write_network(tmp_path)
    assert len(read()) == 1
    write_network(tmp_path, **wrong)
    with pytest.raises(FaithcamError, match=message):
        read()
