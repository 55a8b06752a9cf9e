"""What stands in place of removed pixels, by imputer."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from networks import random_images, volumes
from shards import TRAIN, make_shard

from faithcam.core.seeding import Noise, Streams
from faithcam.core.views import size_of
from faithcam.removal.grid import grid, region_of
from faithcam.removal.imputers import replacements
from faithcam.removal.imputers_spec import IMPUTERS, NEEDS, draws_of
from faithcam.removal.inpainting import RADIUS, inpainted
from faithcam.running.references import backgrounds, train_mean

ROOT = Path(__file__).parents[2]


def filled(imputer, images, **more):
    noise = Noise(Streams(1, "made", "net"), range(len(images)))
    return replacements(images, imputer, noise, **more)


@pytest.mark.parametrize("images", [random_images(3), volumes(3)], ids=["images", "volumes"])
def test_every_imputer_has_the_images_shape_and_as_many_draws_as_it_says(images):
    more = {
        "renderings": [images / 2],
        "backgrounds": lambda draw: images.roll(draw, 0),
        "train_mean": images.mean(0),
        "regions": grid(size_of(images), 8),
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


@pytest.mark.parametrize(
    ("name", "what"),
    [("background", "backgrounds"), ("train_mean", "train"), ("inpainting", "regions")],
)
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


# --- inpainting -----------------------------------------------------------------------------------


def eight_bit(images):
    """Return the nearest images that come from 8 bits."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def changed_inside(images, labels, region):
    """Return images whose pixels in one region are others."""
    return torch.where(labels == region, eight_bit(-images), images)


def around(missing):
    """Return which pixels lie within 6 px of a rectangular region."""
    wide = F.max_pool2d(missing[None, None].float(), 13, 1, 6)[0, 0] > 0
    return wide & ~missing


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("regions", [grid((32, 32), 12), grid((32, 32), (5, 8), 1.0)])
def test_a_region_is_inpainted_by_opencv_from_all_that_is_outside_of_it(regions, channels):
    import cv2

    images, labels = eight_bit(random_images(2, 32)[:, :channels]), region_of(regions)
    actual = inpainted(images, regions)
    for region in range(int(labels.max()) + 1):
        missing = labels == region
        other = inpainted(changed_inside(images, labels, region), regions)
        assert torch.equal(other[..., missing], actual[..., missing])  # its own pixels are unknown
        for image, result in zip(images, actual, strict=True):
            bits = ((image + 1) * 127.5).round().permute(1, 2, 0)
            bits[missing] = bits[around(missing)].mean(0).round()
            bits, mask = bits.byte().contiguous().numpy(), missing.byte().numpy()
            whole = torch.from_numpy(cv2.inpaint(bits, mask, RADIUS, cv2.INPAINT_NS))
            expected = whole.view(32, 32, channels).permute(2, 0, 1) / 127.5 - 1
            assert torch.equal(result[:, missing], expected[:, missing])
    assert not torch.equal(actual, images)


def test_all_values_of_8_bits_come_through_inpainting_as_they_are():
    levels = (torch.arange(256) / 127.5 - 1).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    assert torch.equal(inpainted(levels, grid((8, 8), 4)), levels)


def test_inpainted_images_have_the_same_bytes_again_alone_and_grey_ones_in_one_channel():
    images, regions = eight_bit(random_images(3)), grid((16, 16), 4)
    whole = inpainted(images, regions)
    assert torch.equal(inpainted(images, regions), whole)
    assert torch.equal(inpainted(images[1:2], regions), whole[1:2])
    grey = images[:, :1].expand_as(images)
    assert torch.equal(inpainted(grey, regions, 1), inpainted(grey, regions, 3))


def test_volumes_are_inpainted_slice_by_slice_whatever_regions_span():
    images = eight_bit(volumes(2))
    expected = inpainted(images.flatten(0, 1), grid((16, 16), 8)).view(images.shape)
    for regions in (grid(size_of(images), 8), grid(size_of(images), (images.shape[1], 2, 2))):
        assert torch.equal(inpainted(images, regions), expected)


def test_the_whole_image_cannot_be_inpainted():
    with pytest.raises(ValueError, match="the whole image"):
        inpainted(random_images(1), grid((16, 16), 16))


# --- names ----------------------------------------------------------------------------------------


def test_schema_config_and_docs_name_every_imputer():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    aopc, multiverse = (schema["properties"][name]["properties"] for name in ("aopc", "multiverse"))
    assert aopc["strict"]["properties"]["imputers"]["items"]["enum"] == list(IMPUTERS)
    assert multiverse["imputers"]["items"]["enum"] == [
        name for name, imputer in IMPUTERS.items() if imputer.needs != "renderings"
    ]
    comment = (ROOT / "config.yaml").read_text().partition("imputers: [noise]")[2]
    comment = comment.partition("draws:")[0]
    metrics = (ROOT / "docs" / "metrics.md").read_text()
    for name in IMPUTERS:
        assert name in comment
        assert f"imputer={name}" in metrics
