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
from faithcam.data import facts as data
from faithcam.data import medmnist
from faithcam.data.store import SPLITS
from faithcam.metrics import registry as metrics
from faithcam.models import registry as models

Config = Mapping[str, Any]

KINDS = ("explain", *metrics.METRICS)  # of jobs on shards of images
REMOVAL = ("aopc", "dose_response", "damage_ladder", "convergence", "multiverse", "patch_net")

# Seconds per 1e9 multiply-adds of one CPU core, and of a job's start: measured (docs/cluster.md).
# GPU: assumed to be as fast as 60 cores, not measured.
CPU = {"train": 0.022, "explain": 0.1, **dict.fromkeys(REMOVAL, 0.028)}
WHOLE_PASSES = 0.036  # of all other jobs
# what AOPC computes of a whole pass, in windows: measured (docs/speed.md)
WINDOWS = {"resnet": 0.65, "vgg": 0.2, "resnet_small": 0.35, "vgg_small": 0.35, "patch_small": 0.13}
START = 3.0
DECOYS = 6
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


def _distinct(config: Config, model: Model, key: str = "methods") -> int:
    """Return how many methods may order an image's regions differently: GAP's maps do not.

    Args:
        config: the experiment's.
        model: the network.
        key: ``methods`` or ``controls``.
    """
    methods = cams.supported(config[key], model.head)
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
        controls: whether the controls are scored too.
    """

    regions: int
    draws: int = 1
    primary: bool = False
    noise: bool = True
    thesis: bool = False
    controls: bool = False

    def orders(self, maps: int, controls: int) -> int:
        """Return the orders of removal of a number of maps and controls.

        MoRF; in the strict protocol LeRF and one random order; in its primary setting the maps of
        the raw logit, and MoRF under a second stream of noise. Controls: MoRF alone.
        """
        streams = 1 + (self.primary and self.noise)
        more = self.controls * streams * controls
        if self.thesis:
            return maps + more
        return (1 + streams) * maps + 1 + self.primary * maps + more


def aopc_curves(config: Config, model: Model) -> list[Curves]:
    """Return all kinds of curves of an experiment's images."""
    size, settings, curves = _size(config, model), config["aopc"], []
    if "thesis" in config["protocols"]:
        regions = settings["thesis"]["regions"]
        curves += [
            Curves(_regions(size, region), thesis=True, controls=region == regions[0])
            for region in regions
        ]
    if "strict" in config["protocols"]:
        strict = settings["strict"]
        imputers = _imputers(config, model)
        for region, regions in _strict_regions(config, model, strict["regions"]).items():
            first = region == strict["regions"][0]
            for imputer in imputers:
                noise = imputer == "noise"
                primary = first and imputer == imputers[0]
                controls = primary or (first and imputer == "rerendered")
                draws = strict["draws"] if noise else 1
                curves.append(Curves(regions, draws, primary, noise, controls=controls))
    return curves


def aopc_passes(config: Config, model: Model) -> int:
    """Return the states of an image that AOPC asks the network about, at most.

    Every order of removal has one state per region and replacement; the evaluators' unperturbed
    passes are not counted, that for the strict protocol's imputed probability is.
    """
    maps, controls = _distinct(config, model), _distinct(config, model, "controls")
    curves = aopc_curves(config, model)
    states = sum(c.regions * c.draws * c.orders(maps, controls) for c in curves)
    return states + ("strict" in config["protocols"])


def _regions(size: int, region: int) -> int:
    return math.ceil(size / region) ** 2


def _strict_regions(config: Config, model: Model, regions: list[int | str]) -> dict[int | str, int]:
    """Return how many of each of the strict protocol's regions an image has."""
    size, cells = _size(config, model), math.isqrt(_cells(config, model))
    return {
        region: cells**2 if region == "native" else _regions(size, int(region))
        for region in regions
        if region == "native" or "native" not in regions or int(region) * cells != size
    }


def _imputers(config: Config, model: Model) -> list[str]:
    """Return the strict protocol's imputers that the data set allows."""
    known = metrics.has_renderings(config["dataset_definitions"][model.dataset])
    return [i for i in config["aopc"]["strict"]["imputers"] if known or i != "rerendered"]


def _fills(config: Config, imputers: list[str], streams: int = 1) -> int:
    """Return the replacements of all imputers: noise has draws and streams."""
    draws = config["aopc"]["strict"]["draws"]
    return sum(streams * draws if imputer == "noise" else 1 for imputer in imputers)


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
    controls = cams.supported(config["controls"], model.head)
    if "thesis" in config["protocols"]:
        passes += len(methods) + len(controls)
    if "strict" in config["protocols"]:
        passes += 3 * len(methods) + len(controls) + 2 + ("hirescam" in [*methods, *controls])
    return passes


def explain_passes(config: Config, model: Model) -> int:
    """Return the forward passes per image: for the maps, the checks, and another image's map."""
    return 2 + ("other_activations" in _needs(config, model))


def _needs(config: Config, model: Model) -> set[str]:
    return cams.needs(cams.supported([*config["methods"], *config["controls"]], model.head))


def passes_of_a_job(config: Config, model: Model, kind: str) -> int:
    """Return the passes that a job makes once: for the mean activations, if a method needs them."""
    if kind not in ("explain", "max_sensitivity") or "mean_activations" not in _needs(
        config, model
    ):
        return 0
    return (split_images(config, model.dataset) or {"val": 0})["val"]


def agreement_passes(config: Config, model: Model) -> int:
    """Return the renderings per image: of all sets of parts, and of decoys in two textures."""
    definition = config["dataset_definitions"][model.dataset]
    parts = 3 if definition.get("task") == "shortcut" else 2
    return int(2**parts + 2 * DECOYS)


def dose_response_passes(config: Config, model: Model) -> int:
    """Return the passes per image: removal and assisted images of all maps, noisy images, itself.

    All heads share them. Grad-CAM is the same at every dose, and the only map at dose 0.
    """
    maps = 1 + 2 * sum(dose > 0 for dose in config["dose_response"]["doses"])
    states = _cells(config, model) * _fills(config, ["noise"])
    return int(maps * (states + 1) + config["max_sensitivity"]["strict"]["samples"] + 1)


def damage_ladder_passes(config: Config, model: Model) -> int:
    """Return the passes per image, at most: removal, by re-rendered images too, of every map.

    Every map has an assisted image; all share the noisy images. Equal orders are removed once.
    """
    ladder = config["damage_ladder"]
    # two ladders have a map for every draw, shifts have four directions
    maps = len(ladder["steps"]) * (2 * ladder["draws"] + 4) + 1
    truth = metrics.has_renderings(config["dataset_definitions"][model.dataset])
    samples = config["max_sensitivity"]["strict"]["samples"]
    return int(maps * ((1 + truth) * _cells(config, model) + 1) + samples + 1)


def convergence_passes(config: Config, model: Model) -> int:
    """Return the passes per image: removal of three maps in every draw, and noisy images.

    Both blocks share the clean image's pass.
    """
    settings = config["convergence"]
    return int(3 * settings["draws"] * _cells(config, model) + 2 * max(settings["samples"]) + 1)


def multiverse_passes(config: Config, model: Model) -> int:
    """Return the states of an image in all specifications, at most, and the pass for its maps."""
    settings = config["multiverse"]
    regions = sum(_strict_regions(config, model, settings["regions"]).values())
    offsets = 2 if models.ARCHITECTURES[model.architecture].offset else 1
    orders = 2 * 2 * 2 * offsets  # maps, views, targets
    return orders * regions * _fills(config, settings["imputers"], streams=2) + 1


def patch_net_passes(config: Config, model: Model) -> int:
    """Return the passes per image: removal in four orders, imputed images, itself."""
    fills = _fills(config, _imputers(config, model))
    return fills * (4 * _cells(config, model) + 1) + 1


def _cells(config: Config, model: Model) -> int:
    return models.ARCHITECTURES[model.architecture].cells(_size(config, model)) ** 2


def images_of(config: Config, model: Model, kind: str) -> int:
    """Return how many images a network's jobs of one kind work on: the explained ones, or fewer."""
    explained = experiment.explained_images(config, model.dataset)
    return min(explained, int(config.get(kind, {}).get("images", explained)))


PASSES: dict[str, Callable[[Config, Model], int]] = {
    "explain": explain_passes,
    "aopc": aopc_passes,
    "max_sensitivity": max_sensitivity_passes,
    "haas": haas_passes,
    "feature_aopc": lambda config, model: 0,
    "agreement": agreement_passes,
    "localisation": lambda config, model: 0,
    "similarity": lambda config, model: 0,
    "dose_response": dose_response_passes,
    "damage_ladder": damage_ladder_passes,
    "convergence": convergence_passes,
    "multiverse": multiverse_passes,
    "patch_net": patch_net_passes,
}


def _seconds(config: Config, model: Model, kind: str, passes: float) -> float:
    facts = models.ARCHITECTURES[model.architecture]
    voxels = data.voxels(config["dataset_definitions"][model.dataset])
    work = passes * (facts.multiply_adds + HANDLING) * voxels
    if kind in REMOVAL:
        family = re.match("[a-z]*", model.architecture)[0]  # type: ignore[index]
        work *= WINDOWS.get(model.architecture, WINDOWS.get(family, 1))
    cores = GPU_CORES if config["device"] == "cuda" else config["threads"]
    return work / 1e9 * CPU.get(kind, WHOLE_PASSES) / cores


def shard_seconds(config: Config, model: Model, kind: str, images: int) -> float:
    """Return how long a job on ``images`` images takes, without its start."""
    passes = images * PASSES[kind](config, model) + passes_of_a_job(config, model, kind)
    return _seconds(config, model, kind, passes)


def split_images(config: Config, dataset: str) -> dict[str, int] | None:
    """Return a data set's number of images by split; None where only preparing it can tell."""
    definition = config["dataset_definitions"][dataset]
    if definition["source"] in ("phantom", "ct_phantom"):  # with a task: for each training seed
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
