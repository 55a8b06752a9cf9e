"""Simulated CT of the chest without findings, and the scanner that shows it.

Tissue is drawn by formula in Hounsfield units (air -1000, water 0), slice by slice; a scanner adds
blur and noise, and a window shows the result.

Lengths are in units of the slice's side; x to the right (the patient's left), y to the back, z to
the feet, from the middle. Slices lie ``HEIGHT / slices`` apart. Purposes have streams of their own,
so a patient has the same anatomy at every size and number of slices.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from faithcam.data.phantoms.anatomy import Array, Stream, Uniform

HEIGHT = 0.75  # of the scanned chest
FINE = 128  # points per side at which a smaller slice is drawn before it is averaged
NOISE = 22  # Hounsfield units at 64 px
WINDOW = (-1000.0, 400.0)  # black and white
AIR, FAT, FLUID, BLOOD, MUSCLE, LIVER, MARROW, CORTEX = -1000, -95, 12, 45, 50, 60, 190, 520


@dataclass(frozen=True)
class Grid:
    """The points at which a volume is drawn.

    Args:
        size: rows = columns of a slice, pixels.
        slices: their number.
    """

    size: int
    slices: int

    @property
    def fine(self) -> int:
        """Points per pixel and direction in a slice."""
        return max(1, FINE // self.size)

    @property
    def sides(self) -> tuple[Array, Array, Array]:
        """The points' z (S, 1, 1), y (1, M, 1) and x (1, 1, M), M = size * fine."""
        z = ((np.arange(self.slices) + 0.5) / self.slices - 0.5) * HEIGHT
        points = self.size * self.fine
        across = (np.arange(points) + 0.5) / points - 0.5
        return z[:, None, None], across[None, :, None], across[None, None, :]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring points along z, y and x."""
        return HEIGHT / self.slices, 1 / (self.size * self.fine), 1 / (self.size * self.fine)

    def pixels(self, points: Array) -> Array:
        """Return the mean of each pixel's points: (S, M, M) -> (S, size, size)."""
        parts = points.reshape(self.slices, self.size, self.fine, self.size, self.fine)
        return np.asarray(parts.mean((2, 4)))


@dataclass(frozen=True)
class Thorax:
    """One patient; all arrays are (S, M, M), at the grid's points.

    Args:
        grid: the points.
        tissue: in Hounsfield units.
        lung: depth inside the lungs; negative outside.
        heart: depth inside the heart; negative outside.
        vessels: of the lungs, 0 to 1; curves through space.
        texture: smooth noise of zero mean.
        x: of the points in the patient's coordinates.
        y: the same, to the back.
        z: the same, to the feet.
    """

    grid: Grid
    tissue: Array
    lung: Array
    heart: Array
    vessels: Array
    texture: Array
    x: Array
    y: Array
    z: Array

    def image(self, tissue: Array, noise: Array) -> Array:
        """Return what the scanner shows of some tissue, (S, size, size) uint8.

        Args:
            tissue: in Hounsfield units, at the grid's points.
            noise: independent standard normal numbers (S, size, size).
        """
        size = self.grid.size
        measured = ndimage.gaussian_filter(self.grid.pixels(tissue), (0, *[0.004 * size] * 2))
        grain = ndimage.gaussian_filter(noise, (0, 0.6, 0.6))
        measured += NOISE * np.sqrt(size / 64) * grain / grain.std()
        black, white = WINDOW
        levels = np.clip((measured - black) / (white - black), 0, 1)
        return np.asarray(np.rint(255 * levels), dtype=np.uint8)


def thorax(stream: Stream, grid: Grid, enlarged: float = 1.0) -> Thorax:
    """Draw one patient.

    Args:
        stream: returns the random generator of a purpose (anatomy, texture, vessels).
        grid: the points.
        enlarged: size of the heart, relative to what the patient's would be.
    """
    u: Uniform = stream("anatomy").uniform
    x, y, z = _pose(u, grid)
    texture = smooth(stream("texture"), grid, 10) + 0.6 * smooth(stream("texture 2"), grid, 28)

    broad, deep = u(0.41, 0.45), u(0.30, 0.34)
    skin = _inside(x / broad, y / deep, deep, 2.5)
    wall = u(0.045, 0.06)
    fat = u(0.012, 0.045)
    tissue = np.full(skin.shape, float(AIR))
    tissue = over(tissue, FAT + 15 * texture, skin)
    tissue = over(tissue, MUSCLE + 12 * texture, skin - fat)

    cage = _inside(x / (broad - wall - fat), y / (deep - wall - fat), deep - wall - fat, 2.3)
    tip, widest = u(-0.37, -0.34), u(0.02, 0.08)
    rise = np.clip((widest - z) / (widest - tip), 0, 1)
    cavity = cage - deep * (1 - (1 - rise**2.6) ** 0.5)
    dome = (x / 0.42) ** 2 + ((y - 0.02) / 0.38) ** 2
    floor = u(0.17, 0.21) + 0.02 * np.tanh(x / 0.05) + u(0.45, 0.6) * dome - 0.04
    lower = z - floor

    large = u(0.9, 1.05) * enlarged
    turn = u(0.3, 0.6)
    across, along = x - u(0.035, 0.055), y + u(0.045, 0.065)
    right = across * np.cos(turn) - along * np.sin(turn)
    left = across * np.sin(turn) + along * np.cos(turn)
    below = z - u(0.06, 0.09)
    radii = np.array([0.115, 0.088, 0.12]) * large
    heart = 1 - np.sqrt(sum((p / r) ** 2 for p, r in zip((right, left, below), radii, strict=True)))
    heart = heart * radii.min()

    spine_y = deep - wall - fat - 0.055
    behind = y - spine_y
    back = np.hypot(x, behind)
    narrow = u(0.045, 0.06) + 0.03 * np.clip((y - 0.02) / 0.15, 0, 1)
    middle = narrow + 0.02 * np.clip(z / 0.2, -1, 1) - np.abs(x + 0.01 * np.sin(9 * z))
    outside = np.maximum(np.maximum(middle, heart + 0.006), 0.07 - back)
    lung = np.minimum(np.minimum(cavity - 0.006, -outside), -lower)

    tissue = over(tissue, FAT + 35 + 25 * texture, np.minimum(cavity, -lower))
    belly = np.minimum(lower, cage)
    tissue = over(tissue, LIVER + 8 * texture, np.minimum(belly, -x + u(0.02, 0.08)))
    tissue = over(tissue, MUSCLE - 15 + 25 * texture, np.minimum(belly, x - 0.05))
    stomach = _inside((x - 0.2) / 0.1, (y + 0.06) / 0.09, 0.09, 2) - 0.3 * np.abs(z - 0.3)
    tissue = over(tissue, -600.0, np.minimum(stomach, belly - 0.02))
    tissue = over(tissue, BLOOD + 6 * texture, heart)
    for column, row, radius, first, last in (
        (u(0.035, 0.05), spine_y - u(0.05, 0.07), u(0.024, 0.03), -0.2, 1.0),  # descending aorta
        (u(-0.03, -0.01), u(-0.09, -0.06), u(0.028, 0.036), -0.16, 0.05),  # ascending aorta
        (u(-0.06, -0.045), u(-0.07, -0.05), 0.02, -0.2, 0.05),  # superior vena cava
        (u(0.02, 0.035), u(-0.06, -0.04), 0.028, -0.08, 0.05),  # pulmonary trunk
    ):
        vessel = np.minimum(radius - np.hypot(x - column, y - row), np.minimum(z - first, last - z))
        tissue = over(tissue, BLOOD, np.minimum(vessel, cavity))
    arch = np.minimum(0.024 - np.hypot(z + 0.19, 0.8 * (x - 0.02) - 0.25 * y), 0.12 - np.abs(y))
    tissue = over(tissue, BLOOD, np.minimum(arch, cavity))

    hilum = np.sqrt((np.abs(x) - 0.07) ** 2 + y**2 + (z + 0.02) ** 2)
    one, other = (smooth(stream(f"vessels {i}"), grid, 13) for i in (1, 2))
    width = 0.12 + 0.30 * np.exp(-((hilum / 0.11) ** 2))
    vessels = np.exp(-(one**2 + other**2) / width**2)
    empty = -865 + u(-25, 25) + u(80, 160) * y + 22 * texture
    tissue = over(tissue, empty + (BLOOD - empty) * 0.9 * vessels, lung)

    fork = z + u(0.06, 0.08)
    windpipe = np.minimum(0.021 - np.hypot(x, y - 0.03), -fork)
    bronchi = np.minimum(0.015 - np.hypot(np.abs(x) - 0.75 * fork, y - 0.03), fork + 0.02)
    bronchi = np.minimum(bronchi, 0.1 - fork)
    tissue = over(tissue, -980.0, np.minimum(np.maximum(windpipe, bronchi), skin))

    disc = 0.5 + 0.5 * np.tanh(np.cos(2 * np.pi * z / u(0.065, 0.075)) / 0.2)
    body = u(0.042, 0.05) - back
    bone = CORTEX - (CORTEX - MARROW) * step(body - 0.01, 0.004)
    tissue = over(tissue, MUSCLE + 40 + (bone - MUSCLE - 40) * disc, body)
    arms = np.minimum(0.012 - np.abs(np.abs(x) - 0.9 * (behind - 0.035) - 0.02), 0.05 - behind)
    thorn = np.minimum(0.012 - np.abs(x), 0.03 - np.abs(behind - 0.09))
    tissue = over(tissue, CORTEX - 120.0, np.maximum(np.minimum(arms, behind - 0.03), thorn))
    tissue = over(tissue, 20.0, 0.018 - np.hypot(x, behind - 0.062))

    gap, slope = u(0.075, 0.088), u(0.26, 0.36)
    phase = (z + slope * y / deep) / gap
    bars = 0.24 - np.abs(phase - np.floor(phase) - 0.5)
    shell = 0.013 - np.abs(cage + 0.016)
    rib = np.minimum(np.minimum(gap * bars, shell), np.abs(x) - 0.03)
    marrow = CORTEX - (CORTEX - MARROW) * step(rib - 0.006, 0.003)
    tissue = over(tissue, marrow, np.minimum(rib, 0.4 - z))
    breast = np.minimum(0.02 - np.hypot(x, y + deep - wall), 0.25 - np.abs(z + 0.03))
    tissue = over(tissue, CORTEX - 250.0, np.minimum(breast, 0.006 - np.abs(cage + 0.012)))

    return Thorax(grid, tissue, lung, heart, vessels, texture, x, y, z)


def _pose(u: Uniform, grid: Grid) -> tuple[Array, Array, Array]:
    """Return the patient's coordinates of the grid's points, each (S, M, M)."""
    z, y, x = grid.sides
    angle, scale = u(-0.06, 0.06), u(0.95, 1.05)
    right, down, low = u(-0.02, 0.02), u(-0.02, 0.02), u(-0.02, 0.02)
    cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
    across, along = x - right, y - down
    bent = across + u(-0.02, 0.02) * np.sin(4 * z)
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    turned = (cos * bent + sin * along, cos * along - sin * bent, (z - low) / scale)
    px, py, pz = (np.broadcast_to(part, shape) for part in turned)
    return px, py, pz


def step(depth: Array, width: float) -> Array:
    """Return a soft step from 0 (depth < 0) to 1 (depth > 0)."""
    return np.asarray(0.5 * (1 + np.tanh(depth / width)))


def over(tissue: Array, value: Array | float, depth: Array, width: float = 0.004) -> Array:
    """Return tissue in which a value replaces what is there, where the depth is positive."""
    return np.asarray(tissue + (value - tissue) * step(depth, width))


def _inside(x: Array, y: Array, radius: float, power: float) -> Array:
    """Return roughly the depth inside |x|^power + |y|^power = 1, whose smaller axis is radius."""
    norm = (np.abs(x) ** power + np.abs(y) ** power) ** (1 / power)
    return np.asarray((1 - norm) * radius)


def smooth(rng: np.random.Generator, grid: Grid, nodes: int) -> Array:
    """Return smooth noise (S, M, M) with unit variance at its nodes: a random lattice in space.

    Args:
        rng: of the noise.
        grid: the points.
        nodes: lattice cells along a slice's side; as far apart along z.
    """
    high = int(np.ceil(HEIGHT * nodes))
    lattice = rng.standard_normal((high + 1, nodes + 1, nodes + 1))
    for axis, (side, extent) in enumerate(zip(grid.sides, (HEIGHT, 1, 1), strict=True)):
        at = (side.ravel() + extent / 2) * nodes
        low = np.minimum(at.astype(int), lattice.shape[axis] - 2)
        part = at - low
        share = (part**2 * (3 - 2 * part)).reshape([-1 if a == axis else 1 for a in range(3)])
        first, second = (np.take(lattice, low + i, axis) for i in (0, 1))
        lattice = first + (second - first) * share
    return np.asarray(lattice)
