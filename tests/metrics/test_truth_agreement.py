"""Agreement with the truth: exact numbers, what stands beside the maps, what is undefined."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import net_of, random_images, random_net
from scipy import stats
from scored import (
    CONFIG,
    MadeTruth,
    alone_as_together,
    inputs_of,
    network_of,
    scores_of,
)
from torch import nn

from faithcam.core.seeding import torch_seed
from faithcam.core.views import centred_on_fields
from faithcam.metrics import registry
from faithcam.metrics.accuracy.names import SHIFTED
from faithcam.metrics.accuracy.truth_agreement import overlap
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness.occluded import occlusion
from faithcam.metrics.inputs import GivenMaps
from faithcam.truth.contributions import Truth
from faithcam.truth.others import mean_of_others

NETWORK = network_of(methods=("gradcam", "hirescam"), controls=("sham",))
ONE = network_of(methods=("hirescam",))
MEAN = {"truth": {"images": 10, "estimands": ["mean"]}}


def exact(values):
    values = values.double()
    return Truth(values, torch.stack([values, values]), torch.ones(len(values)).double())


def given(maps, truth, **fields):
    """Return inputs whose HiResCAM and truth are these (N, 4, 4)."""
    inputs = inputs_of(places=range(len(maps)))
    return replace(inputs, maps=GivenMaps({"hirescam": maps}), truth={"mean": truth}, **fields)


def values_of(actual, estimand="mean", method="hirescam"):
    """Return the values of an estimand and method by the rest of the setting."""
    return {
        setting.removeprefix(f"estimand={estimand};"): values
        for (setting, name), values in actual.items()
        if name == method and setting.startswith(f"estimand={estimand};")
    }


def test_the_truth_itself_scores_one():
    phi = torch.randn(5, 4, 4, generator=torch.Generator().manual_seed(1)).double()
    for maps in (phi, phi.float()):
        actual = values_of(
            scores_of("truth_agreement", given(maps, exact(phi)), ONE, **MEAN).by_method()
        )
        assert set(actual) == {
            "measure=spearman", "measure=pearson", "measure=top10",
            *(f"half={half};measure=spearman" for half in ("all", "first", "second")),
        }  # fmt: skip
        for name, values in actual.items():
            assert torch.allclose(values, torch.ones(5).double(), atol=1e-7), name
            if "spearman" in name:
                assert (values == 1).all()
    turned = scores_of("truth_agreement", given(-phi, exact(phi)), ONE, **MEAN).by_method()
    assert (values_of(turned)["half=all;measure=spearman"] == -1).all()


def test_spearman_is_divided_by_the_root_of_the_reliability():
    inputs = inputs_of(places=range(8))
    scores = scores_of("truth_agreement", inputs, NETWORK)
    raw = inputs.maps.of("gradcam", "predicted", "centred").flatten(1)
    for estimand in ("background", "mean"):
        truth = inputs.truth[estimand]
        actual = values_of(scores.by_method(), estimand, "gradcam")
        for i in range(8):
            phi, *halves = (v[i].flatten() for v in (truth.values, *truth.halves))
            rho = [stats.spearmanr(raw[i], v).statistic for v in (phi, *halves)]
            assert actual["measure=spearman"][i] == pytest.approx(
                rho[0] / truth.reliability[i].sqrt().item()
            )
            for half, expected in zip(("all", "first", "second"), rho, strict=True):
                assert actual[f"half={half};measure=spearman"][i] == pytest.approx(expected)
            pearson = np.corrcoef(raw[i].double(), phi)[0, 1]
            assert actual["measure=pearson"][i] == pytest.approx(pearson)


def test_images_whose_truth_is_not_resolved_are_undefined():
    scored = scores_of("truth_agreement", inputs_of(places=range(5)), NETWORK).scored
    for found in scored:
        undefined = [status == "undefined" for status in found.statuses]
        assert undefined == [i == MadeTruth.UNRESOLVED for i in range(5)]
    level = given(torch.ones(2, 4, 4), exact(torch.rand(2, 4, 4)))
    one = scores_of("truth_agreement", level, ONE, **MEAN).scored
    assert {s for f in one if f.method == "hirescam" for s in f.statuses} == {"undefined"}


def test_the_overlap_is_that_of_a_tenth_of_the_cells_rounded_up():
    truth, maps = torch.arange(32.0).view(2, 4, 4), torch.arange(32.0).view(2, 4, 4).clone()
    maps[0, 3, 3] = -1  # of two cells, 14 and 15, one is left
    maps[1] = -maps[1]
    keys = torch.rand(2, 16, generator=torch.Generator().manual_seed(0))
    assert overlap(truth, maps, keys).tolist() == [0.5, 0]
    assert overlap(truth, truth, keys).tolist() == [1, 1]
    assert overlap(torch.eye(3)[None], torch.eye(3)[None], keys[:1, :9]).tolist() == [1]


def test_the_mean_of_others_is_over_the_class_and_never_of_the_image():
    values = torch.tensor([1.0, 2.0, 4.0, 8.0])[:, None, None]
    classes = torch.tensor([0, 0, 0, 1])
    expected = torch.tensor([3, 2.5, 1.5, 7 / 3]).double()
    assert torch.allclose(mean_of_others(values, classes)[:, 0, 0], expected)
    assert mean_of_others(values[:1], classes[:1]).isnan().all()


def test_other_images_truth_stands_beside_the_maps():
    inputs = inputs_of(places=[0, 1, 2, 5])
    actual = scores_of("truth_agreement", inputs, NETWORK).by_method()
    for estimand in ("background", "mean"):
        others = inputs.truth_of_others[estimand]
        values = actual[f"estimand={estimand};measure=pearson", "mean_truth_of_others"]
        for i in range(4):
            truth = inputs.truth[estimand].values[i].flatten()
            assert values[i] == pytest.approx(np.corrcoef(others[i].flatten(), truth)[0, 1])
    assert ("estimand=mean;half=all;measure=spearman", "mean_truth_of_others") not in actual


def test_maps_are_shifted_where_cells_look_elsewhere():
    def rows(*methods, offset=2.0):
        network = replace(network_of(methods=methods), offset=offset)
        asked = registry.evaluations(CONFIG, "truth_agreement", network)
        return {name for e in asked for name in e.methods} & {*SHIFTED}

    assert rows("gradcam", "hirescam", "expected_gradcam", "sham") == {
        "gradcam_shifted", "hirescam_shifted", "expected_gradcam_shifted",
    }  # fmt: skip
    assert rows("gradcam") == {"gradcam_shifted"}
    assert rows("gradcam", "hirescam", offset=0.0) == set()


@pytest.mark.parametrize("method", ["hirescam", "gradcam"])
def test_the_offset_of_the_network_moves_a_map(method):
    inputs = inputs_of()
    network = replace(NETWORK, offset=2.0)
    actual = scores_of("truth_agreement", inputs, network).by_method()
    raw = centred_on_fields(inputs.maps.of(method, "predicted", "centred"), 2.0, (16, 16))
    truth = inputs.truth["mean"].values
    values = actual["estimand=mean;measure=pearson", f"{method}_shifted"]
    for i in range(4):
        expected = np.corrcoef(raw[i].flatten(), truth[i].flatten())[0, 1]
        assert values[i] == pytest.approx(expected, abs=1e-6)


def test_occlusion_takes_one_cell_away_at_a_time():
    inputs = inputs_of()
    (mean,) = inputs.replacements("mean")
    with torch.no_grad():
        actual = occlusion(inputs, (4, 4), [mean])
        for cell in (0, 6, 15):
            state, row, column = inputs.images.clone(), 4 * (cell // 4), 4 * (cell % 4)
            part = (..., slice(row, row + 4), slice(column, column + 4))
            state[part] = mean[part]
            seen = [inputs.network(x).double() for x in (inputs.images, state)]
            clean, after = (y.gather(1, inputs.classes[:, None])[:, 0] - y.mean(1) for y in seen)
            assert torch.allclose(actual.flatten(1)[:, cell], clean - after, atol=1e-5)


def test_where_cells_add_up_occlusion_by_the_mean_is_the_truth():
    """Each cell sees its own pixels alone: leave-one-out is the Shapley value."""
    with torch_seed("patches"):
        net = net_of(nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.ReLU()), (16, 16))
    inputs = inputs_of(network=net, images=random_images(10))
    with torch.no_grad():
        (mean,) = inputs.replacements("mean")
        A, filled = net.activations(inputs.images), net.activations(mean)
        weights = net.cell_weights(A.shape)
        weights = weights[inputs.classes] - weights.mean(0)
        phi = (weights * (A - filled)).sum(1)
    inputs = replace(inputs, truth={"mean": exact(phi)})
    actual = scores_of("truth_agreement", inputs, NETWORK, **MEAN).by_method()
    values = actual["estimand=mean;measure=pearson", "occlusion_mean"]
    assert torch.allclose(values, torch.ones(4).double(), atol=1e-6)


def test_the_first_estimand_is_primary_and_halves_are_facts():
    def roles(**sections):
        asked = registry.evaluations({**CONFIG, **sections}, "truth_agreement", NETWORK)
        return {str(e.setting): e.role for e in asked}

    actual = roles()
    assert actual["estimand=background;measure=spearman"] == "primary"
    assert actual["estimand=mean;measure=spearman"] == "variant"
    assert actual["estimand=background;half=first;measure=spearman"] == "fact"
    assert list(actual.values()).count("primary") == 1
    # parts cannot be rendered away here
    one = roles(truth={"images": 4, "estimands": ["rerendered", "features", "mean"]})
    assert one["estimand=features;measure=spearman"] == "primary"
    assert not any("rerendered" in name for name in one)


def test_occlusion_is_of_pixels_and_paid_once():
    config = {**CONFIG, "truth": {"images": 4, "estimands": ["features", "background", "mean"]}}
    asked = registry.evaluations(config, "truth_agreement", NETWORK)
    assert "occlusion_features" not in asked[0].methods
    assert total_passes(asked) == 16 * (10 + 1)


@pytest.mark.parametrize("metric", ["truth_agreement", "blind"])
def test_images_are_scored_alone_as_together(metric):
    assert alone_as_together(metric, NETWORK, {})


def test_gap_networks_have_a_truth_too():
    network = network_of("gap", ("gradcam", "hirescam"))
    scores = scores_of("truth_agreement", inputs_of(network=random_net("gap")), network)
    actual = values_of(scores.by_method())
    same = values_of(scores.by_method(), method="gradcam")
    assert torch.allclose(actual["measure=spearman"], same["measure=spearman"], equal_nan=True)
