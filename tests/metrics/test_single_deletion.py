"""Single deletion: known ranks, an exact map, falls that all maps share."""

from dataclasses import replace

import pytest
import torch
from networks import Counting, random_images, random_net
from scipy import stats
from scored import CONFIG, frame_of, inputs_of, network_of
from torch import nn

from faithcam.maps.explain import explain
from faithcam.metrics import registry
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness import single_deletion
from faithcam.metrics.faithfulness.occluded import occlusion
from faithcam.models.camnet import CamNet


def test_it_is_spearmans_correlation_of_the_cells():
    maps, falls = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    actual = single_deletion.single_deletion(maps, falls)
    for value, one, other in zip(actual.tolist(), maps, falls, strict=True):
        assert value == pytest.approx(stats.spearmanr(one.flatten(), other.flatten()).statistic)


def test_the_contributions_of_a_linear_patch_net_order_the_cells():
    features = nn.Conv2d(3, 5, 4, 4, bias=False)  # A is 0 where the image is grey
    model = CamNet(features, nn.Linear(80, 3), "flatten").eval()
    images, classes = random_images(), torch.tensor([0, 2, 1, 2])
    inputs = inputs_of(network=model, images=random_images(10))
    inputs = replace(inputs, images=images, classes=classes)
    maps = explain(model, images, classes, ["gradcam", "hirescam"], explained_score="centred")
    falls = occlusion(inputs, (4, 4), [torch.zeros_like(images)])
    assert (single_deletion.single_deletion(maps["hirescam"], falls) > 1 - 1e-9).all()
    assert (single_deletion.single_deletion(maps["gradcam"], falls) < 0.9).all()


def test_all_maps_share_the_falls():
    inputs, network = inputs_of(), network_of(controls=["sham"])
    counting = Counting(inputs.network)
    frame_of("single_deletion", replace(inputs, network=counting, kept={}), network)
    asked = registry.evaluations(CONFIG, "single_deletion", network)
    assert counting.passes - 3 == total_passes(asked) == 3 * 16  # and the clean one of each imputer


def test_an_image_whose_score_no_cell_changes_is_undefined():
    net = random_net()
    nn.init.zeros_(net.classifier.weight)
    frame = frame_of("single_deletion", inputs_of(network=net), network_of())
    assert set(frame.loc[frame["method"] == "random", "status"]) == {"undefined"}
    assert "blank_map" in set(frame["status"])


def test_removed_cells_are_grey_in_the_primary_setting():
    asked = registry.evaluations(CONFIG, "single_deletion", network_of())
    primary = [str(evaluation.setting) for evaluation in asked if evaluation.role == "primary"]
    assert primary == ["imputer=grey"]
