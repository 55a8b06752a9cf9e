"""Normalised AOPC: its bounds, and the place between them."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import torch
from networks import random_images, random_net
from scored import inputs_of, network_of, scores_of
from torch import nn

from faithcam.metrics.faithfulness import normalised_aopc
from faithcam.metrics.faithfulness.curves import aopc_of, drops
from faithcam.metrics.faithfulness.normalised_aopc_spec import search_passes
from faithcam.metrics.inputs import GivenMaps
from faithcam.removal.engine import Removal
from faithcam.removal.grid import grid


def test_the_states_of_a_search_by_hand():
    assert search_passes(2, 5) == 1 * 3 + 2 * 2
    assert search_passes(3, 2) == 1 * 4 + 2 * 3 + 2 * 2


def test_normalised_aopc_is_the_place_between_the_worst_and_the_best_order():
    inputs = inputs_of()
    orders = list(permutations(range(4)))
    given = [torch.tensor([order] * 4) for order in orders]
    expected = []
    for replicate in (0, 1):
        noise = inputs.replacements("noise", replicate)
        logits = Removal(inputs.network).logits(inputs.images, given, grid((16, 16), 8), noise)
        scores = aopc_of(drops(logits[:, 0], inputs.classes, "probability"))
        expected.append((scores - scores.amin(0)) / (scores.amax(0) - scores.amin(0)))
    section = {"images": 4, "region": 8, "beam": 6}
    spec = network_of(methods=["hirescam"])
    for place, order in enumerate(orders):
        relevance = torch.zeros(4)
        relevance[list(order)] = torch.tensor([4.0, 3.0, 2.0, 1.0])
        raw = relevance.reshape(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1)
        maps = replace(inputs, maps=GivenMaps({"hirescam": raw.repeat(4, 1, 1)}))
        actual = scores_of("normalised_aopc", maps, spec, normalised_aopc=section).by_method()
        for replicate, values in enumerate(expected):
            score = actual[f"beam=6;region=8;replicate={replicate}", "hirescam"]
            np.testing.assert_allclose(score, values[place], atol=1e-5)
    assert ((expected[0] > 0.1) & (expected[0] < 0.9)).any()
    assert not torch.allclose(*expected)


def test_a_wide_beam_finds_the_bounds_of_all_orders():
    model, images, classes = random_net(), random_images(), torch.tensor([0, 1, 2, 0])
    noise, regions, removal = random_images(seed=1), grid((16, 16), 8), Removal(random_net())
    orders = [torch.tensor([order] * 4) for order in permutations(range(4))]
    logits = removal.logits(images, orders, regions, [noise])[:, 0]
    scores = aopc_of(drops(logits, classes, "probability"))
    arguments = (Removal(model), images, classes, regions, noise)
    assert torch.allclose(normalised_aopc.best_aopc(*arguments, 6), scores.amax(0))
    assert torch.allclose(normalised_aopc.best_aopc(*arguments, 6, -1), scores.amin(0))
    for beam in (1, 2):
        narrow = normalised_aopc.best_aopc(*arguments, beam)
        assert (narrow <= scores.amax(0) + 1e-9).all()
        assert torch.isclose(narrow, scores, atol=1e-9).any(0).all()  # some order's


def test_equal_sets_are_kept_once():
    class Additive(nn.Module):
        """Removing region i takes gains[i] from the first logit."""

        def forward(self, images):
            gains = torch.tensor([3.0, 2.0, 1.0, 0.5])
            left = images[:, 0, ::8, ::8].flatten(1) @ gains
            return torch.stack([left, torch.zeros_like(left)], 1)

    images, zeros = torch.ones(2, 3, 16, 16), torch.zeros(2, 3, 16, 16)
    seen = []
    removal = Removal(Additive())
    logits = removal.logits
    removal.logits = lambda state, *a: seen.append(state[0, 0, ::8, ::8]) or logits(state, *a)
    classes, regions = torch.zeros(2, dtype=torch.int64), grid((16, 16), 8)
    actual = normalised_aopc.best_aopc(removal, images, classes, regions, zeros, 3)
    best = logits(images, [torch.arange(4).expand(2, 4)], regions, [zeros])[0, 0]
    assert torch.allclose(actual, aopc_of(drops(best, classes, "probability")))
    two_removed = {tuple(s.flatten().tolist()) for s in seen if s.sum() == 2}
    assert len(two_removed) == 3  # a beam of three different pairs
