"""Keyed randomness: every random number is addressed by what it is for, never drawn in sequence.

A stream is named by a key such as (experiment seed, dataset, model, image_id, purpose, draw). Its
numbers depend on that key alone, so results do not depend on batches, shards, order or job count,
and every map method sees the same noise (common random numbers).
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
        self,
        image_ids: Sequence[int],
        purpose: str,
        draw: int,
        shape: tuple[int, ...],
        device: "torch.device | None" = None,
    ) -> "torch.Tensor":
        """Return uniform numbers in [0, 1): (len(image_ids), *shape) float32.

        They are the same on every device; a GPU makes its own, without a copy from the CPU.
        """
        import torch

        if device is not None and device.type == "cuda":
            keys = [
                key(self.seed, self.dataset, self.model, int(i), purpose, draw) for i in image_ids
            ]
            return philox_uniform(keys, math.prod(shape), device).view(-1, *shape)
        rows = [self.generator(i, purpose, draw).random(shape, dtype=np.float32) for i in image_ids]
        return torch.from_numpy(np.stack(rows))

    def places(
        self, image_ids: Sequence[int], purpose: str, count: int
    ) -> Callable[[int], list[int]]:
        """Return what gives each image one of ``count`` places for a draw, none twice before all.

        Every image has its own keyed order of the places; draws go along it, and round again.
        """
        orders: dict[int, np.ndarray[Any, Any]] = {}

        def of(draw: int) -> list[int]:
            for i in set(image_ids) - set(orders):
                orders[i] = self.generator(i, purpose).permutation(count)
            return [int(orders[i][draw % count]) for i in image_ids]

        return of


@dataclass(frozen=True)
class Noise:
    """Keyed random numbers of some images: the same for all maps, whatever else is computed.

    Args:
        streams: of the network.
        image_ids: of the images.
        device: where the numbers are wanted; the CPU, if not given.
    """

    streams: Streams
    image_ids: Sequence[int]
    device: "torch.device | None" = None

    def uniform(self, purpose: str, draw: int, shape: tuple[int, ...]) -> "torch.Tensor":
        """Return numbers in [0, 1) for each image, (N, *shape) float32."""
        return self.streams.uniform(self.image_ids, purpose, draw, shape, self.device)

    def symmetric(self, purpose: str, draw: int, shape: tuple[int, ...]) -> "torch.Tensor":
        """Return the same in [-1, 1)."""
        return self.uniform(purpose, draw, shape).mul_(2).sub_(1)

    def normal(self, purpose: str, draw: int, shape: tuple[int, ...]) -> "torch.Tensor":
        """Return standard normal numbers for each image, (N, *shape) float32."""
        return normal(self.uniform(purpose, draw, shape)).float()


def normal(uniform: "torch.Tensor") -> "torch.Tensor":
    """Return the standard normal numbers of uniform ones with 24 bits, float64.

    Each stands for the middle of its interval, so that all are finite.
    """
    import torch

    numbers: torch.Tensor = torch.special.ndtri(uniform.double() + 2.0**-25)
    return numbers


def philox_uniform(keys: Sequence[int], count: int, device: "torch.device") -> "torch.Tensor":
    """Return what NumPy's ``Generator(Philox(key)).random(count, float32)`` does, on any device.

    Philox 4x64 with 10 rounds; source: 10.1145/2063384.2063405. The 64-bit words are int64 bit
    patterns, whose sums and products wrap around as those of unsigned numbers do.

    Args:
        keys: one 128-bit key per row.
        count: numbers per row.
        device: where they are made.

    Returns:
        (len(keys), count) float32 in [0, 1).
    """
    import torch

    def signed(word: int) -> int:
        return (word % 2**64) - 2**64 * (word % 2**64 >= 2**63)

    def low_half(x: torch.Tensor) -> torch.Tensor:
        return x & 0xFFFFFFFF

    def high_half(x: torch.Tensor) -> torch.Tensor:
        return low_half(x >> 32)

    def product(x: torch.Tensor, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the high and the low word of the 128-bit product."""
        upper, lower = factor >> 32, factor & 0xFFFFFFFF
        middle = high_half(x) * lower + high_half(low_half(x) * lower)
        cross = low_half(x) * upper + low_half(middle)
        return high_half(x) * upper + high_half(middle) + high_half(cross), x * signed(factor)

    words = [[signed(k), signed(k >> 64)] for k in keys]
    k0, k1 = torch.tensor(words, device=device).T[:, :, None]
    blocks = torch.arange(1, -(-count // 8) + 1, device=device).expand(len(keys), -1)
    x = [blocks, *[torch.zeros_like(blocks)] * 3]
    for _ in range(10):
        high0, low0 = product(x[0], 0xD2E7470EE14C6C93)
        high1, low1 = product(x[2], 0xCA5A826395121157)
        x = [high1 ^ x[1] ^ k0, low1, high0 ^ x[3] ^ k1, low0]
        k0, k1 = k0 + signed(0x9E3779B97F4A7C15), k1 + signed(0xBB67AE8584CAA73B)
    halves = torch.stack([part(word) for word in x for part in (low_half, high_half)], 2)
    return (halves.flatten(1)[:, :count] >> 8).float() * 2.0**-24
