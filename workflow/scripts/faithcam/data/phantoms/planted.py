"""Phantoms with a known truth: every part has a mask and can be taken out of the image again.

Each image has one lesion. What the class is depends on the task:

- lesion: the kind of lesion.
- position: the zone of the lung that the lesion, always a nodule, is in.
- shortcut: the kind of lesion, with a burned-in marker that says it, too, in training images.

The suppressor says nothing about the class: a nuisance of keyed amplitude lies under the lesion,
and a striped patch elsewhere shows how strong it is, so that a network can subtract it.

Decoys are discs of the lesion's area in which fine texture and noise can be drawn again. What a
part contributes is asked by rendering the same patient, with the same noise, without it. Networks
that shall be asked so have seen images without parts: ``part_dropout`` is the share of training
images in which a part is absent, each part by itself, whatever the label.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import ndimage

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.data.dataset import DECOYS, SPLITS, TEXTURES
from faithcam.data.phantoms.anatomy import Array, Chest, Stream, chest, octaves
from faithcam.data.phantoms.markers import BURNED, burned, marker_of
from faithcam.data.phantoms.radiograph import lesion
from faithcam.data.store import Row, Source

KINDS = ("nodule", "spiculated", "ring")
ZONES = {"upper": (0.0, 0.3), "middle": (0.36, 0.64), "lower": (0.7, 1.0)}  # of the lung's height
RADIUS = (0.08, 0.11)  # of lesions, as in phantom.py
CONTRAST = (0.40, 0.55)
NUISANCE = 0.4  # largest attenuation under the lesion
PATCH = 0.08  # radius of the suppressor's patch; units: the image's side
STRIPES = 0.6  # largest attenuation in the patch
PERIOD = 0.08  # of its stripes
GAP = 0.02  # between parts, and from them to the skin


@dataclass(frozen=True)
class Task:
    """A task that a network has to learn, and the parts planted for it.

    Args:
        classes: names, in the order of the labels.
        parts: names, in the order of masks and bits.
    """

    classes: tuple[str, ...]
    parts: tuple[str, ...] = ("lesion", "suppressor")


TASKS = {
    "lesion": Task(KINDS),
    "position": Task(tuple(ZONES)),
    "shortcut": Task(KINDS, ("lesion", "marker", "suppressor")),
}


@dataclass(frozen=True)
class Scene:
    """One image in parts; all arrays are (size, size).

    Args:
        patient: without parts, but with the nuisance under the lesion.
        noise: of the detector, before it is shaped.
        added: attenuation of the parts lesion and suppressor.
        marker: whether a pixel is burned in.
        masks: uint8 {0, 1} of each part, in the task's order.
        stream: returns the random generator of a purpose.
    """

    patient: Chest
    noise: Array
    added: dict[str, Array]
    marker: Array
    masks: dict[str, Array]
    stream: Stream

    def render(
        self, parts: Collection[str], patient: Chest | None = None, noise: Array | None = None
    ) -> Array:
        """Return the image with some of its parts, (size, size) uint8.

        Args:
            parts: names of the parts to show.
            patient: instead of the scene's own.
            noise: instead of the scene's own.
        """
        patient = self.patient if patient is None else patient
        attenuation = patient.attenuation
        for part, added in self.added.items():
            if part in parts:
                attenuation = attenuation + added
        image = patient.detector.image(attenuation, self.noise if noise is None else noise)
        return np.where(self.marker & ("marker" in parts), np.uint8(BURNED), image)

    @cached_property
    def decoys(self) -> list[Array]:
        """Discs of the lesion's area inside the body that touch no part and no other decoy.

        Raises:
            FaithcamError: if there is no room for them, whatever the order.
        """
        random, size = self.stream("decoys"), len(self.noise)
        area = int(self.masks["lesion"].sum())
        for _ in range(100):
            taken = np.any(list(self.masks.values()), axis=0)
            discs: list[Array] = []
            while len(discs) < DECOYS:
                room = np.minimum(_away(taken), self.patient.skin * size) - GAP * size
                fits = np.flatnonzero(room.ravel() > np.sqrt(area / np.pi) + 0.5)
                if not len(fits):
                    break
                row, column = np.divmod(random.choice(fits), size)
                discs.append(_disc(column, row, area, size))
                taken = taken | (discs[-1] == 1)
            else:
                return discs
        raise FaithcamError(
            f"no room found for {DECOYS} decoys of {area} px, the lesion's area, in an image of "
            f"{size} px; use another size"
        )

    def redrawn(self, decoy: int, texture: int) -> Array:
        """Return the whole image with other fine texture and noise inside one decoy.

        Args:
            decoy: index into :attr:`decoys`.
            texture: which other one, below TEXTURES.
        """
        patient, size = self.patient, len(self.noise)
        random = self.stream(f"decoy {decoy} texture {texture}")
        inside = ndimage.distance_transform_edt(self.decoys[decoy])
        new = np.clip(inside / (1 + GAP * size), 0, 1)  # 0 outside, 1 but for a soft edge
        old = np.sqrt(1 - new**2)  # so that the texture is as strong everywhere
        texture_here = old * patient.texture + new * octaves(random, size, 4)
        detail_here = old * patient.detail + new * octaves(random, size, 8)
        noise = old * self.noise + new * random.standard_normal((size, size))
        change = patient.fine(texture_here, detail_here) - patient.fine(
            patient.texture, patient.detail
        )
        other = replace(patient, attenuation=patient.attenuation + change)
        return self.render(self.masks, other, noise)

    def renderings(self) -> Array:
        """Return all renderings, (2^P + TEXTURES DECOYS, size, size) uint8.

        First one per subset of the parts (bit i: part i), then one per decoy with the first other
        texture, then the same with the second.
        """
        names = list(self.masks)
        subsets = [
            self.render([part for i, part in enumerate(names) if bits >> i & 1])
            for bits in range(2 ** len(names))
        ]
        others = [self.redrawn(d, k) for k in range(TEXTURES) for d in range(DECOYS)]
        return np.stack([*subsets, *others])


def source(name: str, definition: Mapping[str, Any], seed: int, training_seed: int) -> Source:
    """Return the data set of one training seed; classes take turns.

    Args:
        name: of the data set; with the seeds, the split and the index it names an image's streams.
        definition: ``task``, ``size``, number of images of ``train``, ``val`` and ``test``,
            ``rho`` for shortcuts, and ``part_dropout`` (0 if it is not there).
        seed: the experiment's seed.
        training_seed: of the networks that these images are for.
    """
    task, size = TASKS[definition["task"]], definition["size"]
    places = [(split, index) for split in SPLITS for index in range(definition[split])]
    rows = [
        Row(split, index % len(task.classes), f"{split}[{index}]", f"{split}[{index}]")
        for split, index in places
    ]

    def chunks() -> Iterator[tuple[Array, ...]]:
        for row, place in zip(rows, places, strict=True):
            stream = partial(seeding.generator, seed, name, "planted", training_seed, *place)
            rho = definition.get("rho", 0) if row.split != "test" else 0
            drawn = scene(stream, definition["task"], row.label, rho, size)
            parts = task.parts if row.split != "train" else _present(stream, task, dropout)
            image = drawn.render(parts)[None, :, :, None]
            mask = drawn.masks["lesion"][None] * np.uint8("lesion" in parts)
            if row.split == "test":
                masks = np.stack([*drawn.masks.values(), *drawn.decoys])[None]
                yield image, mask, masks, drawn.renderings()[None, ..., None]
            else:
                masks = np.zeros((1, len(task.parts) + DECOYS, size, size), np.uint8)
                yield image, mask, masks, np.zeros((0, *shape), np.uint8)

    dropout = definition.get("part_dropout", 0)
    shape = (2 ** len(task.parts) + TEXTURES * DECOYS, size, size, 1)
    return Source(task.classes, size, 1, rows, chunks(), task.parts, DECOYS, training_seed)


def _present(stream: Stream, task: Task, dropout: float) -> list[str]:
    """Return the parts of a training image: each is absent with probability ``dropout``."""
    kept = stream("absent parts").random(len(task.parts)) >= dropout
    return [part for part, there in zip(task.parts, kept, strict=True) if there]


def scene(stream: Stream, task: str, label: int, rho: float, size: int) -> Scene:
    """Draw one image in parts.

    Args:
        stream: returns the random generator of a purpose (those of a chest, lesion, marker,
            suppressor, noise, decoys and their textures).
        task: a key of TASKS.
        label: index into the task's classes.
        rho: how closely the marker follows the label, 0 (not at all) to 1.
        size: rows = columns, pixels.
    """
    patient, parts = chest(stream, size), TASKS[task].parts
    marker = np.zeros((size, size), bool)
    room = patient.room
    if "marker" in parts:
        random = stream("marker")
        marker = burned(random, marker_of(random, label, rho), size)
        box = np.outer(marker.any(1), marker.any(0))  # the same for all markers
        room = np.minimum(room, _away(box) / size / 3)  # spikes reach further than the radius
    kind = KINDS[label]
    if task == "position":
        kind = KINDS[0]
        room = np.where(_zone(patient, TASKS[task].classes[label]), room, -1)
    drawn = lesion(stream("lesion"), kind, room, RADIUS, CONTRAST)

    random = stream("suppressor")
    amplitude = random.uniform(-1, 1)
    down, right = np.indices((size, size)) + 0.5 - np.array([[[drawn.row]], [[drawn.column]]])
    q = (down**2 + right**2) / drawn.radius**2
    # from a nodule's profile towards a ring's: of zero mean over the disc
    nuisance = amplitude * NUISANCE * (q**0.6 - np.clip(1 - q, 0, None) ** 0.6) * (q < 1)
    if task == "position":  # it would stay when the lesion is taken out, and tell where it was
        nuisance = np.zeros_like(nuisance)
    patch, stripes = _patch(random, patient, drawn.mask, size)
    masks = {"lesion": drawn.mask, "marker": marker.astype(np.uint8), "suppressor": patch}
    return Scene(
        replace(patient, attenuation=patient.attenuation + nuisance),
        stream("noise").standard_normal((size, size)),
        {"lesion": drawn.added, "suppressor": amplitude * STRIPES * stripes},
        marker,
        {part: masks[part] for part in parts},
        stream,
    )


def _zone(patient: Chest, name: str) -> Array:
    """Return which pixels are in a zone of the lungs."""
    top, bottom = np.quantile(patient.y[patient.room > 0], (0.02, 0.98))
    height = (patient.y - top) / (bottom - top)
    low, high = ZONES[name]
    return np.asarray((low <= height) & (height <= high))


def _patch(
    random: np.random.Generator, patient: Chest, taken: Array, size: int
) -> tuple[Array, Array]:
    """Return the mask of the suppressor's patch in the abdomen, and its stripes in [-1, 1]."""
    room = np.minimum(np.minimum(patient.skin, patient.belly) * size, _away(taken)) - GAP * size
    fits = np.flatnonzero(room.ravel() >= min(PATCH * size, room.max()))
    row, column = np.divmod(random.choice(fits), size)
    down, right = np.indices((size, size)) - np.array([row, column])[:, None, None]
    q = np.clip((down**2 + right**2) / (PATCH * size) ** 2, 0, 1)
    stripes = (0.5 + 0.5 * np.cos(2 * np.pi * down / (PERIOD * size))) * (1 - q) ** 0.5
    return (q < 1).astype(np.uint8), stripes


def _away(taken: Array) -> Any:
    """Return each pixel's distance in pixels to the nearest one that is taken, or to the border."""
    return ndimage.distance_transform_edt(np.pad(taken == 0, 1))[1:-1, 1:-1]


def _disc(column: int, row: int, area: int, size: int) -> Array:
    """Return a disc of exactly ``area`` pixels, (size, size) uint8."""
    down, right = np.indices((size, size)) - np.array([row, column])[:, None, None]
    disc = np.zeros(size * size, np.uint8)
    disc[np.argsort((down**2 + right**2).ravel(), kind="stable")[:area]] = 1
    return disc.reshape(size, size)
