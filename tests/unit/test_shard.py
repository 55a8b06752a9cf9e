"""Whole shards: padding, colour, binary classes, imputers, draws, and laws that are broken."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from networks import Counting, random_net
from torch import nn

from faithcam import collect, maps, tables
from faithcam.cams import registry
from faithcam.checks import Outcomes
from faithcam.data.store import Dataset
from faithcam.errors import FaithcamError
from faithcam.identity import Identity
from faithcam.map_laws import check_images
from faithcam.metrics import aopc, feature_aopc, haas, max_sensitivity, removal
from faithcam.models.camnet import CamNet
from faithcam.seeding import Streams
from faithcam.shard import Shard, ShardMaps

IMAGES = 10
VAL = 6
BATCH = 4
CONTROLS = [name for name in registry.METHODS if name not in ("cam", "gradcam", "hirescam")]
AOPC = {
    "memory_mb": 100,
    "thesis": {"regions": [8]},
    "strict": {
        "regions": ["native", 8],
        "imputers": ["noise", "mean", "blur", "rerendered"],
        "draws": 2,
        "fractions": [0.5],
    },
}
SENSITIVITY = {
    "thesis": {"radii": [0.1, 0.3], "samples": [2, 3]},
    "strict": {"radii": [0.1, 0.3], "samples": 2, "primary_radius": 0.3},
}
HAAS = {"strict": {"constant": 0.5}}
FURTHER = {
    "infidelity": {"samples": 3},
    "road": {"shares": [0.3, 0.6]},
    "mprt": {"stages": 2},
    "smooth_mprt": {"samples": 2, "noise": 0.1},
    "normalised_aopc": {"images": 10, "region": 8, "beam": 2},
}
PROTOCOLS = ["thesis", "strict"]


def make_shard(head="flatten", channels=1, classes=3, start=0, stop=IMAGES):
    random = np.random.default_rng(0)
    model = random_net(head, classes=classes)
    images = random.integers(0, 256, (IMAGES + VAL, 16, 16, channels), np.uint8)
    dataset = Dataset(
        "made",
        tuple("abc"[:classes]),
        16,
        channels,
        images,
        np.zeros((IMAGES + VAL, 16, 16), np.uint8),
        np.arange(IMAGES + VAL),
        random.integers(0, classes, IMAGES + VAL),
        np.repeat(["test", "val"], [IMAGES, VAL]),
        renderings=random.integers(0, 256, (IMAGES, 2, 16, 16, channels), np.uint8),
    )
    predicted = random.integers(0, classes, IMAGES)
    return Shard(
        Identity("made", "net", head, 0),
        model,
        Streams(1, "made", "net"),
        torch.device("cpu"),
        dataset,
        np.arange(start, stop),
        predicted[start:stop],
        start,
        BATCH,
        np.arange(IMAGES),
    )


def settings_of(protocols=PROTOCOLS, controls=(), **sections):
    """Return the settings of a metric's job."""
    judged = {"aopc": AOPC, "max_sensitivity": SENSITIVITY, "haas": HAAS}
    own = {"protocols": protocols, "controls": controls}
    return {**own, **judged, **FURTHER, **sections}


def named(shard, methods):
    """Return maps of which a metric needs the methods' names alone."""
    return ShardMaps(shard, methods, [])


def stored_maps(shard, methods, folder):
    found, checks = maps.compute(shard, methods)
    files = []
    for name, table in found.items():
        files.append(str(folder / f"{name}-{shard.first}.parquet"))
        tables.write(files[-1], table, tables.MAPS)
    return ShardMaps(shard, methods, files), files, checks


def everything(shard, folder):
    """Return all tables of a shard: maps, scores, curves, checks."""
    head = shard.identity.head
    main = ["gradcam", "hirescam", "random", "centre", "sobel"]
    main = ["cam", *main] if head == "gap" else main
    controls = [c for c in registry.supported(CONTROLS, head) if c not in main]
    methods = [*main, *controls]
    loaded, files, checks = stored_maps(shard, methods, folder)
    settings = settings_of(controls=controls)
    scores, curves, reversal = aopc.score_shard(shard, loaded, settings)
    from_model = named(shard, registry.from_model(methods))
    return {
        "maps": pa.concat_tables([tables.read(file) for file in files]),
        "scores": pa.concat_tables(
            [
                scores,
                max_sensitivity.score_shard(shard, from_model, settings),
                haas.score_shard(shard, loaded, settings),
                feature_aopc.score_shard(shard, loaded, {}),
            ]
        ),
        "curves": curves,
        "checks": pa.concat_tables([checks, reversal]),
    }


def as_rows(parts, name, drop=()):
    rows = [row for part in parts for row in part[name].to_pylist()]
    return sorted(json.dumps({k: v for k, v in row.items() if k not in drop}) for row in rows)


@pytest.mark.parametrize(("head", "channels", "classes"), [("flatten", 3, 3), ("gap", 1, 2)])
def test_shards_and_padding_change_no_row(tmp_path, head, channels, classes):
    options = {"head": head, "channels": channels, "classes": classes}
    whole = everything(make_shard(**options), tmp_path)
    parts = [
        everything(make_shard(**options, start=start, stop=stop), tmp_path)
        for start, stop in ((0, 4), (4, 8), (8, 10))
    ]
    for name in ("maps", "scores", "curves"):
        assert as_rows([whole], name) == as_rows(parts, name), name
    images, in_parts = (
        pa.concat_tables([part["checks"] for part in split])
        .group_by("check")
        .aggregate([("images", "sum")])
        .to_pylist()
        for split in ([whole], parts)
    )
    assert sorted(map(str, images)) == sorted(map(str, in_parts))
    images = {row["check"]: row["images_sum"] for row in images}
    assert all(n == (BATCH if "ABPC" in check else IMAGES) for check, n in images.items())
    keys = list(zip(*(whole["scores"][k].to_pylist() for k in tables.SCORES_KEY), strict=True))
    assert len(set(keys)) == len(keys)
    settings = set(whole["scores"]["setting"].to_pylist())
    for imputer, draws in (("noise", 2), ("mean", 1), ("blur", 1), ("rerendered", 1)):
        assert any(f"draws={draws};imputer={imputer}" in setting for setting in settings)
    assert any("gauge=logit" in setting for setting in settings)


def test_a_score_does_not_depend_on_what_else_is_scored(tmp_path):
    shard = make_shard()
    alone, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    together, _, _ = stored_maps(shard, ["gradcam", "hirescam", "random"], tmp_path)
    rows = [
        [
            row
            for row in aopc.score_shard(shard, loaded, settings_of())[0].to_pylist()
            if row["method"] == "hirescam"
        ]
        for loaded in (alone, together)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("channels", [1, 3])
def test_replacements_follow_the_protocol(channels):
    shard = make_shard(channels=channels)
    batch = next(shard.batches())
    noise = aopc.replacements(shard, batch, "noise", 0, 2)
    assert len(noise) == 2
    assert not torch.equal(noise[0], noise[1])
    (other,) = aopc.replacements(shard, batch, "noise", 1, 1)
    assert not torch.equal(noise[0], other)
    grey = torch.equal(noise[0][:, 0], noise[0][:, 1])
    assert grey == (channels == 1)
    assert -1 <= noise[0].min() < -0.9
    assert 0.9 < noise[0].max() <= 1
    (mean,) = aopc.replacements(shard, batch, "mean", 0, 2)
    assert torch.allclose(mean, batch.images.mean((2, 3), keepdim=True).expand_as(mean))
    (blur,) = aopc.replacements(shard, batch, "blur", 0, 2)
    (without,) = aopc.replacements(shard, batch, "rerendered", 0, 2)
    pixels = shard.dataset.renderings[:BATCH, 0].transpose(0, 3, 1, 2) / 127.5 - 1
    assert np.allclose(without, pixels, atol=1e-6)
    assert blur.std() < batch.images.std()
    assert torch.allclose(blur.mean(), batch.images.mean(), atol=0.05)


def test_draws_are_averaged(tmp_path):
    shard = make_shard()
    batch = next(shard.batches())
    regions = aopc.grid((16, 16), (4, 4))
    order = torch.stack([torch.randperm(16) for _ in range(BATCH)])
    noise = aopc.replacements(shard, batch, "noise", 0, 2)
    arguments = (removal.Removal(shard.model), batch, regions)
    both = aopc.mean_drops(*arguments, noise, {"a": order})["a"]
    one, other = (aopc.mean_drops(*arguments, [part], {"a": order})["a"] for part in noise)
    for output in aopc.OUTPUTS:
        assert torch.allclose(both[output], (one[output] + other[output]) / 2)


def test_forward_passes_of_a_shard_are_as_few_as_they_can_be(tmp_path):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, ["gradcam", "hirescam"], tmp_path)
    batches = 3
    counting = Counting(shard.model)
    haas.score_shard(replace(shard, model=counting), loaded, settings_of(["thesis"]))
    assert counting.passes == batches * 2


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
    table = pa.Table.from_pylist(rows, schema=tables.IMAGE_CURVES)
    read, tables.read = tables.read, lambda _: table
    try:
        means = collect.curves(["file"]).to_pylist()
    finally:
        tables.read = read
    assert {(m["method"], m["step"], m["mean"], m["images"]) for m in means} == {
        (method, step, float(step), 1) for method in ("gradcam", "hirescam") for step in (0, 1)
    }


def test_normal_numbers_are_keyed_and_normal():
    shard = make_shard(stop=BATCH)
    (batch,) = shard.batches()
    numbers = shard.normal(batch, "a", 0, (3, 40, 40))
    assert torch.equal(numbers, shard.normal(batch, "a", 0, (3, 40, 40)))
    assert not torch.equal(numbers, shard.normal(batch, "a", 1, (3, 40, 40)))
    assert torch.isfinite(numbers).all()
    assert abs(numbers.mean()) < 0.03
    assert abs(numbers.std() - 1) < 0.03
