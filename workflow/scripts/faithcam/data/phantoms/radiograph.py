"""Simulated frontal chest radiographs with lesions whose pixels are known.

The two kinds of lesion share the distribution of place, size and contrast and even the histogram of
attenuation (the same profile is stretched over another outline): only their shape tells them apart.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from faithcam.core import seeding
from faithcam.data.dataset import SPLITS
from faithcam.data.phantoms.anatomy import Array, Stream, chest
from faithcam.data.store import Row, Source

CLASSES = ("no finding", "nodule", "spiculated")
RADIUS = (0.065, 0.105)  # of a disc with a lesion's area, in units of the image's side
CONTRAST = (0.20, 0.52)  # largest attenuation that a lesion adds; the chest's soft tissue is 1
MARGIN = 1.2  # radii from a lesion's middle to the border of its lung


class Lesion(NamedTuple):
    """A lesion that was drawn.

    Args:
        added: its attenuation (size, size).
        mask: (size, size) uint8 in {0, 1}, as many pixels as its area.
        column: of its middle, in pixels from the image's left border.
        row: of its middle, in pixels from the top.
        radius: of a disc with its area, in pixels.
    """

    added: Array
    mask: Array
    column: float
    row: float
    radius: float


def source(name: str, definition: Mapping[str, Any], seed: int) -> Source:
    """Return a data set of radiographs; classes take turns, images are drawn as they are read.

    Args:
        name: of the data set; with the seed, the split and the index it names an image's streams.
        definition: ``size`` in pixels, and the number of images of ``train``, ``val``, ``test``.
        seed: the experiment's seed.
    """
    places = [(split, index) for split in SPLITS for index in range(definition[split])]
    rows = [
        Row(split, index % len(CLASSES), f"{split}[{index}]", f"{split}[{index}]")
        for split, index in places
    ]

    def chunks() -> Iterator[tuple[Array, Array]]:
        for row, place in zip(rows, places, strict=True):
            stream = partial(seeding.generator, seed, name, "phantom", *place)
            pixels, mask = image(stream, row.label, definition["size"])
            yield pixels[None, :, :, None], mask[None]

    return Source(CLASSES, definition["size"], 1, rows, chunks())


def image(stream: Stream, label: int, size: int) -> tuple[Array, Array]:
    """Draw one radiograph.

    Args:
        stream: returns the random generator of a purpose (those of a chest, lesions, noise).
        label: index into CLASSES.
        size: rows = columns, pixels.

    Returns:
        The image, (size, size) uint8, and its lesions, (size, size) uint8 in {0, 1}.
    """
    patient = chest(stream, size)
    attenuation, mask = patient.attenuation, np.zeros((size, size), np.uint8)
    if label:
        draw, room = stream("lesions"), patient.room
        for _ in range(draw.integers(1, 3)):
            drawn = lesion(draw, CLASSES[label], room)
            attenuation = attenuation + drawn.added
            mask |= drawn.mask
            room = np.minimum(room, ndimage.distance_transform_edt(mask == 0) / size)
    noise = stream("noise").standard_normal((size, size))
    return patient.detector.image(attenuation, noise), mask


def lesion(
    rng: np.random.Generator,
    kind: str,
    room: Array,
    radii: tuple[float, float] = RADIUS,
    contrasts: tuple[float, float] = CONTRAST,
) -> Lesion:
    """Draw one lesion where there is room for it.

    The profile p(distance / outline(angle)) has the same histogram over all outlines of one area.
    A ring has a nodule's outline and its values in the opposite order over the area: distance^2 is
    uniform there, so the histogram is the same again.

    Args:
        rng: of the image's lesions; place, size and contrast do not depend on the kind.
        kind: nodule (round), spiculated (round with spikes) or ring (a nodule's inside out).
        room: depth of each pixel inside free lung (size, size).
        radii: smallest and largest.
        contrasts: smallest and largest.
    """
    size = len(room)
    radius, contrast = np.exp(rng.uniform(*np.log(radii))), rng.uniform(*contrasts)
    places = rng.uniform(0.05, 0.95, (512, 2))
    column, row = (places.T * size).astype(int)
    fits = np.minimum(room[row, column], MARGIN * radius)
    cx, cy = places[np.argmax(fits)] * size  # the first that fits, else the deepest

    angle = np.arange(720) * np.pi / 360
    if kind == "spiculated":
        count = rng.integers(6, 10)
        at = (np.arange(count) + rng.uniform(-0.45, 0.45, count)) / count + rng.random()
        away = np.abs((angle[:, None] / (2 * np.pi) - at + 0.5) % 1 - 0.5) * 2 * np.pi
        spikes = rng.uniform(0.5, 1.6, count) * np.exp(-away / rng.uniform(0.12, 0.24, count))
        outline = 0.5 + spikes.sum(1)
    else:
        amplitude, phase = rng.uniform(0, (0.15, 0.06)), rng.uniform(0, 2 * np.pi, 2)
        outline = 1 + np.cos(angle[:, None] * (2, 3) + phase) @ amplitude
    outline *= size * radius / np.sqrt(np.mean(outline**2))

    fine = -(-320 // size)  # points per pixel and direction
    reach = int(outline.max()) + 2
    left, top, side = int(cx), int(cy), 2 * reach + 1
    at = (np.arange(side * fine) + 0.5) / fine - reach
    right, down = left + at - cx, (top + at - cy)[:, None]
    here = (np.arctan2(down, right) / np.pi * 360).astype(int) % 720
    relative = np.hypot(right, down) / outline[here]
    inside = relative < 1
    profile = (inside * relative**2 if kind == "ring" else np.clip(1 - relative**2, 0, None)) ** 0.6
    added, covered = np.zeros((2, size + 2 * reach, size + 2 * reach))
    for whole, points in ((added, contrast * profile), (covered, inside)):
        pixels = points.reshape(side, fine, side, fine).mean((1, 3))
        whole[top : top + side, left : left + side] = pixels
    crop = np.s_[reach : reach + size, reach : reach + size]
    share = covered[crop].ravel()
    mask = np.zeros(size * size, np.uint8)
    mask[np.argsort(-share, kind="stable")[: round(share.sum())]] = 1
    return Lesion(added[crop], mask.reshape(size, size), cx, cy, radius * size)
