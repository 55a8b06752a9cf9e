"""Laws of curves and of AOPC, and the forward passes that they take."""

from dataclasses import replace

import pytest
import torch
from networks import Counting, random_images, random_net
from scored import STRICT, inputs_of, network_of, scores_of
from torch import nn

from faithcam.maps.explain import explain
from faithcam.metrics import registry
from faithcam.metrics.faithfulness import curves
from faithcam.metrics.regions import strict_regions
from faithcam.removal.engine import Removal, one_pass_per_step
from faithcam.removal.grid import grid
from faithcam.removal.orders import order_of, tied_share

CLASSES = torch.tensor([0, 2, 1, 2])


class MeanNet(nn.Module):
    """Logits (s, -s) with s the mean of the image: every pixel counts the same."""

    def forward(self, images):
        s = images.mean((1, 2, 3))
        return torch.stack([s, -s], 1)


def test_aopc_of_a_network_that_counts_pixels_is_known():
    images = torch.ones(1, 3, 4, 4)
    drops = curves.perturbation_drops(
        MeanNet(), images, torch.tensor([0]), torch.rand(1, 4, 4), 2, torch.zeros_like(images)
    )
    means = torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0], dtype=torch.float64)
    expected = torch.sigmoid(2 * means[0]) - torch.sigmoid(2 * means)
    assert torch.allclose(drops[0], expected)
    assert curves.aopc_of(drops)[0] == pytest.approx(float(expected.mean()))


def test_regions_stay_removed_and_the_last_state_is_all_replacement():
    model, images = random_net(), random_images()
    replacement = random_images(seed=1)
    order = torch.stack([torch.randperm(16) for _ in range(4)])
    regions = grid((16, 16), 4)
    logits = Removal(model).logits(images, [order], regions, [replacement])[0, 0]
    with torch.no_grad():
        assert torch.allclose(logits[:, 0], model(images))
        assert torch.allclose(logits[:, -1], model(replacement))
        state = images.clone()
        for cell in order[0, :3].tolist():
            r, c = 4 * (cell // 4), 4 * (cell % 4)
            state[0, :, r : r + 4, c : c + 4] = replacement[0, :, r : r + 4, c : c + 4]
        assert torch.allclose(logits[0, 3], model(state)[0], atol=1e-6)


def test_a_curve_takes_one_forward_pass_per_step_for_the_whole_batch():
    model, images = Counting(random_net()), random_images()
    curves.perturbation_drops(model, images, CLASSES, torch.rand(4, 16, 16), 8, images * 0)
    assert (model.passes, model.images) == (5, 20)


def test_removing_cells_by_signed_hirescam_is_optimal_in_feature_space():
    model, images = random_net(), random_images()
    with torch.no_grad():
        A = model.activations(images)
        maps = explain(model, images, CLASSES, ["hirescam", "gradcam"])

        def curve(values):
            order, kept, fall = order_of(values.flatten(1)), torch.ones(4, 16), []
            start = model.logits(A).gather(1, CLASSES[:, None])[:, 0]
            for cell in order.T:
                kept = kept.scatter(1, cell[:, None], 0)
                now = model.logits(A * kept.reshape(4, 1, 4, 4)).gather(1, CLASSES[:, None])[:, 0]
                fall.append(start - now)
            return torch.stack(fall, 1)

        best = curve(maps["hirescam"])
        expected = maps["hirescam"].flatten(1).sort(1, descending=True).values.cumsum(1)
        assert torch.allclose(best, expected, atol=1e-5)
        for other in (maps["gradcam"], torch.rand(4, 4, 4), -maps["hirescam"]):
            assert (best - curve(other) >= -1e-5).all()


def test_abpc_changes_sign_with_the_map():
    model, images = random_net(), random_images()
    values = explain(model, images, CLASSES, ["hirescam"])["hirescam"].flatten(1)
    replacement, regions = random_images(seed=2), grid((16, 16), (4, 4))

    inputs = replace(inputs_of(), network=model, images=images, classes=CLASSES)

    def srg(v):
        return curves.srg(inputs, regions, replacement, v)

    assert (tied_share(values) == 0).any()
    untied = tied_share(values) == 0
    assert torch.allclose(srg(values)[untied], -srg(-values)[untied], atol=1e-9)


@pytest.mark.parametrize(
    ("fraction", "steps"), [(0.1, 2), (0.3, 5), (0.5, 8), (1.0, 16), (0.25, 4)]
)
def test_partial_aopc_rounds_the_regions_up(fraction, steps):
    curve = torch.arange(17, dtype=torch.float64)[None]
    assert curves.aopc_of(curve, fraction)[0] == pytest.approx(steps / 2)


def test_centred_logits_do_not_see_a_shift_of_all_logits():
    logits = torch.randn(2, 5, 3)
    shifted = logits + torch.randn(2, 5, 1)
    classes = torch.tensor([0, 2])
    for output in ("probability", "logit"):
        actual = curves.drops(shifted, classes, output)
        assert torch.allclose(actual, curves.drops(logits, classes, output), atol=1e-6)


def test_a_px_size_equal_to_the_native_cell_is_skipped():
    network = replace(network_of(), size=64, cells=8)
    assert strict_regions(network, ["native", 8, 16]) == ["native", 16]
    assert strict_regions(network, [8]) == [8]


def test_draws_are_averaged():
    inputs, regions = inputs_of(), grid((16, 16), (4, 4))
    orders = {"a": torch.stack([torch.randperm(16) for _ in range(4)])}
    noise, outputs = inputs.replacements("noise", 0, 2), ("probability", "logit")
    both, one, other = (
        curves.mean_drops(inputs, regions, fills, orders, outputs)
        for fills in (noise, noise[:1], noise[1:])
    )
    for output in outputs:
        assert torch.allclose(both["a", output], (one["a", output] + other["a", output]) / 2)


def test_r_oms_is_the_area_under_the_probability_while_regions_go_in_a_random_order():
    inputs, network = inputs_of(), network_of()
    actual = scores_of("aopc", inputs, network, **STRICT).by_method()
    order = order_of(-inputs.noise.uniform("aopc random order", 0, (16,)))
    for imputer, draws in (("noise", 2), ("mean", 1)):
        fills = inputs.replacements(imputer, 0, draws)
        with torch.no_grad():
            logits = one_pass_per_step(
                inputs.network, inputs.images, [order], grid((16, 16), (4, 4)), fills
            )[0].double()
        chosen = inputs.classes.view(1, -1, 1, 1).expand(draws, 4, 17, 1)
        p = logits.softmax(-1).gather(-1, chosen)[..., 0].mean(0)
        values = actual[f"imputer={imputer};output=r_oms", "prediction"]
        assert torch.allclose(values, torch.trapezoid(p, dx=1 / 16), atol=1e-6)
    asked = registry.evaluations(STRICT, "aopc", network)
    facts = [e for e in asked if e.setting["output"] == "r_oms"]
    assert {(e.role, e.methods) for e in facts} == {("fact", ("prediction",))}
    others = {passes for e in asked if e not in facts for passes in e.passes}
    assert all(set(e.passes) <= others for e in facts)  # it is paid already


@pytest.mark.parametrize("channels", [1, 3])
def test_replacements_follow_the_protocol(channels):
    without = random_images(seed=3)
    inputs = inputs_of(channels=channels, renderings=[without, random_images(seed=4)])
    noise = inputs.replacements("noise", 0, 2)
    assert len(noise) == 2
    assert not torch.equal(noise[0], noise[1])
    (other,) = inputs.replacements("noise", 1, 1)
    assert not torch.equal(noise[0], other)
    grey = torch.equal(noise[0][:, 0], noise[0][:, 1])
    assert grey == (channels == 1)
    assert -1 <= noise[0].min() < -0.9
    assert 0.9 < noise[0].max() <= 1
    (mean,) = inputs.replacements("mean", 0, 2)
    assert torch.allclose(mean, inputs.images.mean((2, 3), keepdim=True).expand_as(mean))
    (blur,) = inputs.replacements("blur", 0, 2)
    assert blur.std() < inputs.images.std()
    assert torch.allclose(blur.mean(), inputs.images.mean(), atol=0.05)
    (rerendered,) = inputs.replacements("rerendered", 0, 2)
    assert torch.equal(rerendered, without)


def test_perturbation_drops_refuses_shapes_that_do_not_fit():
    images = random_images()
    with pytest.raises(ValueError, match="do not fit"):
        curves.perturbation_drops(
            random_net(), images, CLASSES, torch.rand(4, 4, 4), 4, torch.zeros_like(images)
        )
