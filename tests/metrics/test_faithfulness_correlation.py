"""Faithfulness correlation: known numbers, the sets of cells, an exact map."""

from dataclasses import replace

import pytest
import torch
from networks import Counting, random_images, random_net
from scipy import stats
from scored import CONFIG, frame_of, inputs_of, network_of
from torch import nn

from faithcam.core.seeding import Noise, Streams
from faithcam.core.setting import Setting
from faithcam.maps.explain import explain
from faithcam.metrics import registry
from faithcam.metrics.evaluation import Evaluation, total_passes
from faithcam.metrics.faithfulness import faithfulness_correlation as metric
from faithcam.metrics.inputs import GivenMaps, Inputs
from faithcam.models.camnet import CamNet


def test_it_is_pearsons_correlation_over_the_sets():
    sums, falls = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
    actual = metric.faithfulness_correlation(sums, falls)
    for i, value in enumerate(actual.tolist()):
        assert value == pytest.approx(stats.pearsonr(sums[:, i], falls[:, i]).statistic, abs=1e-6)


def test_sets_have_their_size_and_every_cell_is_as_likely():
    numbers = torch.rand(8000, 10, generator=torch.Generator().manual_seed(0))
    chosen = metric.subset(numbers, 3)
    assert (chosen.sum(1) == 3).all()
    assert (chosen.double().mean(0) - 0.3).abs().max() < 0.02
    together = (chosen[:, 0] & chosen[:, 1]).double().mean().item()
    assert together == pytest.approx(3 / 10 * 2 / 9, abs=0.01)


def test_the_contributions_of_a_linear_patch_net_predict_every_fall():
    """As in a notebook: a network, images, classes, maps and an evaluation are enough."""
    features = nn.Conv2d(3, 5, 4, 4, bias=False)  # A is 0 where the image is grey
    model = CamNet(features, nn.Linear(80, 3), "flatten").eval()
    images, classes = random_images(), torch.tensor([0, 2, 1, 2])
    maps = explain(model, images, classes, ["gradcam", "hirescam"], explained_score="centred")
    noise = Noise(Streams(7, "mine", "net"), [3, 5, 8, 9])
    setting = Setting.of(replicate=0, share=0.25, subsets=6)
    evaluation = Evaluation(metric.__name__, "strict", setting, ("gradcam", "hirescam"))
    with torch.no_grad():
        scores = metric.score(Inputs(model, images, classes, GivenMaps(maps), noise), [evaluation])
    least = {scored.method: scored.values.min().item() for scored in scores.scored}
    assert least["hirescam"] > 1 - 1e-6
    assert least["gradcam"] < 0.9


def test_all_maps_share_the_passes_and_draws_differ():
    inputs, network = inputs_of(), network_of(controls=["sham"])
    counting = Counting(inputs.network)
    name = "faithfulness_correlation"
    frame = frame_of(name, replace(inputs, network=counting), network)
    asked = registry.evaluations(CONFIG, name, network)
    assert counting.passes == total_passes(asked) == 2 * 2 * 4 + 1
    values = frame[frame["method"] == "hirescam"].pivot(
        index="image", columns="setting", values="value"
    )
    assert len({tuple(column) for column in values.T.to_numpy()}) == 4
    primary = [str(evaluation.setting) for evaluation in asked if evaluation.role == "primary"]
    assert primary == ["replicate=0;share=0.25;subsets=4"]


def test_an_image_whose_score_no_set_changes_is_undefined():
    net = random_net()
    nn.init.zeros_(net.classifier.weight)
    frame = frame_of("faithfulness_correlation", inputs_of(network=net), network_of())
    assert set(frame.loc[frame["method"] == "random", "status"]) == {"undefined"}
