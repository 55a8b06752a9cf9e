"""Keyed randomness: every random number is addressed by what it is for, never drawn in sequence.

A stream is named by a key such as (experiment seed, dataset, model, image_id, purpose, draw). Its
numbers depend on that key alone, so results do not depend on batches, shards, order or job count,
and every map method sees the same noise (common random numbers).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def key(*parts: str | int | float) -> int:
    """Return the 128-bit integer that names the stream ``parts`` (sha256 of their JSON list)."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:16], "big")


def generator(*parts: str | int | float) -> np.random.Generator:
    """Return the counter-based generator (Philox 4x64) of the stream ``parts``."""
    return np.random.Generator(np.random.Philox(key=key(*parts)))


@contextmanager
def torch_seed(*parts: str | int | float) -> Iterator[None]:
    """Seed torch's global generators inside the block only (layer initialisation, dropout)."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(key(*parts) % 2**63)
        yield


@dataclass(frozen=True)
class Streams:
    """The noise of one trained model on one data set.

    Args:
        seed: the experiment's seed.
        dataset: name of the data set.
        model: architecture, head and training seed, e.g. ``resnet_small-flatten/seed0``.
    """

    seed: int
    dataset: str
    model: str

    def generator(self, image_id: int, purpose: str, draw: int = 0) -> np.random.Generator:
        """Return the generator of one image, purpose and draw."""
        return generator(self.seed, self.dataset, self.model, int(image_id), purpose, draw)

    def uniform(
        self, image_ids: Sequence[int], purpose: str, draw: int, shape: tuple[int, ...]
    ) -> "torch.Tensor":
        """Return uniform numbers in [0, 1): (len(image_ids), *shape) float32 on the CPU."""
        import torch

        rows = [self.generator(i, purpose, draw).random(shape, dtype=np.float32) for i in image_ids]
        return torch.from_numpy(np.stack(rows))
