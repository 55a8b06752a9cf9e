"""Shards and micro-batches over the frozen, sorted list of explained images."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class MicroBatch:
    """Images [start, stop) of the explained list and ``padding`` repeats of the last one."""

    start: int
    stop: int
    padding: int


def shards(images: int, shard_size: int) -> list[str]:
    """Return the names ``start-stop`` of the shards of ``images`` images."""
    return [f"{start}-{min(start + shard_size, images)}" for start in range(0, images, shard_size)]


def bounds(shard: str) -> tuple[int, int]:
    """Return (start, stop) of a shard's name."""
    start, stop = shard.split("-")
    return int(start), int(stop)


def overlap(one: str, other: str) -> bool:
    """Return whether two shards have an image in common."""
    (start, stop), (first, last) = bounds(one), bounds(other)
    return start < last and first < stop


def micro_batches(start: int, stop: int, batch_size: int) -> Iterator[MicroBatch]:
    """Yield the micro-batches of a shard.

    Batch k is always images [k B, (k + 1) B) of the whole list and always B images long, so a
    result never depends on the size of the shard it was computed in.

    Raises:
        ValueError: if the shard does not start at a multiple of the batch size.
    """
    if start % batch_size:
        raise ValueError(f"shard starts at {start}, which is no multiple of {batch_size}")
    for first in range(start, stop, batch_size):
        last = min(first + batch_size, stop)
        yield MicroBatch(first, last, batch_size - (last - first))
