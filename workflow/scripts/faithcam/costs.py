"""What jobs cost, from the config alone: forward passes, seconds, disk, and shards of equal cost.

A job's time is its start, and the multiply-adds of its forward passes times the time that one
takes in such a job. Nothing here imports torch: the workflow asks while it reads its rules.
"""

import math
from collections.abc import Mapping

from faithcam import config as experiment
from faithcam import sharding
from faithcam.cams import registry as cams
from faithcam.data import definitions as data
from faithcam.metrics import registry as metrics
from faithcam.metrics.planning import (
    STANDARD,
    Config,
    Model,
    methods_of,
    own_passes,
    several_labels,
)
from faithcam.models import registry as models

KINDS = ("explain", *metrics.METRICS)  # of jobs on shards of images
REMOVAL = [name for name, metric in metrics.METRICS.items() if metric.windows]

# Seconds per 1e9 multiply-adds of one CPU core, and of a job's start: measured (docs/cluster.md).
# GPU: assumed to be as fast as 60 cores, not measured.
CPU = {"train": 0.022, "explain": 0.1, **dict.fromkeys(REMOVAL, 0.028)}
WHOLE_PASSES = 0.036  # of all other jobs
START = 3.0
EXPLAINED = 4  # scores of an image of one label: predicted class and label, logit and centred
GPU_CORES = 60
# what a pass costs beside convolutions (noise, copies, ReLU), in multiply-adds per pixel
HANDLING = 1400
SLOWEST = 4  # a cluster's machine may be slower than ours, and the network less lucky
SHORTEST, LONGEST = 15, 24 * 60  # minutes that every job, and no job, may take


def explain_passes(config: Config, model: Model) -> int:
    """Return the forward passes per image.

    For the maps, the checks, another image's map, and those of the methods that need their own.
    """
    own = sum(_own_passes(config, model).values())
    return 2 + ("other_activations" in _needs(config, model)) + own


def _own_passes(config: Config, model: Model) -> dict[str, int]:
    explained = 1 if several_labels(config, model) else EXPLAINED
    return own_passes(config, model, explained)


def _explain_work(config: Config, model: Model) -> int:
    """Return the same with backward passes, each of which costs two forward passes."""
    own = _own_passes(config, model)
    again = sum(own[name] for name in own if cams.METHODS[name].backward)
    return explain_passes(config, model) + 2 * again


def _needs(config: Config, model: Model) -> set[str]:
    return cams.needs(methods_of(config, model))


def passes_of_a_job(config: Config, model: Model, kind: str) -> int:
    """Return the passes that a job makes once, over the validation split.

    For the mean activations of every network, if a method needs them, and to standardise the
    networks with new weights.
    """
    explains, randomised = kind == "explain", 0
    if not explains:
        explains = metrics.METRICS[kind].maps in ("own", "networks")
        randomised = metrics.METRICS[kind].randomised(config)
    images = (split_images(config, model.dataset) or {"val": 0})["val"]
    averaged = explains and "mean_activations" in _needs(config, model)
    return averaged * (1 + randomised) * images + randomised * min(images, STANDARD)


def images_of(config: Config, model: Model, kind: str) -> int:
    """Return how many images a network's jobs of one kind work on: the explained ones, or fewer."""
    explained = experiment.explained_images(config, model.dataset)
    return min(explained, int(config.get(kind, {}).get("images", explained)))


def passes(config: Config, model: Model, kind: str) -> int:
    """Return the forward passes per image of a network's jobs of one kind, at most.

    A backward pass counts as two. With several labels per image they are those of a label.
    """
    if kind == "explain":
        return _explain_work(config, model)
    return int(metrics.METRICS[kind].passes(config, model))


def _seconds(config: Config, model: Model, kind: str, count: float) -> float:
    facts = models.ARCHITECTURES[model.architecture]
    more = metrics.METRICS[kind].handling(config, model) if kind in metrics.METRICS else 0
    voxels = data.voxels(config["dataset_definitions"][model.dataset])
    work = count * (facts.multiply_adds + HANDLING + more) * voxels
    if kind in REMOVAL:
        work *= facts.windows
    cores = GPU_CORES if config["device"] == "cuda" else config["threads"]
    return work / 1e9 * CPU.get(kind, WHOLE_PASSES) / cores


def shard_seconds(config: Config, model: Model, kind: str, images: int) -> float:
    """Return how long a job on ``images`` images takes, without its start."""
    labels = data.labels_per_image(config["dataset_definitions"][model.dataset])
    count = images * labels * passes(config, model, kind) + passes_of_a_job(config, model, kind)
    return _seconds(config, model, kind, count)


def split_images(config: Config, dataset: str) -> dict[str, int] | None:
    """Return a data set's number of images by split; None where only preparing it can tell."""
    return data.split_images(config["dataset_definitions"][dataset])


def train_seconds(config: Config, model: Model, images: Mapping[str, int]) -> float:
    """Return how long all epochs of a training take; it may stop before.

    Args:
        config: the experiment's.
        model: the network.
        images: how many images there are, by split.
    """
    # a step's backward pass costs two forward passes
    count = config["training"]["epochs"] * (3 * images["train"] + images["val"]) + images["test"]
    return _seconds(config, model, "train", count)


def shards(config: Config, model: Model, kind: str) -> list[str]:
    """Return the shards of a network's images: jobs of about ``shard_minutes`` of equal length.

    Results do not depend on them. A shard holds whole micro-batches.
    """
    images = images_of(config, model, kind)
    batches = math.ceil(images / config["batch_size"])
    minutes = shard_seconds(config, model, kind, images) / 60
    jobs = min(batches, max(1, round(minutes / config["shard_minutes"])))
    return sharding.shards(images, math.ceil(batches / jobs) * config["batch_size"])


def limit_minutes(seconds: float, attempt: int = 1) -> int:
    """Return the time limit of a job that should take some seconds, its start not counted.

    Every attempt gets more, up to a day: partitions refuse longer jobs, and a training goes on from
    its last epoch.
    """
    minutes = max(SHORTEST, math.ceil(SLOWEST * (seconds + START) / 60))
    return min(attempt * minutes, LONGEST)
