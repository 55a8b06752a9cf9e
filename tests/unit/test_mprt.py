"""Networks with new weights, and the three metrics that explain them."""

import math
from importlib import import_module

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from planted import GivenMaps
from test_further_metrics import frame_of
from test_shard import BATCH, make_shard, named, settings_of, stored_maps
from torch import nn

from faithcam.errors import FaithcamError
from faithcam.metrics import (
    efficient_mprt,
    randomised,
)
from faithcam.models import registry
from faithcam.models.camnet import CamNet
from faithcam.models.inference import for_inference
from faithcam.seeding import Streams
from faithcam.views import upsampled


def test_layers_are_new_from_the_last_to_the_first():
    model, streams = random_net(), Streams(1, "made", "net")
    names = [name for name, _ in randomised.layers(model)]
    assert names == ["classifier", "2", "0"]
    before = {name: module.weight.clone() for name, module in randomised.layers(model)}
    new = []
    for network in randomised.cascade(model, streams, 3, random_images(8)):
        weights = dict(randomised.layers(network))
        new.append([name for name in names if not torch.equal(weights[name].weight, before[name])])
    assert new == [["classifier"], ["classifier", "2"], ["classifier", "2", "0"]]
    assert all(torch.equal(module.weight, before[n]) for n, module in randomised.layers(model))
    (whole,) = randomised.cascade(model, streams, 1, random_images(8))
    last = list(randomised.cascade(model, streams, 2, random_images(8)))[-1]
    other = next(randomised.cascade(model, Streams(1, "made", "other"), 1, random_images(8)))
    for (_, a), (_, b), (_, c) in zip(
        *(randomised.layers(m) for m in (whole, last, other)), strict=True
    ):
        assert torch.equal(a.weight, b.weight)
        assert not torch.equal(a.weight, c.weight)


def test_layers_that_cannot_be_new_are_named():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(2, 2))

        def forward(self, images):
            return self.factor.mean() * images

    model = random_net()
    model.features.append(Scaled())
    with pytest.raises(FaithcamError, match=r"layer 4: Scaled found, which has a weight factor"):
        list(randomised.cascade(model, Streams(1, "made", "net"), 1, random_images(8)))


@pytest.mark.parametrize(
    "architecture",
    [
        *("resnet_small", "vgg_small", "patch_small", "axial_small", "resnet18", "vgg11"),
        *("densenet121", "efficientnet_b0", "mobilenet_v3_small", "convnext_tiny"),
    ],
)
def test_networks_with_new_weights_still_see_the_image(architecture):
    facts = registry.ARCHITECTURES[architecture]
    size = facts.smallest_size()
    model = registry.build(architecture, "flatten", 3, size).eval()
    images = torch.rand(8, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    flat = CamNet(model.features, model.classifier, "flatten")  # of the slices of a volume
    network = for_inference(flat, (size, size))
    before = {name: part.clone() for name, part in network.state_dict().items()}
    *_, new = randomised.cascade(network, Streams(1, "made", "net"), 2, images)
    assert all(torch.equal(part, before[name]) for name, part in network.state_dict().items())
    with torch.no_grad():
        A = new.activations(images)
    assert A.isfinite().all()
    # 0.1 % and less with the weights that PyTorch gives new layers
    assert A.var(0, correction=0).mean() > 0.1 * A.var(correction=0)


def test_new_layers_are_standardised():
    images = random_images(8)
    (new,) = randomised.cascade(random_net(), Streams(1, "made", "net"), 1, images)
    outputs = {}
    for name in ("0", "2"):
        layer = new.features.get_submodule(name)
        layer.register_forward_hook(lambda _, __, output, name=name: outputs.update({name: output}))
    new.activations(images)
    for output in outputs.values():
        spread, mean = torch.std_mean(output, (0, 2, 3), correction=0)
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
        torch.testing.assert_close(spread, torch.ones_like(spread))


def test_stages_divide_the_layers():
    assert randomised.stage_ends(7, 3) == [2, 5, 7]
    assert randomised.stage_ends(2, 5) == [1, 2]
    assert randomised.stage_ends(34, 1) == [34]


def test_maps_that_keep_their_ranks_score_one(tmp_path, monkeypatch):
    shard = make_shard(stop=4)
    loaded, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    monkeypatch.setattr(randomised, "_renew", lambda *layer: None)
    monkeypatch.setattr(randomised, "_standardise", lambda *network: None)
    for name in ("mprt", "smooth_mprt"):
        assert np.allclose(frame_of(name, shard, loaded)["value"], 1)
    assert np.allclose(frame_of("efficient_mprt", shard, loaded)["value"], 0)


def test_a_map_of_the_image_alone_does_not_know_that_the_weights_are_new():
    shard = make_shard(stop=4)
    for name, same in (("mprt", 1), ("efficient_mprt", 0)):
        frame = frame_of(name, shard, named(shard, ["sobel", "hirescam", "scorecam", "smoothgrad"]))
        found = frame.groupby("method")["value"].agg(["min", "max"])
        assert found.loc["sobel"].tolist() == pytest.approx([same, same])
        for method in ("hirescam", "scorecam", "smoothgrad"):
            assert found.loc[method, "min"] < found.loc[method, "max"]
            assert abs(found.loc[method] - same).min() > 1e-3


def test_the_mean_over_stages_is_one(tmp_path):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, ["gradcam", "hirescam"], tmp_path)
    frame = frame_of("mprt", shard, loaded).set_index(["setting", "method", "image_id"])["value"]
    stages = [frame[f"stage={n};stream=0"] for n in (1, 2)]
    np.testing.assert_allclose(frame["stage=mean;stream=0"], (stages[0] + stages[1]) / 2)
    assert not np.allclose(*stages)
    assert not np.allclose(frame["stage=mean;stream=0"], frame["stage=mean;stream=1"])


def test_smoothing_without_noise_changes_nothing(tmp_path):
    shard = make_shard(stop=4)
    loaded, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    plain = frame_of("mprt", shard, loaded)["value"]
    metric = import_module("faithcam.metrics.smooth_mprt")
    still = settings_of(smooth_mprt={"samples": 2, "noise": 0.0})
    assert np.allclose(metric.score_shard(shard, loaded, still).to_pandas()["value"], plain)
    moved = settings_of(smooth_mprt={"samples": 2, "noise": 0.3})
    assert not np.allclose(metric.score_shard(shard, loaded, moved).to_pandas()["value"], plain)


def test_smoothing_averages_maps_of_images_with_noise_of_the_declared_size(monkeypatch):
    metric, seen = import_module("faithcam.metrics.smooth_mprt"), []

    def explained(shard, batch, images, methods):
        seen.append(images - batch.images)
        return {"given": torch.full((BATCH, 4, 4), float(len(seen)))}

    monkeypatch.setattr(metric, "explained", explained)
    shard = make_shard(stop=BATCH)
    (batch,) = shard.batches()
    own = {"samples": 3, "noise": 0.1}
    one, other = metric._smooth([shard, shard], batch, ["given"], own, 0)
    noise = torch.stack(seen[::2])
    assert torch.equal(noise, torch.stack(seen[1::2]))  # the same for both networks
    assert noise.std().item() == pytest.approx(0.2, rel=0.05)  # images go from -1 to 1
    assert one["given"].unique().tolist() == [(1 + 3 + 5) / 3]
    assert other["given"].unique().tolist() == [(2 + 4 + 6) / 3]
    metric._smooth([shard], batch, ["given"], own, 1)
    assert not torch.allclose(noise, torch.stack(seen[-3:]))  # another stream's


@pytest.mark.parametrize("name", ["mprt", "smooth_mprt"])
def test_a_network_with_fewer_layers_than_stages_has_a_stage_for_each(tmp_path, name):
    shard = make_shard(stop=4)
    loaded, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    metric = import_module(f"faithcam.metrics.{name}")
    few, many = (
        metric.score_shard(shard, loaded, settings_of(mprt={"stages": stages}))
        for stages in (len(randomised.layers(shard.model)), 5)
    )
    assert few.equals(many)


def test_maps_that_are_not_finite_are_undefined(monkeypatch):
    shard, calls = make_shard(stop=BATCH), []
    for name in ("mprt", "efficient_mprt"):
        metric = import_module(f"faithcam.metrics.{name}")
        calls.clear()

        def explained(shard, batch, *_, calls=calls):
            raw = torch.rand(BATCH, 4, 4)
            raw[0, 0, 0] = torch.nan if calls else 0.0  # a new network's map
            raw[1, 0, 0] = torch.inf if not calls else 0.0  # the network's own
            calls.append(1)
            return {"given": raw}

        for module in ("mprt", "efficient_mprt"):
            place = import_module(f"faithcam.metrics.{module}")
            monkeypatch.setattr(place, "explained", explained)
        found = metric.score_shard(shard, named(shard, ["given"]), settings_of())
        status = found.to_pandas().groupby("image_id")["status"].agg(set)
        assert status.tolist() == [{"undefined"}, {"undefined"}, {"ok"}, {"ok"}]


def test_efficient_mprt_is_the_relative_rise_of_the_entropy(monkeypatch):
    ramp = torch.linspace(0, 1, 16).reshape(1, 4, 4).repeat(BATCH, 1, 1)
    step = (ramp > 0.9).float()
    given = {"trained": step, "new": ramp}
    shard = make_shard(stop=BATCH)
    monkeypatch.setattr(
        efficient_mprt,
        "explained",
        lambda s, *_: {"given": given["trained" if s is shard else "new"]},
    )
    low, high = (
        efficient_mprt.histogram_entropy(upsampled(part, (16, 16)))[0].item()
        for part in (step, ramp)
    )
    assert low < high
    frame = frame_of("efficient_mprt", shard, GivenMaps(ramp))
    assert frame["value"].to_numpy() == pytest.approx(high / low - 1)
    assert set(frame["setting"]) == {"bins=100;stream=0", "bins=100;stream=1"}


def test_the_entropy_of_a_histogram_is_numpys():
    maps = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    for values, found in zip(maps.double(), efficient_mprt.histogram_entropy(maps), strict=True):
        counts = np.histogram(values.numpy(), bins=100)[0]
        shares = counts[counts > 0] / counts.sum()
        assert found.item() == pytest.approx(-(shares * np.log(shares)).sum())
    assert efficient_mprt.histogram_entropy(torch.ones(1, 4, 4)).item() == 0
    two = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    assert efficient_mprt.histogram_entropy(two).item() == pytest.approx(math.log(2))
