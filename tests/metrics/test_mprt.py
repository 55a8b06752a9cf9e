"""Networks with new weights, and the three metrics that explain them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from scored import inputs_of, network_of, scores_of
from torch import nn

from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import Streams
from faithcam.core.views import upsampled
from faithcam.metrics.inputs import Inputs
from faithcam.metrics.randomisation import efficient_mprt, likeness, randomised, smooth_mprt
from faithcam.models import registry
from faithcam.models.camnet import CamNet
from faithcam.models.inference import for_inference


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
    declared = registry.ARCHITECTURES[architecture]
    size = declared.smallest_size()
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


def test_maps_that_keep_their_ranks_score_one(monkeypatch):
    monkeypatch.setattr(randomised, "_renew", lambda *layer: None)
    monkeypatch.setattr(randomised, "_standardise", lambda *network: None)
    spec = network_of(methods=["hirescam"])
    for name, same in (("mprt", 1), ("smooth_mprt", 1), ("efficient_mprt", 0)):
        actual = scores_of(name, inputs_of(), spec).by_method()
        assert np.allclose(torch.stack([*actual.values()]), same)


def test_a_map_of_the_image_alone_does_not_know_that_the_weights_are_new():
    methods = ("sobel", "hirescam", "scorecam", "smoothgrad")
    spec = network_of(methods=methods)
    for name, same in (("mprt", 1), ("efficient_mprt", 0)):
        actual = scores_of(name, inputs_of(), spec).by_method()
        values = {m: torch.stack([v for (_, of), v in actual.items() if of == m]) for m in methods}
        assert torch.allclose(values["sobel"], torch.full((), same).double())
        for method in methods[1:]:
            low, high = values[method].min(), values[method].max()
            assert low < high
            assert min(abs(low - same), abs(high - same)) > 1e-3


def test_likeness_is_spearmans_correlation_with_each_networks_map():
    trained = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    new = [trained.exp(), -trained, torch.tensor([[[2.0, 1.0], [3.0, 4.0]]]), trained * 0]
    actual = likeness.likeness(trained, new)[:, 0]
    assert actual[:3].tolist() == pytest.approx([1, -1, 0.8])
    assert actual[3].isnan()


def test_the_mean_over_stages_is_one():
    network = network_of(controls=["sham"])
    actual = scores_of("mprt", inputs_of(), network).by_method()
    assert ("replicate=1;stage=mean", "sham") in actual
    for method in ("gradcam", "hirescam"):
        stages = [actual[f"replicate=0;stage={number}", method] for number in (1, 2)]
        np.testing.assert_allclose(actual["replicate=0;stage=mean", method], sum(stages) / 2)
        assert not np.allclose(*stages)
    assert ("replicate=0;stage=1", "sham") not in actual  # of controls the mean alone


def test_smoothing_without_noise_changes_nothing():
    spec = network_of(methods=("gradcam", "hirescam"))
    plain = scores_of("mprt", inputs_of(), spec).by_method()

    def smooth(noise):
        section = {"samples": 2, "noise": noise}
        return scores_of("smooth_mprt", inputs_of(), spec, smooth_mprt=section).by_method()

    still, moved = smooth(0.0), smooth(0.3)
    assert plain.keys() == still.keys()
    assert all(np.allclose(plain[key], still[key]) for key in plain)
    assert not any(np.allclose(plain[key], moved[key]) for key in plain)


def test_smoothing_averages_maps_of_images_with_noise_of_the_declared_size(monkeypatch):
    seen, inputs = [], inputs_of()

    def made(self, methods, images, network):
        seen.append(images - self.images)
        return {"given": torch.full((4, 4, 4), float(len(seen)))}

    monkeypatch.setattr(Inputs, "made", made)
    one, other = smooth_mprt.smooth_maps(inputs, ["given"], [None, None], 0, 3, 0.1)
    noise = torch.stack(seen[::2])
    assert torch.equal(noise, torch.stack(seen[1::2]))  # the same for both networks
    assert noise.std().item() == pytest.approx(0.2, rel=0.05)  # images go from -1 to 1
    assert one["given"].unique().tolist() == [(1 + 3 + 5) / 3]
    assert other["given"].unique().tolist() == [(2 + 4 + 6) / 3]
    smooth_mprt.smooth_maps(inputs, ["given"], [None], 1, 3, 0.1)
    assert not torch.allclose(noise, torch.stack(seen[-3:]))  # another replicate's


@pytest.mark.parametrize("name", ["mprt", "smooth_mprt"])
def test_after_the_last_layer_further_stages_change_nothing(name):
    spec = network_of(methods=["hirescam"])
    layers = len(randomised.layers(random_net()))
    few, many = (
        scores_of(name, inputs_of(), spec, mprt={"stages": stages}).by_method()
        for stages in (layers, layers + 2)
    )
    assert all(np.array_equal(values, many[key]) for key, values in few.items())
    further = [many[f"replicate=0;stage={layers + more}", "hirescam"] for more in (0, 1, 2)]
    assert np.array_equal(further[0], further[1])
    assert np.array_equal(further[0], further[2])


def test_networks_are_made_once_and_need_images_to_standardise_on():
    inputs = inputs_of()
    actual = randomised.networks(inputs, 2, 0)
    assert len(actual) == 2
    assert randomised.networks(inputs, 2, 0) is actual
    assert randomised.networks(inputs, 2, 1) is not actual
    with torch.inference_mode():
        networks = randomised.networks(inputs, 1, 0)
    assert not any(p.is_inference() for net in networks for p in net.parameters())
    with pytest.raises(ValueError, match="standard_images: None found"):
        randomised.networks(replace(inputs, standard_images=None), 2, 0)


@pytest.mark.parametrize("name", ["mprt", "efficient_mprt"])
def test_maps_that_are_not_finite_are_undefined(monkeypatch, name):
    inputs = inputs_of()

    def made(self, methods, images, network=None):
        raw = torch.rand(4, 4, 4)
        raw[0, 0, 0] = 0.0 if network is None else torch.nan  # a new network's map
        raw[1, 0, 0] = torch.inf if network is None else 0.0  # the network's own
        return {"hirescam": raw}

    monkeypatch.setattr(Inputs, "made", made)
    spec = network_of(methods=["hirescam"])
    for part in scores_of(name, inputs, spec).scored:
        undefined = [s != "ok" for s in part.statuses]
        either = part.values.isnan() | torch.tensor(undefined)
        assert either.tolist() == [True, True, False, False]


def test_efficient_mprt_is_the_relative_rise_of_the_entropy(monkeypatch):
    ramp = torch.linspace(0, 1, 16).reshape(1, 4, 4).repeat(4, 1, 1)
    step = (ramp > 0.9).float()
    low, high = (
        efficient_mprt.histogram_entropy(upsampled(part, (16, 16)))[0].item()
        for part in (step, ramp)
    )
    assert low < high
    actual = efficient_mprt.rise(upsampled(step, (16, 16)), upsampled(ramp, (16, 16)))
    assert actual.tolist() == pytest.approx([high / low - 1] * 4)
    assert efficient_mprt.rise(torch.ones(1, 4, 4), ramp[:1]).isnan().all()
    monkeypatch.setattr(Inputs, "made", lambda *a: {"hirescam": step if len(a) == 3 else ramp})
    spec = network_of(methods=["hirescam"])
    scores = scores_of("efficient_mprt", inputs_of(), spec).by_method()
    assert {setting for setting, _ in scores} == {"bins=100;replicate=0", "bins=100;replicate=1"}
    assert torch.stack([*scores.values()]).numpy() == pytest.approx(high / low - 1)


def test_the_entropy_of_a_histogram_is_numpys():
    maps = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    for values, actual in zip(maps.double(), efficient_mprt.histogram_entropy(maps), strict=True):
        counts = np.histogram(values.numpy(), bins=100)[0]
        shares = counts[counts > 0] / counts.sum()
        assert actual.item() == pytest.approx(-(shares * np.log(shares)).sum())
    assert efficient_mprt.histogram_entropy(torch.ones(1, 4, 4)).item() == 0
    two = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    assert efficient_mprt.histogram_entropy(two).item() == pytest.approx(math.log(2))
