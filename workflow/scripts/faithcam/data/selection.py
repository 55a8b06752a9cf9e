"""The images of a data set that are explained."""

from typing import Any

import numpy as np

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.data.dataset import Dataset

Array = np.ndarray[Any, Any]


def explained_images(dataset: Dataset, count: int, seed: int, split: str = "test") -> Array:
    """Choose the images that are explained: class-stratified, keyed per image.

    Each class gets its share of the split (largest remainder, at least one image); inside a
    class every image has a keyed rank, so a larger count keeps what a smaller one chose as far as
    the shares allow. With several labels per image those without any are left out; every class gets
    an image if it has one, the rarest first, and the other images follow by rank.

    Args:
        dataset: the data set.
        count: how many.
        seed: the experiment's seed.
        split: whose images: test or val.

    Returns:
        Sorted image_ids (count,).

    Raises:
        FaithcamError: if the split has fewer images, or there are fewer of them than classes.
    """
    candidates = dataset.split(split)
    if dataset.multi_label:
        return _explained_findings(dataset, candidates, count, seed, split)
    labels = dataset.labels[candidates]
    present, sizes = np.unique(labels, return_counts=True)
    if not len(present) <= count <= len(candidates):
        raise FaithcamError(
            f"explained_images: {count} found, expected {len(present)} (the classes) to "
            f"{len(candidates)} (the {split} images) for data set {dataset.name}; set it in the "
            "config, or for this data set alone in "
            f"dataset_definitions.{dataset.name}.explained_images"
        )
    shares = count * sizes / len(candidates)
    quotas = np.maximum(np.floor(shares).astype(int), 1)
    while quotas.sum() < count:
        quotas[np.argmax(np.where(quotas < sizes, shares - quotas, -np.inf))] += 1
    while quotas.sum() > count:
        quotas[np.argmin(np.where(quotas > 1, shares - quotas, np.inf))] -= 1
    chosen = []
    for label, quota in zip(present.tolist(), quotas.tolist(), strict=True):
        members = candidates[labels == label].tolist()
        members.sort(key=lambda i: seeding.key(seed, dataset.name, i, "explained"))
        chosen += members[:quota]
    return np.array(sorted(chosen), dtype=np.int64)


def _explained_findings(
    dataset: Dataset, candidates: Array, count: int, seed: int, split: str
) -> Array:
    positive = [i for i in candidates.tolist() if dataset.labels[i].any()]
    positive.sort(key=lambda i: seeding.key(seed, dataset.name, i, "explained"))
    labels = dataset.labels[positive]
    chosen: list[int] = []
    for finding in np.argsort(labels.sum(0), kind="stable").tolist():
        members = [i for i, row in zip(positive, labels, strict=True) if row[finding]]
        if members and not set(members) & set(chosen):
            chosen.append(members[0])
    if not len(chosen) <= count <= len(positive):
        raise FaithcamError(
            f"explained_images: {count} found, expected {len(chosen)} (so that every class is "
            f"among them) to {len(positive)} (the {split} images with a finding) for data set "
            f"{dataset.name}; set it in the config, or for this data set alone in "
            f"dataset_definitions.{dataset.name}.explained_images"
        )
    chosen += [i for i in positive if i not in chosen][: count - len(chosen)]
    return np.array(sorted(chosen), dtype=np.int64)
