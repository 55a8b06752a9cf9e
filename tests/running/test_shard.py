"""Whole shards: padding, colour, binary classes, and laws that are broken."""

from dataclasses import replace

import pyarrow as pa
import pytest
import torch
from shards import (
    BATCH,
    IMAGES,
    as_rows,
    make_shard,
    network_of,
    planted_shard,
    scored_by,
    settings_of,
    stored,
)
from torch import nn

from faithcam.core.errors import FaithcamError
from faithcam.core.identity import Identity
from faithcam.core.setting import Setting
from faithcam.maps import registry
from faithcam.maps.laws import check_images
from faithcam.metrics.complexity import complexity
from faithcam.metrics.faithfulness import patch_net
from faithcam.metrics.inputs import Scores
from faithcam.metrics.registry import METRICS
from faithcam.metrics.spec import Evaluation
from faithcam.metrics.tables import IMAGE_CURVES, SCORES, SCORES_KEY
from faithcam.models.camnet import CamNet
from faithcam.results import io as tables
from faithcam.results.checks import Outcomes
from faithcam.results.laws import Check
from faithcam.running import collect
from faithcam.running import explaining as maps
from faithcam.running.scoring import ShardRows, scored

MAIN = ["gradcam", "hirescam", "random", "centre", "sobel"]
FEW = ["gradcam", "hirescam", "random"]
EVALUATION, NAN = Evaluation("mine", "strict", Setting(), ("a", "b", "c")), float("nan")
CONTROLS = ["sham", "other_image", "template", "constant"]


def in_parts(make, compute, of):
    """Return what is computed of the whole, and of three shards."""
    whole = compute(make(start=0, stop=IMAGES))
    parts = [compute(make(start=a, stop=b)) for a, b in ((0, 4), (4, 8), (8, 10))]
    for name in of or whole:
        assert as_rows([whole], name) == as_rows(parts, name), name
    return whole, parts


@pytest.mark.parametrize(("head", "channels", "classes"), [("flatten", 3, 3), ("gap", 1, 2)])
def test_shards_and_padding_change_no_map(head, channels, classes):
    def make(**options):
        return make_shard(head, channels, classes, **options)

    def compute(shard):
        actual, checks = maps.compute(shard, registry.supported(registry.METHODS, head))
        return {"maps": pa.concat_tables(actual.values()), "checks": checks}

    whole, parts = in_parts(make, compute, ["maps"])
    images, again = (
        pa.concat_tables([part["checks"] for part in split])
        .group_by("check")
        .aggregate([("images", "sum")])
        .to_pylist()
        for split in ([whole], parts)
    )
    assert sorted(map(str, images)) == sorted(map(str, again))
    assert {row["images_sum"] for row in images} == {IMAGES}


@pytest.mark.parametrize(
    ("metric", "head"),
    [(name, head) for name, spec in METRICS.items() for head in spec.heads if head != "other"],
)
def test_shards_and_padding_change_no_score(tmp_path, monkeypatch, metric, head):
    channels, classes = (3, 3) if head == "flatten" else (1, 2)
    # the network's cells see more than their own pixels, which breaks the law of patch nets
    monkeypatch.setattr(
        patch_net, "Check", lambda name, errors, what: Check(name, 0 * errors, what)
    )
    methods = ["cam", *MAIN] if head == "gap" else MAIN

    def make(**options):
        return planted_shard(head=head, channels=channels, classes=classes, **options)

    def compute(shard):
        network = network_of(shard, methods, CONTROLS)
        return scored_by(shard, metric, stored(shard, network, tmp_path), network)

    whole, parts = in_parts(make, compute, {"scores", *METRICS[metric].tables} - {"checks"})
    scores = whole["scores"]
    keys = list(zip(*(scores[name].to_pylist() for name in SCORES_KEY), strict=True))
    assert len(set(keys)) == len(keys) > 0
    assert set(scores["image_id"].to_pylist()) == set(range(IMAGES))
    if metric == "aopc":  # whose law is checked on the first images of all
        checked = [part["checks"]["images"].to_pylist() for part in (whole, *parts)]
        assert checked == [[BATCH], [BATCH], [], []]


def test_rows_are_those_that_are_declared_and_name_their_images(tmp_path):
    shard = make_shard(start=4)
    network = network_of(shard, FEW, ["sham"])
    actual = scored_by(shard, "aopc", stored(shard, network, tmp_path), network)
    assert list(actual) == ["scores", "curves", "checks"]
    assert actual["scores"].schema.names == SCORES.names
    frame = actual["scores"].to_pandas()
    images = frame.drop_duplicates("image_id").sort_values("image_id")
    assert images["image_id"].tolist() == shard.image_ids.tolist()
    assert images["label"].tolist() == shard.labels.tolist()
    assert images["predicted"].tolist() == shard.predicted.tolist()
    assert images["correct"].tolist() == (shard.labels == shard.predicted).tolist()
    assert set(frame["head"]) == {"flatten"}
    assert set(frame["metric"]) == {"aopc"}


def test_a_number_that_is_none_is_undefined_and_what_is_undefined_has_none():
    shard, actual = make_shard(start=8), Scores()
    (batch,) = shard.batches()
    actual.add(EVALUATION, "a", torch.tensor([1, NAN, 7, 7]), ["ok", "ok", "ok", "ok"])
    actual.add(
        EVALUATION, "b", torch.tensor([1, NAN, 7, 7]), ["undefined", "blank_map", "ok", "ok"]
    )
    actual.add(EVALUATION, "c", torch.tensor([1, 2, 7, 7]), ["blank_map", "ok", "ok", "ok"])
    rows = ShardRows(shard, "mine", [], {})
    rows.add(batch, actual)  # two images, the others are padding
    table = rows.tables()["scores"]
    actual = zip(*(table[name].to_pylist() for name in ("method", "value", "status")), strict=True)
    assert table["image_id"].to_pylist() == [8, 9] * 3
    assert [(m, str(value), status) for m, value, status in actual] == [
        ("a", "1.0", "ok"),
        ("a", "nan", "undefined"),
        ("b", "nan", "undefined"),
        ("b", "nan", "blank_map"),
        ("c", "1.0", "blank_map"),
        ("c", "2.0", "ok"),
    ]


@pytest.mark.parametrize(("images", "batch"), [(2, 2), (0, BATCH), (8, BATCH)])
def test_batches_of_a_metric_of_few_images_are_no_larger(monkeypatch, images, batch):
    shard, sizes = make_shard(stop=images or IMAGES), []
    monkeypatch.setattr(
        complexity, "score", lambda inputs, asked: sizes.append(len(inputs.images)) or Scores()
    )
    settings = settings_of("complexity", network_of(shard, FEW)) | {"images": images}
    scored(shard, [], settings)
    assert set(sizes) == {batch}


class Shifted(CamNet):
    """A network whose logits are not what its activations and its classifier say."""

    def logits(self, activations):
        return super().logits(activations * 1.01)


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_a_broken_law_stops_with_model_image_and_size(head):
    shard = make_shard(head)
    broken = Shifted(shard.model.features, shard.model.classifier, head).eval()
    with pytest.raises(FaithcamError) as error:
        maps.compute(replace(shard, model=broken), ["gradcam"])
    message = str(error.value)
    assert "model made/net-" in message
    assert "image " in message
    assert "times its tolerance (1e-5" in message


def test_a_metric_s_broken_law_stops_with_model_image_and_size():
    shard = planted_shard()
    network = network_of(shard, ["gradcam", "hirescam"])
    with pytest.raises(FaithcamError, match=r"model made/net-flatten.* image \d"):
        scored_by(shard, "patch_net", [], network)


def test_a_layer_between_activations_and_classifier_is_found():
    shard = make_shard()
    batch = next(shard.batches())
    model = shard.model
    model.logits = lambda A: CamNet.logits(model, nn.functional.relu(A - 0.1))
    names = {
        c.name for c in check_images(model, batch.images, batch.predicted) if c.errors.max() > 1
    }
    assert any("completeness" in name for name in names)


def test_a_law_that_was_checked_on_no_image_gets_no_row():
    outcomes = Outcomes(Identity("d", "a", "gap", 0))
    (check,) = [
        c
        for c in check_images(make_shard("gap").model, torch.rand(1, 3, 16, 16), torch.tensor([0]))
        if c.name == "gradcam = hirescam, logit"
    ]
    outcomes.add([replace(check, errors=check.errors[:0])], [])
    assert len(outcomes.table()) == 0


def test_strict_curves_leave_an_image_out_for_all_methods():
    def row(method, image, status):
        return {
            "dataset": "d",
            "architecture": "a",
            "head": "flatten",
            "seed": 0,
            "protocol": "strict",
            "setting": "s",
            "method": method,
            "image_id": image,
            "correct": True,
            "status": status,
            "drop": [0.0, float(image)],
        }

    rows = [row("gradcam", 1, "ok"), row("gradcam", 2, "ok")]
    rows += [row("hirescam", 1, "ok"), row("hirescam", 2, "blank_map")]
    table = pa.Table.from_pylist(rows, schema=IMAGE_CURVES)
    read, tables.read = tables.read, lambda *_, **__: table
    try:
        means = collect.curves(["file"]).to_pylist()
    finally:
        tables.read = read
    assert {(m["method"], m["step"], m["mean"], m["images"]) for m in means} == {
        (method, step, float(step), 1) for method in ("gradcam", "hirescam") for step in (0, 1)
    }
