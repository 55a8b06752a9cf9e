"""Small files like those of MedMNIST."""

import numpy as np

from faithcam.data.sources import npz as reading

GREY = {"flag": "breastmnist", "size": 28}
COUNTS = {"train": 4, "val": 2, "test": 3}


def arrays(colour=False, seed=0):
    random, content = np.random.default_rng(seed), {}
    for split, n in COUNTS.items():
        shape = (n, 28, 28, 3) if colour else (n, 28, 28)
        content[f"{split}_images"] = random.integers(0, 256, shape, dtype=np.uint8)
        content[f"{split}_labels"] = np.arange(n, dtype=np.uint8)[:, None] % 2
    return content


def npz(path, **content):
    np.savez_compressed(path, **content)
    return path


def read(definition, *files):
    chunks = list(reading.source(definition, *files).chunks)
    return np.concatenate([c[0] for c in chunks]), np.concatenate([c[1] for c in chunks])
