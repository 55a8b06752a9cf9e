"""Deletion and insertion: areas, and the curves that they are under."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from scored import inputs_of, network_of, scores_of

from faithcam.metrics.faithfulness.areas import area
from faithcam.metrics.faithfulness.deletion import deletion
from faithcam.metrics.faithfulness.insertion import insertion
from faithcam.metrics.inputs import GivenMaps
from faithcam.removal.engine import Removal
from faithcam.removal.grid import grid


def test_the_area_is_that_of_trapezoids():
    probability = torch.tensor([0.9, 0.5, 0.1, 0.2])
    logits = torch.stack([probability.log(), (1 - probability).log()], 1)[None]
    expected = np.trapezoid(probability, dx=1 / 3)
    assert area(logits, torch.tensor([0])).item() == pytest.approx(expected)


def test_the_area_of_independent_labels_is_that_of_sigmoids():
    logits = torch.tensor([[[0.0, 9.0], [1.0, -9.0]]])
    expected = (0.5 + 1 / (1 + np.exp(-1))) / 2
    assert area(logits, torch.tensor([0]), multi_label=True).item() == pytest.approx(expected)


def test_inserting_is_deleting_backwards():
    model, images, classes = random_net(), random_images(), torch.tensor([0, 1, 2, 0])
    order = torch.stack([torch.randperm(16) for _ in range(4)])
    removal, regions, blank = Removal(model), grid((16, 16), (4, 4)), torch.zeros(4, 3, 16, 16)
    forth = removal.logits(images, [order], regions, [blank])[0, 0]
    back = removal.logits(blank, [order.flip(1)], regions, [images])[0, 0]
    assert torch.allclose(area(forth.detach(), classes), area(back.detach(), classes))
    maps = torch.rand(4, 4, 4)
    assert torch.allclose(
        insertion(model, images, classes, -maps, blank), deletion(model, images, classes, maps)
    )


@pytest.mark.parametrize("name", ["deletion", "insertion"])
def test_curves_go_from_one_image_to_the_other_in_the_maps_order(name):
    raw = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(0))
    inputs = replace(inputs_of(), maps=GivenMaps({"hirescam": raw}))
    model, images, classes = inputs.network, inputs.images, inputs.classes
    (blur,) = inputs.replacements("blur")
    state, end = (images, images * 0) if name == "deletion" else (blur, images)
    states, state = [state], state.clone()
    for order in raw.flatten(1).argsort(1, descending=True).T:
        for i, cell in enumerate(order.tolist()):
            where = np.s_[i, :, 4 * (cell // 4) :, 4 * (cell % 4) :]
            state[where][:, :4, :4] = end[where][:, :4, :4]
        states.append(state.clone())
    assert len(states) == 17
    with torch.no_grad():
        curve = torch.stack([model(s).softmax(1) for s in states], 1)
        if name == "deletion":
            alone = deletion(model, images, classes, raw)
        else:
            alone = insertion(model, images, classes, raw, blur)
    curve = curve[torch.arange(4), :, classes].double()
    expected = (curve[:, :1] + curve[:, -1:]).squeeze() / 2 + curve[:, 1:-1].sum(1)
    spec = network_of(methods=["hirescam"])
    actual = scores_of(name, inputs, spec).by_method()["region=native", "hirescam"]
    assert actual.numpy() == pytest.approx((expected / 16).numpy(), abs=1e-6)
    assert actual.numpy() == pytest.approx(alone.numpy(), abs=1e-6)
