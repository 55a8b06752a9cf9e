"""What an experiment will take, before it is run: jobs, hours and disk."""

import csv
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from faithcam import config as experiment
from faithcam import costs, sharding
from faithcam.cams import registry as cams
from faithcam.costs import Config, Model
from faithcam.models import registry as models

AGGREGATES = (
    *("evaluate_models", "collect_checks", "collect_completeness", "collect_scores"),
    *("collect_curves", "compare_methods", "record_provenance", "write_report", "all"),
)
PREPARE = 1.5e-6  # seconds per pixel of a simulated radiograph, measured
SCORE_BYTES = 2.5  # of one score in a compressed table, measured
SHORT, LONG = 5, 30  # minutes: what a cluster's job should take


@dataclass(frozen=True)
class Job:
    """One job of the plan.

    Args:
        rule: its name.
        path: of the job in the folder of run times.
        seconds: how long it takes, with its start.
        size: bytes that it leaves.
        device: whether it runs on the GPU, if GPUs are used.
    """

    rule: str
    path: str = ""
    seconds: float = costs.START
    size: float = 0
    device: bool = False


def jobs(config: Config) -> Iterator[Job]:
    """Yield the jobs of a whole experiment, whatever is there already."""
    for dataset in config["datasets"]:
        yield from _data_jobs(config, dataset)
    if config["training"]["pretrained"]:
        for architecture in config["architectures"]:
            yield Job("download_weights", size=4 * models.ARCHITECTURES[architecture].parameters)
    planned = product(
        config["datasets"], config["architectures"], config["heads"], config["seeds"]
    )
    for dataset, architecture, head, seed in planned:
        yield from _model_jobs(config, Model(dataset, architecture, head), seed)
    for rule in AGGREGATES:
        yield Job(rule)


def _data_jobs(config: Config, dataset: str) -> Iterator[Job]:
    definition = config["dataset_definitions"][dataset]
    if definition["source"] == "medmnist":
        yield Job("download_images")
    images = costs.split_images(config, dataset) or {}
    pixels = sum(images.values()) * definition["size"] ** 2
    seconds = PREPARE * pixels if definition["source"] == "phantom" else PREPARE / 100 * pixels
    channels = costs.channels(config, dataset)
    yield Job("prepare_data", dataset, costs.START + seconds, pixels * (channels + 1))
    yield Job("draw_figures")
    yield Job("draw_examples")


def _model_jobs(config: Config, model: Model, seed: int) -> Iterator[Job]:
    facts = models.ARCHITECTURES[model.architecture]
    folder = f"{model.dataset}/{model.architecture}-{model.head}/seed{seed}"
    images = costs.split_images(config, model.dataset)
    training = costs.train_seconds(config, model, images) if images else 0
    yield Job("train", folder, costs.START + training, 4 * facts.parameters, device=True)
    for kind in ("explain", *config["metrics"]):
        rule = f"explain_{model.head}" if kind == "explain" else kind
        bytes_per_image = _bytes_per_image(config, model, kind)
        for shard in costs.shards(config, model, kind):
            start, stop = sharding.bounds(shard)
            seconds = costs.START + costs.shard_seconds(config, model, kind, stop - start)
            size = (stop - start) * bytes_per_image
            yield Job(rule, f"{folder}/{shard}", seconds, size, device=True)


def _bytes_per_image(config: Config, model: Model, kind: str) -> float:
    size = config["dataset_definitions"][model.dataset]["size"]
    methods = cams.supported(config["methods"], model.head)
    if kind == "explain":  # predicted class and label, logit and centred
        cells = models.ARCHITECTURES[model.architecture].cells(size) ** 2
        return len(methods) * 4 * (4 * cells + SCORE_BYTES)
    if kind == "haas":
        return SCORE_BYTES * 6 * len(methods)
    if kind == "max_sensitivity":
        settings = config["max_sensitivity"]
        return SCORE_BYTES * len(methods) * (
            len(settings["thesis"]["radii"]) + 3 * len(settings["strict"]["radii"])
        )
    numbers = 0
    for curves in costs.aopc_curves(config, model):
        lines = len(methods) if curves.thesis else 2 * (2 * len(methods) + 1)
        numbers += lines * (curves.regions + 1)
    return 4 * numbers
