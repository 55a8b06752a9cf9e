"""Shards of noise and an untrained network, their stored maps, and their scores by any metric."""

import json
from dataclasses import replace

import numpy as np
import scored
import torch
from networks import random_net
from scored import MadeTruth

from faithcam.core.identity import Identity
from faithcam.core.seeding import Streams
from faithcam.data.dataset import Dataset
from faithcam.experiment.evaluations import Plan
from faithcam.metrics.registry import METRICS
from faithcam.models.axialnet import AxialNet
from faithcam.results import io as tables
from faithcam.running import explaining as maps
from faithcam.running import scoring
from faithcam.running.network_truth import NetworkTruth
from faithcam.running.shard import Shard

IMAGES, VAL, TRAIN, BATCH = 10, 6, 7, 4
SLICES = 3
PARTS, DECOYS = ("lesion", "marker", "suppressor"), 6
FULL = 2 ** len(PARTS) - 1
CONFIG = {
    **scored.CONFIG,
    "precision": "float32",
    "aopc": {**scored.CONFIG["aopc"], "memory_mb": 100},
    "normalised_aopc": {"images": IMAGES, "region": 8, "beam": 2},
    "dose_response": {"doses": [0, 1]},
    "damage_ladder": {"images": IMAGES, "steps": [0.5, 1], "draws": 2},
    "multiverse": {"regions": ["native", 8], "imputers": ["noise", "mean"]},
}


def shard_of(model, dataset, start, stop, batch=BATCH, multi_label=False):
    """Return some of the first images of a data set; the classes are drawn, or all labels."""
    ids, detected = np.arange(start, stop), None
    if multi_label:
        places, predicted = dataset.labels[ids].nonzero()
        ids = ids[places]
        detected = (ids + predicted) % 3 > 0
    else:
        predicted = np.random.default_rng(1).integers(0, len(dataset.classes), IMAGES)[start:stop]
    return Shard(
        Identity("made", "net", model.head, 0),
        model,
        Streams(1, "made", "net"),
        torch.device("cpu"),
        dataset,
        ids,
        predicted,
        start,
        batch,
        np.arange(IMAGES),
        detected,
    )


def trained_on(dataset):
    """Return a data set with ``TRAIN`` more images for training, after all others."""
    random, rows = np.random.default_rng(2), np.arange(TRAIN)
    ids = np.r_[dataset.image_ids, len(dataset.image_ids) + rows]
    images = random.integers(0, 256, (TRAIN, *dataset.images.shape[1:]), np.uint8)
    arrays = {
        name: np.concatenate([array, array[rows]])
        for name in ("masks", "labels", "finding_masks")
        if (array := getattr(dataset, name)) is not None
    }
    splits = np.r_[dataset.splits, np.repeat("train", TRAIN)]
    images = np.concatenate([dataset.images, images])
    return replace(dataset, image_ids=ids, images=images, splits=splits, **arrays)


def make_shard(head="flatten", channels=1, classes=3, start=0, stop=IMAGES):
    """Return a shard of images of one label; the data set has more to train on."""
    random, count = np.random.default_rng(0), IMAGES + VAL
    dataset = Dataset(
        "made",
        tuple("abc"[:classes]),
        16,
        channels,
        random.integers(0, 256, (count, 16, 16, channels), np.uint8),
        random.integers(0, 2, (count, 16, 16), np.uint8),
        np.arange(count),
        random.integers(0, classes, count),
        np.repeat(["test", "val"], [IMAGES, VAL]),
    )
    return shard_of(random_net(head, classes=classes), trained_on(dataset), start, stop)


def planted_shard(absent=(), **options):
    """Return the same with parts, decoys and renderings; ``absent``: (image, part or decoy)."""
    shard = make_shard(**options)
    random, data = np.random.default_rng(1), shard.dataset
    masks = np.zeros((IMAGES + VAL + TRAIN, len(PARTS) + DECOYS, 16, 16), np.uint8)
    for i in range(masks.shape[1]):
        masks[:IMAGES, i, i : i + 2, i : i + 4] = 1
    kinds = 2 ** len(PARTS) + 2 * DECOYS
    renderings = random.integers(0, 256, (IMAGES, kinds, 16, 16, data.channels), np.uint8)
    renderings[:, FULL] = data.images[:IMAGES]
    for image, part in absent:
        masks[image, part] = 0
        if part < len(PARTS):  # no rendering has it
            for s in range(FULL + 1):
                renderings[image, s | 1 << part] = renderings[image, s & ~(1 << part)]
            renderings[image, FULL & ~(1 << part)] = renderings[image, FULL] = data.images[image]
    data = replace(
        data,
        masks=masks[:, 0],
        parts=PARTS,
        decoys=DECOYS,
        part_masks=masks,
        renderings=renderings,
    )
    return replace(shard, dataset=data)


def several_dataset(slices=SLICES, multi_label=True):
    """Return a data set of volumes (images without ``slices``) of several labels, or of one."""
    random, count = np.random.default_rng(0), IMAGES + 4
    shape = (count, *([slices] if slices else []), 16, 16)
    images = random.integers(0, 256, (*shape, 1), np.uint8)
    labels, masks = random.integers(0, 3, count), None
    if multi_label:
        labels = (random.random((count, 3)) < 0.6).astype(np.uint8)
        labels[np.arange(IMAGES), np.arange(IMAGES) % 3] = 1  # every image has one
        labels[5] = 1
        masks = np.zeros((count, 3, *shape[1:]), np.uint8)
        masks[..., 4:9, 4:9] = 1
    splits = np.repeat(["test", "val"], [IMAGES, 4])
    whole = np.zeros(shape, np.uint8)
    dataset = Dataset(
        *("made", tuple("abc"), 16, 1, images, whole, np.arange(count), labels, splits),
        finding_masks=masks,
    )
    return trained_on(dataset)


def several_shard(start=0, stop=IMAGES, slices=SLICES, multi_label=True, batch=BATCH):
    """Return a shard of volumes, of images with several labels, or of both."""
    net = random_net()
    model = AxialNet(net.features, net.classifier, "flatten").eval() if slices else net
    return shard_of(model, several_dataset(slices, multi_label), start, stop, batch, multi_label)


def network_of(shard, methods, controls=(), **spec):
    """Return what a config would say of a shard's network."""
    data = shard.dataset
    known = {
        "slices": data.slices,
        "multi_label": data.multi_label,
        "task": "" if data.renderings is None else "shortcut",
        "train_images": len(data.split("train")),
        "val_images": len(data.split("val")),
    }
    network = scored.network_of(shard.model.head, methods, controls, **{**known, **spec})
    return replace(network, channels=data.channels)


def written(actual, folder):
    """Write tables by name; return their files."""
    files = [str(folder / f"{name}.parquet") for name in actual]
    for file, table in zip(files, actual.values(), strict=True):
        tables.write(file, table, table.schema)
    return files


def stored(shard, network, folder):
    """Write the maps of all methods and controls; return their files."""
    return written(maps.compute(shard, list(network.everything))[0], folder)


def settings_of(metric, network, **sections):
    """Return what a metric's jobs get."""
    return Plan({**CONFIG, **sections}).settings(metric, network)


def scored_by(shard, metric, files, network, **sections):
    """Return all tables of a metric: what a job of the shard writes.

    Args:
        shard: of the images.
        metric: its name.
        files: of stored maps.
        network: what the config says of the shard's network.
        sections: of the config that are others.
    """
    files = files if METRICS[metric].maps == "stored" else []
    truth = truth_of(shard) if "truth" in METRICS[metric].needs else None
    return scoring.scored(shard, files, settings_of(metric, network, **sections), truth)


def truth_of(shard):
    """Return a made-up truth of all images of a shard's network."""
    predicted = np.random.default_rng(1).integers(0, len(shard.dataset.classes), IMAGES)
    return NetworkTruth(MadeTruth(), dict(enumerate(predicted.tolist())), shard.device)


def as_rows(parts, name, drop=()):
    """Return the rows of some shards' tables, sorted, without some columns."""
    rows = [row for part in parts for row in part[name].to_pylist()]
    return sorted(json.dumps({k: v for k, v in row.items() if k not in drop}) for row in rows)
