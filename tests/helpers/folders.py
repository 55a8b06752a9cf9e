"""Folders of small images."""

import numpy as np
from PIL import Image

from faithcam.data.sources import folder

RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def picture(path, values=RAMP, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)
    return path


def classes(root, count=6, names=("cat", "dog")):
    """Make class folders of different images."""
    random = np.random.default_rng(0)
    for name in names:
        for i in range(count):
            values = random.integers(0, 256, (10, 12), dtype=np.uint8)
            picture(root / name / f"{name} ({i}) [x].png", values)
    return root


def made(path, size=8, seed=1, **options):
    return folder.source("d", {"path": str(path), "size": size, **options}, seed)


def pixels(source):
    chunks = list(source.chunks)
    return np.concatenate([c[0] for c in chunks]), np.concatenate([c[1] for c in chunks])
