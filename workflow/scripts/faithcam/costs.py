"""What jobs cost, from the config alone: forward passes, seconds, disk, and shards of equal cost.

A job's time is its start, and the multiply-adds of its forward passes times the time that one
takes in such a job. Nothing here imports torch: the workflow asks while it reads its rules.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from faithcam import config as experiment
from faithcam import sharding
from faithcam.cams import registry as cams
from faithcam.data import medmnist
from faithcam.data.store import SPLITS
from faithcam.models import registry as models

Config = Mapping[str, Any]

KINDS = ("explain", "aopc", "max_sensitivity", "haas")  # of jobs on shards of images

# Seconds per 1e9 multiply-adds of one CPU core, and of a job's start: measured (docs/cluster.md).
# GPU: assumed to be as fast as 60 cores, not measured.
CPU = {"train": 0.022, "explain": 0.1, "aopc": 0.028, "max_sensitivity": 0.036, "haas": 0.036}
# what AOPC computes of a whole pass, in windows: measured (docs/speed.md)
WINDOWS = {"resnet": 0.65, "vgg": 0.2, "resnet_small": 0.35, "vgg_small": 0.35}
START = 3.0
GPU_CORES = 60
# what a pass costs beside convolutions (noise, copies, ReLU), in multiply-adds per pixel
HANDLING = 1400
SLOWEST = 4  # a cluster's machine may be slower than ours, and the network less lucky
SHORTEST, LONGEST = 15, 24 * 60  # minutes that every job, and no job, may take


@dataclass(frozen=True)
class Model:
    """One network of the plan and the data it works on.

    Args:
        dataset: a key of ``dataset_definitions``.
        architecture: name of the network.
        head: ``flatten`` or ``gap``.
    """

    dataset: str
    architecture: str
    head: str

    @classmethod
    def of(cls, dataset: str, model: str) -> "Model":
        """Return it from the names in a path: data set and architecture-head."""
        return cls(dataset, *model.rsplit("-", 1))


def _size(config: Config, model: Model) -> int:
    return int(config["dataset_definitions"][model.dataset]["size"])


def _distinct(config: Config, model: Model) -> int:
    """Return how many methods may order an image's regions differently: GAP's maps do not."""
    methods = cams.supported(config["methods"], model.head)
    explaining = len(cams.from_model(methods))
    distinct = min(explaining, 1) if model.head == "gap" else explaining
    return len(methods) - explaining + distinct


@dataclass(frozen=True)
class Curves:
    """AOPC curves of one kind: a protocol's region and imputer.

    Args:
        regions: that are removed one after another.
        draws: of the replacement.
        primary: whether it is the strict protocol's primary setting.
        noise: whether the replacement is noise.
        thesis: whether the protocol is the published one.
    """

    regions: int
    draws: int = 1
    primary: bool = False
    noise: bool = True
    thesis: bool = False

    def orders(self, maps: int) -> int:
        """Return the orders of removal of a number of maps.

        MoRF; in the strict protocol LeRF and one random order; in its primary setting the maps of
        the raw logit, and MoRF under a second stream of noise.
        """
        if self.thesis:
            return maps
        return 2 * maps + 1 + self.primary * (maps + self.noise * maps)


def aopc_curves(config: Config, model: Model) -> list[Curves]:
    """Return all kinds of curves of an experiment's images."""
    size, settings, curves = _size(config, model), config["aopc"], []
    if "thesis" in config["protocols"]:
        regions = settings["thesis"]["regions"]
        curves += [Curves(_regions(size, region), thesis=True) for region in regions]
    if "strict" in config["protocols"]:
        strict = settings["strict"]
        cells = models.ARCHITECTURES[model.architecture].cells(size)
        for region in strict["regions"]:
            native = region == "native"
            if not native and "native" in strict["regions"] and region * cells == size:
                continue
            regions = cells**2 if native else _regions(size, region)
            for imputer in strict["imputers"]:
                noise = imputer == "noise"
                primary = region == strict["regions"][0] and imputer == strict["imputers"][0]
                curves.append(Curves(regions, strict["draws"] if noise else 1, primary, noise))
    return curves


def aopc_passes(config: Config, model: Model) -> int:
    """Return the states of an image that AOPC asks the network about, at most.

    Every order of removal has one state per region and replacement; unperturbed passes are not
    counted.
    """
    maps = _distinct(config, model)
    return sum(c.regions * c.draws * c.orders(maps) for c in aopc_curves(config, model))


def _regions(size: int, region: int) -> int:
    return math.ceil(size / region) ** 2


def max_sensitivity_passes(config: Config, model: Model) -> int:
    """Return the forward passes per image: one per noisy image and one per protocol.

    All methods share them. The strict protocol has a second stream at its primary radius.
    """
    settings, passes = config["max_sensitivity"], 0
    if "thesis" in config["protocols"]:
        passes += sum(settings["thesis"]["samples"]) + 1
    if "strict" in config["protocols"]:
        strict = settings["strict"]
        passes += strict["samples"] * (len(strict["radii"]) + 1) + 1
    return passes


def haas_passes(config: Config, model: Model) -> int:
    """Return the heatmap-assisted images per image, at most: equal maps are judged once."""
    methods, passes = cams.supported(config["methods"], model.head), 0
    if "thesis" in config["protocols"]:
        passes += len(methods)
    if "strict" in config["protocols"]:
        passes += 3 * len(methods) + 2 + ("hirescam" in methods)
    return passes


def explain_passes(config: Config, model: Model) -> int:
    """Return the forward passes per image: one for the maps, one for the checks."""
    return 2


PASSES: dict[str, Callable[[Config, Model], int]] = {
    "explain": explain_passes,
    "aopc": aopc_passes,
    "max_sensitivity": max_sensitivity_passes,
    "haas": haas_passes,
}


def _seconds(config: Config, model: Model, kind: str, passes: float) -> float:
    facts = models.ARCHITECTURES[model.architecture]
    work = passes * (facts.multiply_adds + HANDLING) * _size(config, model) ** 2
    if kind == "aopc":
        family = re.match("[a-z]*", model.architecture)[0]  # type: ignore[index]
        work *= WINDOWS.get(model.architecture, WINDOWS.get(family, 1))
    cores = GPU_CORES if config["device"] == "cuda" else config["threads"]
    return work / 1e9 * CPU[kind] / cores


def shard_seconds(config: Config, model: Model, kind: str, images: int) -> float:
    """Return how long a job on ``images`` images takes, without its start."""
    return _seconds(config, model, kind, images * PASSES[kind](config, model))


def split_images(config: Config, dataset: str) -> dict[str, int] | None:
    """Return a data set's number of images by split; None where only preparing it can tell."""
    definition = config["dataset_definitions"][dataset]
    if definition["source"] == "phantom":  # with a task: for each training seed
        return {split: definition[split] for split in SPLITS}
    if definition["source"] == "medmnist":
        return dict(zip(SPLITS, medmnist.FLAGS[definition["flag"]].images, strict=True))
    return None


def train_seconds(config: Config, model: Model, images: Mapping[str, int]) -> float:
    """Return how long all epochs of a training take; it may stop before.

    Args:
        config: the experiment's.
        model: the network.
        images: how many images there are, by split.
    """
    # a step's backward pass costs two forward passes
    passes = config["training"]["epochs"] * (3 * images["train"] + images["val"]) + images["test"]
    return _seconds(config, model, "train", passes)


def shards(config: Config, model: Model, kind: str) -> list[str]:
    """Return the shards of a network's images: jobs of about ``shard_minutes`` of equal length.

    Results do not depend on them. A shard holds whole micro-batches.
    """
    images = experiment.explained_images(config, model.dataset)
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
