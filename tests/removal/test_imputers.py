"""What stands in place of removed pixels, by imputer."""

import pytest
import torch
from networks import random_images, volumes
from shards import TRAIN, make_shard

from faithcam.core.seeding import Noise, Streams
from faithcam.removal.imputers import replacements
from faithcam.removal.imputers_spec import IMPUTERS, NEEDS, draws_of
from faithcam.running.references import backgrounds, train_mean


def filled(imputer, images, **more):
    noise = Noise(Streams(1, "made", "net"), range(len(images)))
    return replacements(images, imputer, noise, **more)


@pytest.mark.parametrize("images", [random_images(3), volumes(3)], ids=["images", "volumes"])
def test_every_imputer_has_the_images_shape_and_as_many_draws_as_it_says(images):
    more = {
        "renderings": [images / 2],
        "backgrounds": lambda draw: images.roll(draw, 0),
        "train_mean": images.mean(0),
    }
    for name, imputer in IMPUTERS.items():
        fills = filled(name, images, draws=3, **more)
        assert len(fills) == draws_of(name, 3) == (3 if imputer.drawn else 1)
        assert all(fill.shape == images.shape for fill in fills)
    assert (filled("grey", images)[0] == 0).all()
    (mean,) = filled("train_mean", images, **more)
    assert torch.equal(mean[2], images.mean(0))
    assert set(NEEDS) == {"renderings", "background_images", "train_mean"}


def test_noise_is_what_it_was():
    """Its key's words name results that exist."""
    noise = Noise(Streams(1, "made", "net"), range(2))
    expected = noise.symmetric("aopc strict 1", 2, (1, 16, 16)).expand(-1, 3, -1, -1)
    images = random_images(2)
    actual = filled("noise", images, channels=1, replicate=1, draws=3)[2]
    assert torch.equal(actual, expected)


def test_replicates_have_other_training_images():
    images, asked = random_images(2), []
    for replicate in range(2):
        more = {"backgrounds": lambda draw: asked.append(draw) or images}
        filled("background", images, replicate=replicate, draws=3, **more)
    assert asked == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("name", "what"), [("background", "backgrounds"), ("train_mean", "train")])
def test_what_an_imputer_misses_is_named(name, what):
    with pytest.raises(ValueError, match=what):
        filled(name, random_images(2))


def test_backgrounds_are_training_images_others_for_every_image_and_draw():
    shard = make_shard()
    of = backgrounds(shard, [3, 5, 3], "test")
    draws = torch.stack([of(draw) for draw in range(TRAIN)])
    training = shard.tensor(shard.dataset.images[-TRAIN:])
    for row in range(3):  # each training image once, in a keyed order
        places = [int((training == x).flatten(1).all(1).nonzero()) for x in draws[:, row]]
        assert sorted(places) == list(range(TRAIN))
    assert torch.equal(of(TRAIN), of(0))
    assert torch.equal(draws[:, 0], draws[:, 2])
    assert not torch.equal(draws[:, 0], draws[:, 1])
    assert torch.equal(backgrounds(shard, [5], "test")(4)[0], draws[4, 1])
    assert not torch.equal(backgrounds(shard, [5], "other")(4)[0], draws[4, 1])


def test_the_mean_of_the_training_images():
    shard = make_shard()
    expected = shard.tensor(shard.dataset.images[-TRAIN:]).double().mean(0)
    assert torch.allclose(train_mean(shard).double(), expected, atol=1e-6)
