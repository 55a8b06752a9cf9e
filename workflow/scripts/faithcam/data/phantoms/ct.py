"""Simulated CT volumes of the chest with several findings, each with its voxels.

The findings of a volume are independent of each other: their sixteen combinations take turns. Every
finding draws from a stream of its own, so that it changes nothing but itself.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage

from faithcam.core import seeding
from faithcam.data.dataset import SPLITS
from faithcam.data.phantoms.anatomy import Array, Stream
from faithcam.data.phantoms.thorax import FLUID, MUSCLE, Grid, Thorax, over, smooth, step, thorax
from faithcam.data.store import Row, Source

FINDINGS = ("nodule", "consolidation", "effusion", "cardiomegaly")
NODULE, CONSOLIDATION, EFFUSION, CARDIOMEGALY = range(len(FINDINGS))
ENLARGED = (1.3, 1.45)  # how many times as large a heart with cardiomegaly is
RADIUS = (0.032, 0.055)  # of nodules, in units of the slice's side
PATCH = (0.09, 0.14)  # mean radius of a consolidation


def source(name: str, definition: Mapping[str, Any], seed: int) -> Source:
    """Return a data set of volumes, drawn as they are read.

    Args:
        name: of the data set; with the seed, the split and the index it names a volume's streams.
        definition: ``size`` in pixels, ``slices``, and the number of volumes of ``train``, ``val``,
            ``test``.
        seed: the experiment's seed.
    """
    places = [(split, index) for split in SPLITS for index in range(definition[split])]
    rows = [
        Row(split, present(index), f"{split}[{index}]", f"{split}[{index}]")
        for split, index in places
    ]
    grid = Grid(definition["size"], definition["slices"])

    def chunks() -> Iterator[tuple[Array, ...]]:
        for split, index in places:
            stream = partial(seeding.generator, seed, name, "ct phantom", split, index)
            volume, masks = draw(stream, present(index), grid)
            yield volume[None, ..., None], masks.max(0, keepdims=True), masks[None]

    return Source(
        FINDINGS, grid.size, 1, rows, chunks(),
        slices=grid.slices, multi_label=True, finding_masks=True,
    )  # fmt: skip


def present(index: int) -> tuple[int, ...]:
    """Return the findings of a split's volume: the combinations take turns."""
    return tuple(i for i in range(len(FINDINGS)) if index >> i & 1)


def draw(stream: Stream, findings: tuple[int, ...], grid: Grid) -> tuple[Array, Array]:
    """Draw one volume.

    Args:
        stream: returns the random generator of a purpose (those of a thorax, findings, noise).
        findings: indices into FINDINGS.
        grid: size of the volume.

    Returns:
        The volume, (S, size, size) uint8, and the findings' voxels, (4, S, size, size) uint8 in
        {0, 1}: of cardiomegaly the heart.
    """
    enlarged = stream("cardiomegaly").uniform(*ENLARGED) if CARDIOMEGALY in findings else 1.0
    patient = thorax(stream, grid, enlarged)
    masks = np.zeros((len(FINDINGS), grid.slices, grid.size, grid.size), np.uint8)
    tissue, free = patient.tissue, patient.lung
    if CARDIOMEGALY in findings:
        masks[CARDIOMEGALY] = _mask(patient, patient.heart)
    if EFFUSION in findings:
        depth = _effusion(stream, patient)
        tissue, free = over(tissue, FLUID, depth), np.minimum(free, -depth)
        masks[EFFUSION] = _mask(patient, depth)
    if CONSOLIDATION in findings:
        depth, value = _consolidation(stream, patient, free)
        tissue, free = over(tissue, value, depth), np.minimum(free, -depth)
        masks[CONSOLIDATION] = _mask(patient, depth)
    if NODULE in findings:
        depth = _nodules(stream, patient, free)
        tissue = over(tissue, MUSCLE - 10, depth, 0.005)
        masks[NODULE] = _mask(patient, depth)
    noise = stream("noise").standard_normal((grid.slices, grid.size, grid.size))
    return patient.image(tissue, noise), masks


def _mask(patient: Thorax, depth: Array) -> Array:
    """Return the pixels that are at least half inside, (S, size, size) uint8; at least one is."""
    share = patient.grid.pixels((depth > 0).astype(float))
    return np.asarray(share >= min(0.5, share.max()), dtype=np.uint8)


def _anywhere(rng: np.random.Generator, patient: Thorax, room: Array, needed: float) -> Array:
    """Return a point (z, y, x) whose room is as large as needed, else of those tried the largest.

    Args:
        rng: of the finding.
        patient: the patient.
        room: of each point, (S, M, M).
        needed: how much.
    """
    tried = (rng.random((512, 3)) * room.shape).astype(int)
    place = tuple(tried[np.argmax(np.minimum(room[tuple(tried.T)], needed))])
    return np.array([patient.z[place], patient.y[place], patient.x[place]])


def _distance(patient: Thorax, place: Array) -> Array:
    z, y, x = place
    return np.asarray(np.sqrt((patient.z - z) ** 2 + (patient.y - y) ** 2 + (patient.x - x) ** 2))


def _nodules(stream: Stream, patient: Thorax, free: Array) -> Array:
    """Return the depth inside one or two nodules in free lung: balls with bumps."""
    rng = stream("nodules")
    bumps = smooth(stream("bumps"), patient.grid, 30)
    inside = np.full(free.shape, -1.0)
    for _ in range(rng.integers(1, 3)):
        radius = np.exp(rng.uniform(*np.log(RADIUS)))
        room = ndimage.distance_transform_edt(
            np.maximum(inside, -free) < 0, sampling=patient.grid.spacing
        )
        place = _anywhere(rng, patient, room, 1.1 * radius)
        inside = np.maximum(inside, radius * (1 + 0.08 * bumps) - _distance(patient, place))
    return inside


def _consolidation(stream: Stream, patient: Thorax, free: Array) -> tuple[Array, Array]:
    """Return the depth inside a consolidated part of free lung, and what is there.

    Vessels look dark in it: bronchi that still hold air.
    """
    rng = stream("consolidation")
    radius = rng.uniform(*PATCH)
    # near the pleura: lung, but not deep inside
    room = np.minimum(free, 0.06 - patient.lung)
    place = _anywhere(rng, patient, room, 0.02)
    edge = 0.25 * radius * smooth(stream("edge"), patient.grid, 9)
    depth = np.minimum(radius + edge - _distance(patient, place), free)
    return depth, 15 + 25 * patient.texture - 500 * step(patient.vessels - 0.6, 0.1)


def _effusion(stream: Stream, patient: Thorax) -> Array:
    """Return the depth inside fluid round a lung's back and base, higher at the wall."""
    rng = stream("effusion")
    side = rng.choice([-1, 1])
    level, tilt = rng.uniform(0.06, 0.14), rng.uniform(0.4, 0.7)
    deep = patient.y - level + tilt * (patient.z - 0.06)
    meniscus = 0.05 * np.exp(-np.maximum(patient.lung, 0) / 0.02)
    return np.asarray(np.minimum(np.minimum(deep + meniscus, patient.lung), side * patient.x))
