"""Random numbers depend on their key alone."""

import numpy as np
import pytest
import torch

from faithcam.core import seeding

STREAMS = seeding.Streams(1, "phantom", "vgg_small-gap/seed0")


def test_known_numbers():
    assert seeding.key(1, "a", 2.5) == 0x7247C29DA497560EE68E214054E13351
    first = seeding.generator("a").random(3)
    assert np.array_equal(first, seeding.generator("a").random(3))
    assert not np.array_equal(first, seeding.generator("b").random(3))


def test_an_image_has_the_same_noise_in_any_batch_and_order():
    together = STREAMS.uniform([5, 7, 9], "noise", 0, (3, 4))
    assert torch.equal(together[1], STREAMS.uniform([7], "noise", 0, (3, 4))[0])
    assert torch.equal(together.flip(0), STREAMS.uniform([9, 7, 5], "noise", 0, (3, 4)))
    assert 0 <= together.min() <= together.max() < 1


def test_seed_data_set_model_image_purpose_and_draw_name_different_streams():
    variants = [
        STREAMS.uniform([5], "noise", 0, (2,)),
        STREAMS.uniform([6], "noise", 0, (2,)),
        STREAMS.uniform([5], "other", 0, (2,)),
        STREAMS.uniform([5], "noise", 1, (2,)),
        seeding.Streams(2, "phantom", "vgg_small-gap/seed0").uniform([5], "noise", 0, (2,)),
        seeding.Streams(1, "other", "vgg_small-gap/seed0").uniform([5], "noise", 0, (2,)),
        seeding.Streams(1, "phantom", "vgg_small-gap/seed1").uniform([5], "noise", 0, (2,)),
    ]
    assert len({tuple(v.flatten().tolist()) for v in variants}) == len(variants)


def test_an_image_s_places_are_its_own_and_come_once_before_one_comes_again():
    together = STREAMS.places([5, 7], "training", 6)
    first, second = zip(*(together(draw) for draw in range(12)), strict=True)
    assert sorted(first[:6]) == sorted(second[:6]) == list(range(6))
    assert first[:6] == first[6:]
    assert first != second
    alone = STREAMS.places([7], "training", 6)
    assert [alone(draw)[0] for draw in reversed(range(12))] == list(reversed(second))


def test_torch_is_seeded_inside_the_block_only():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with seeding.torch_seed("init", 1):
        inside = torch.rand(2)
    assert torch.equal(torch.get_rng_state(), before)
    with seeding.torch_seed("init", 1):
        assert torch.equal(torch.rand(2), inside)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 12_288])
def test_numbers_made_by_torch_are_numpys(count):
    keys = [0, 2**128 - 1, *(seeding.key("test", i) for i in range(5))]
    actual = seeding.philox_uniform(keys, count, torch.device("cpu"))
    expected = [
        np.random.Generator(np.random.Philox(key=k)).random(count, np.float32) for k in keys
    ]
    assert np.array_equal(actual.numpy(), np.stack(expected))
