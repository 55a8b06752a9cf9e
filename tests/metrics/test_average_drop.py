"""Average drop and increase in confidence."""

from dataclasses import replace

import pytest
import torch
from scored import inputs_of, network_of, scores_of

from faithcam.core.views import scaled
from faithcam.metrics.faithfulness import average_drop, masking
from faithcam.metrics.inputs import GivenMaps


def test_drops_of_confidence_by_hand():
    clean, masked = torch.tensor([0.8, 0.5, 0.5]), torch.tensor([0.2, 0.9, 0.5])
    assert average_drop.drop(clean, masked).tolist() == pytest.approx([0.75, 0, 0])


def test_a_map_of_ones_would_drop_nothing_and_one_of_zeros_sees_grey(monkeypatch):
    inputs = inputs_of()
    network, images, classes = inputs.network, inputs.images, inputs.classes
    for value in (0.0, 1.0):
        view = torch.full((4, 16, 16), value)
        monkeypatch.setattr(masking, "scaled", lambda raw, size, view=view: view)
        with torch.no_grad():
            clean, seen = masking.masked_confidences(
                network, images, classes, {"given": torch.rand(4, 4, 4)}
            )
            grey = masking.confidence(network, images * 0, classes)
        assert torch.equal(seen["given"], clean if value else grey)


def test_scores_are_of_the_image_times_the_scaled_map():
    inputs, spec = inputs_of(), network_of()
    raw = inputs.raw(["hirescam"])["hirescam"]
    with torch.no_grad():
        clean = masking.confidence(inputs.network, inputs.images, inputs.classes)
        masked = inputs.images * scaled(raw, 16)[:, None]
        seen = masking.confidence(inputs.network, masked, inputs.classes)
    dropped, risen = (
        scores_of(name, inputs, spec).by_method()["view=scaled", "hirescam"]
        for name in ("average_drop", "increase_in_confidence")
    )
    assert dropped.tolist() == pytest.approx((1 - seen / clean).clamp(min=0).tolist())
    assert risen.tolist() == (seen > clean).tolist()


def test_confidence_cannot_rise_and_drop():
    inputs, spec = inputs_of(places=range(10)), network_of()
    dropped, risen = (
        scores_of(name, inputs, spec).by_method()
        for name in ("average_drop", "increase_in_confidence")
    )
    for key, values in dropped.items():
        assert ((values > 0) != (risen[key] == 1)).all()
    rises = [values.double().mean() for values in risen.values()]
    assert 0 < sum(rises) / len(rises) < 1


@pytest.mark.parametrize("name", ["average_drop", "increase_in_confidence"])
def test_a_map_that_is_nowhere_positive_shows_nothing(name):
    inputs = replace(inputs_of(), maps=GivenMaps({"hirescam": -torch.rand(4, 4, 4)}))
    spec = network_of(methods=["hirescam"])
    (actual,) = scores_of(name, inputs, spec).scored
    assert actual.statuses == ["blank_map"] * 4
