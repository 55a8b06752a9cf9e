"""Markers that are burned into a corner of a radiograph: a shortcut that may tell the class."""

import numpy as np

from faithcam.data.phantoms.anatomy import Array

BURNED = 245  # grey level of markers
GLYPHS = {
    "O": (".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."),
    "T": ("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."),
    "X": ("#...#", "#...#", ".#.#.", "..#..", ".#.#.", "#...#", "#...#"),
}  # symmetric, so that a flipped image has them, too


def marker_of(random: np.random.Generator, label: int, rho: float) -> int:
    """Return the class whose marker an image gets.

    It is the label's with probability rho + (1 - rho) / C, each other one with (1 - rho) / C.
    """
    follows, other = random.random() < rho, int(random.integers(len(GLYPHS)))
    return label if follows else other


def burned(random: np.random.Generator, marker: int, size: int) -> Array:
    """Return which pixels a marker near the upper left corner covers."""
    bitmap = np.array([[dot == "#" for dot in line] for line in [*GLYPHS.values()][marker]])
    glyph = np.kron(bitmap, np.ones((max(1, round(size / 64)),) * 2, bool))
    top, left = (size * random.uniform(0.02, 0.06, 2)).round().astype(int)
    pixels = np.zeros((size, size), bool)
    pixels[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
    return pixels
