"""Simulated frontal chests without lesions, and the detector that shows them.

Soft tissue, air, vessels and bone are drawn by formula as attenuation along the beam; a detector
adds scatter, blur and quantum noise, and a varying window shows the result.

Lengths are in units of the image's side, x to the right (the patient's left), y down, from the
middle. Purposes have streams of their own, so a patient has the same anatomy at every size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

NOISE = 0.03  # quantum noise per pixel where the attenuation is 0.5
TEXTURE = 0.06  # of soft tissue, relative to its attenuation
DETAIL = 0.025  # of the lungs, relative to soft tissue's attenuation

Array = np.ndarray[Any, Any]
Uniform = Callable[..., Any]
Stream = Callable[[str], np.random.Generator]
ToPixels = Callable[[Array, Array], tuple[Array, Array]]


@dataclass(frozen=True)
class Detector:
    """A detector, which makes attenuation an image.

    Args:
        scatter: share of the photons that arrive elsewhere.
        graininess: quantum noise, relative to NOISE.
        black: attenuation that is shown black.
        white: attenuation that is shown white.
        gamma: of the grey levels.
        fog: added to them.
    """

    scatter: float
    graininess: float
    black: float
    white: float
    gamma: float
    fog: float

    def image(self, attenuation: Array, noise: Array) -> Array:
        """Return the image, (size, size) uint8.

        Args:
            attenuation: along the beam (size, size).
            noise: independent standard normal numbers (size, size).
        """
        size = len(attenuation)
        blurred = ndimage.gaussian_filter(attenuation, 0.25 + 0.003 * size)
        photons = np.exp(-2.2 * blurred)
        photons += self.scatter * ndimage.gaussian_filter(photons, 0.12 * size)
        measured = -np.log(photons) / 2.2
        grain = ndimage.gaussian_filter(noise, 0.5)
        measured += NOISE * self.graininess * np.exp(1.1 * (measured - 0.5)) * grain
        window = (measured - self.black) / (self.white - self.black)
        levels = np.clip(window, 0, 1) ** self.gamma + self.fog
        return np.asarray(np.rint(255 * np.clip(levels, 0, 1)), dtype=np.uint8)


@dataclass(frozen=True)
class Chest:
    """One patient without lesions; all arrays are (size, size).

    Args:
        attenuation: along the beam; soft tissue is 1.
        room: depth inside free lung, where a lesion can be; negative outside.
        skin: depth inside the body.
        belly: depth below the diaphragm.
        y: of the pixels in the patient's coordinates.
        body: share of the beam that is inside the body.
        air: share of that which is air.
        texture: fine texture of soft tissue, in the attenuation.
        detail: fine texture of the lungs, in the attenuation.
        detector: that shows this patient.
    """

    attenuation: Array
    room: Array
    skin: Array
    belly: Array
    y: Array
    body: Array
    air: Array
    texture: Array
    detail: Array
    detector: Detector

    def fine(self, texture: Array, detail: Array) -> Array:
        """Return what fine textures add to the attenuation."""
        return np.asarray(self.body * (TEXTURE * texture + DETAIL * self.air * detail))


def chest(stream: Stream, size: int) -> Chest:
    """Draw one patient.

    Args:
        stream: returns the random generator of a purpose (anatomy, texture, detail, vessels).
        size: rows = columns, pixels.
    """
    u: Uniform = stream("anatomy").uniform
    x, y, to_pixels = _pose(u, size)
    a = np.abs(x)

    shoulders = y - u(-0.50, -0.45) - u(0.18, 0.34) * np.maximum(a - 0.12, 0)
    flank = u(0.47, 0.60) - a - 0.03 * np.sin(6 * y)
    skin = np.maximum(u(0.12, 0.15) - a, np.minimum(flank, shoulders))
    body = _step(skin, 0.006) * (1 - 0.75 * np.exp(-np.maximum(skin, 0) / 0.07))

    turn, large = u(0.45, 0.75), u(0.85, 1.2)
    hx, hy = x - u(0.055, 0.08), y - u(0.17, 0.21)
    along, across = hx * np.cos(turn) + hy * np.sin(turn), hy * np.cos(turn) - hx * np.sin(turn)
    middle = _union(
        0.012,
        _ellipse(along, across, 0.165 * large, 0.125 * large),  # ventricles
        _ellipse(x + u(0.02, 0.035), y - 0.15, 0.08, 0.13),  # right atrium
        _ellipse(x - u(0.05, 0.065), y + u(0.19, 0.22), 0.035, 0.045),  # aortic arch
        _ellipse(x - u(0.045, 0.06), y + u(0.06, 0.10), 0.045, 0.08),  # pulmonary trunk
        u(0.042, 0.055) + 0.05 * np.maximum(-y - 0.25, 0) + 0.03 * np.maximum(y, 0) - a,
    )
    heart = _step(middle, 0.007)

    half, apex, widest = u(0.37, 0.42), u(-0.43, -0.39), u(0.0, 0.08)
    rise = np.clip((widest - y) / (widest - apex), 0, 1)
    wall = half * (1 - rise**2.4) ** 0.55 * (1 + 0.15 * np.maximum(y - widest, 0)) - a
    side = (x > 0).astype(int)  # 0: the patient's right lung, whose diaphragm is higher
    low, dome = np.array([u(0.28, 0.33), u(0.30, 0.35)])[side], u(0.07, 0.10, 2)[side]
    diaphragm = low - dome * (1 - ((a - u(0.15, 0.19)) / 0.21) ** 2)
    lung = np.minimum(np.minimum(wall, a - 0.03), diaphragm - y)
    thickness = 0.62 + 0.38 * (1 - np.exp(-np.maximum(np.minimum(wall, a - 0.03), 0) / 0.06))
    air = _step(lung, 0.008) * thickness * (1 - 0.88 * heart)
    belly = _step(y - diaphragm, 0.008)
    bubble = _ellipse(x - u(0.14, 0.20), y - diaphragm - 0.05, u(0.04, 0.09), 0.035)

    cage = _step(wall + 0.012, 0.006) * _step(y - apex + 0.01, 0.01) * (1 - 0.6 * belly)
    gap, broad = u(0.072, 0.086), u(0.20, 0.25)
    back = (y + u(0.2, 0.3) * a - u(1.4, 1.9) * a**2 - u(-0.43, -0.39)) / gap
    front = (y + u(0.5, 0.75) * a - u(0.3, 0.6) * a**2 - u(-0.24, -0.18)) / (gap * u(1.15, 1.3))
    cartilage = _step(a - 0.11 - 0.012 * np.floor(front), 0.015)
    ribs = u(0.09, 0.14) * _bones(back, broad, 11) * _step(a - 0.03, 0.008)
    ribs += u(0.05, 0.09) * _bones(front, broad * 1.15, 7) * cartilage
    height = y - u(-0.34, -0.29) + u(0.12, 0.30) * (a - 0.05) - 0.02 * np.sin(20 * (a - 0.05))
    clavicles = _bone(height / 0.017) * _step(a - 0.045, 0.006) * _step(flank - 0.04, 0.01)
    blades = _step(a - u(0.30, 0.34) - 0.12 * (y + 0.3), 0.006) * _step(0.02 - y, 0.02)
    blades *= _step(y + 0.33, 0.02) * _step(flank, 0.02)
    spine = _step(0.032 - a, 0.008) * (1 + 0.25 * np.cos(2 * np.pi * y / u(0.05, 0.06)))
    trachea = _step(0.018 - np.abs(x - u(-0.008, 0.008)), 0.009) * _step(-0.12 - y, 0.02)
    breasts = _step(_ellipse(a - u(0.18, 0.20), y - u(0.12, 0.20), 0.17, 0.14), 0.02)

    texture, detail = octaves(stream("texture"), size, 4), octaves(stream("detail"), size, 8)
    attenuation = body * (1 + TEXTURE * texture + 0.12 * belly - 0.66 * air + 0.03 * heart)
    attenuation += 0.10 * body * np.sqrt(np.clip(10 * middle, 0, 1)) * _step(y + 0.3, 0.1)
    attenuation += body * air * (DETAIL * detail + _vessels(stream("vessels"), to_pixels, size))
    attenuation += body * (u(0.15, 0.20) * clavicles + 0.08 * spine + 0.05 * blades)
    attenuation += cage * ribs + u(0, 0.10) * breasts - 0.15 * body * trachea
    attenuation -= u(0.1, 0.35) * belly * _step(bubble, 0.008)

    detector = Detector(
        scatter=u(0.02, 0.06),
        graininess=u(0.7, 1.4),
        black=u(0.10, 0.20),
        white=u(1.15, 1.40),
        gamma=u(0.85, 1.25),
        fog=u(0, 0.06),
    )
    return Chest(
        attenuation=attenuation,
        room=np.minimum(lung, -middle),
        skin=skin,
        belly=y - diaphragm,
        y=y,
        body=body,
        air=air,
        texture=texture,
        detail=detail,
        detector=detector,
    )


def _pose(u: Uniform, size: int) -> tuple[Array, Array, ToPixels]:
    """Return the patient's x and y of the pixels, and the way back to columns and rows."""
    angle, scale, right, down = u(-0.07, 0.07), u(0.93, 1.07), u(-0.03, 0.03), u(-0.03, 0.03)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    at = (np.arange(size) + 0.5) / size - 0.5
    across, along = at[None] - right, at[:, None] - down
    x, y = (cos * across + sin * along) / scale**2, (cos * along - sin * across) / scale**2

    def bend(frequency: float, along: Array) -> Any:
        return u(-0.01, 0.01) * np.sin(frequency * along + u(0, 2 * np.pi))

    def to_pixels(x: Array, y: Array) -> tuple[Array, Array]:
        column, row = cos * x - sin * y + right, sin * x + cos * y + down
        return (column + 0.5) * size - 0.5, (row + 0.5) * size - 0.5

    bent_x = x + bend(9, y) + bend(14, x + 0.4 * y)
    bent_y = y + bend(8, x) + bend(13, y - 0.4 * x)
    return bent_x, bent_y, to_pixels


def _step(depth: Array, width: float) -> Any:
    """Return a soft step from 0 (depth < 0) to 1 (depth > 0)."""
    return 0.5 * (1 + np.tanh(depth / width))


def _ellipse(x: Array, y: Array, a: float, b: float) -> Any:
    """Return roughly the depth inside the ellipse with semi-axes a and b; negative outside."""
    return (1 - np.hypot(x / a, y / b)) * min(a, b)


def _union(fillet: float, *depths: Array) -> Any:
    """Return the depth inside the union of shapes whose corners are rounded by ``fillet``."""
    return fillet * np.log(sum(np.exp(np.clip(depth / fillet, -50, 50)) for depth in depths))


def _bone(across: Array) -> Any:
    """Return the attenuation across a bone with edges at -1 and 1: marrow and two cortices."""
    cortex = np.exp(-(((np.abs(across) - 0.8) / 0.25) ** 2))
    return 0.7 * np.sqrt(np.clip(1 - across**2, 0, None)) + 0.4 * cortex


def _bones(phase: Array, broad: float, count: int) -> Any:
    """Return a row of ``count`` bones, one per unit of ``phase``, each 2 ``broad`` units wide."""
    number = np.floor(phase)
    return _bone((phase - number - 0.5) / broad) * (number >= 0) * (number < count)


def octaves(rng: np.random.Generator, size: int, grid: int) -> Array:
    """Return smooth noise (size, size) of zero mean: the sum of ever finer random grids."""
    total, amplitude = np.zeros((size, size)), 1.0
    at = (np.arange(size) + 0.5) / size
    while grid < size:
        nodes = rng.standard_normal((grid + 1, grid + 1))
        low = (at * grid).astype(int)
        part = at * grid - low
        part = part**2 * (3 - 2 * part)
        rows = nodes[low] + (nodes[low + 1] - nodes[low]) * part[:, None]
        total += amplitude * (rows[:, low] + (rows[:, low + 1] - rows[:, low]) * part)
        grid, amplitude = 2 * grid, 0.75 * amplitude
    return np.asarray(total - total.mean())


def _vessels(rng: np.random.Generator, to_pixels: ToPixels, size: int) -> Array:
    """Return the vessels of both lungs: curved branches from the hila that taper and divide."""
    steps, count = 48, 22
    t = np.linspace(0, 1, steps)[:, None]
    drawn = np.zeros(size * size)
    for side in (-1, 1):
        x, y = rng.normal(0.06, 0.01, count), rng.normal(-0.01, 0.03, count)
        heading, length = rng.uniform(-1.4, 1.5, count), rng.uniform(0.14, 0.34, count)
        thick = 0.008 * rng.uniform(0.6, 1.2, count)
        for twigs in (3 * count, 0):
            course = heading + rng.normal(0, 0.7, heading.shape) * t
            xs = x + np.cumsum(np.cos(course), 0) * length / steps
            ys = y + np.cumsum(np.sin(course), 0) * length / steps
            width = thick * (1 - 0.8 * t)
            _splat(drawn, to_pixels(side * xs, ys), width**2 * length / steps * size**2, size)
            parent, at = rng.integers(0, count, twigs), rng.integers(10, 40, twigs)
            x, y, thick = xs[at, parent], ys[at, parent], 0.75 * width[at, parent]
            fork = rng.choice([-1, 1], twigs) * rng.uniform(0.3, 0.8, twigs)
            heading, length = (
                course[at, parent] + fork,
                length[parent] * rng.uniform(0.2, 0.6, twigs),
            )
    return 22 * ndimage.gaussian_filter(drawn.reshape(size, size), 0.004 * size)


def _splat(drawn: Array, place: tuple[Array, Array], weight: Array, size: int) -> None:
    """Share each weight out among the four pixels round its place, in a flat size * size image."""
    column, row = place
    left, above = np.floor(column).astype(int), np.floor(row).astype(int)
    right, below = column - left, row - above
    for i, j, share in (
        (left, above, (1 - right) * (1 - below)),
        (left + 1, above, right * (1 - below)),
        (left, above + 1, (1 - right) * below),
        (left + 1, above + 1, right * below),
    ):
        inside = (i >= 0) & (i < size) & (j >= 0) & (j < size)
        drawn += np.bincount((j * size + i)[inside], (weight * share)[inside], size * size)
