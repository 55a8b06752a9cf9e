"""Forecast of an experiment: jobs, hours and disk (``make plan``)."""

import csv
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faithcam.core import plugins, sharding
from faithcam.core.errors import FaithcamError
from faithcam.data import definitions as data
from faithcam.data import prepare
from faithcam.experiment import axes, figures
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import CANDIDATES, EXPLAIN, TRUTH, Plan
from faithcam.experiment.given_problems import unscored_maps
from faithcam.maps import registry as maps
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.registry import METRICS
from faithcam.models import registry as models
from faithcam.running import costs

Config = Mapping[str, Any]
AGGREGATES = (
    "declare_evaluations", "evaluate_models", "collect_checks", "collect_completeness",
    "collect_scores", "collect_curves", "collect_truth", "compare_methods", "compare_subgroups",
    "compare_maps", "compare_specifications", "judge_metrics", "record_provenance", "write_report",
)  # fmt: skip
SMALL = (
    *AGGREGATES, "list_subgroups", "download_images", "download_weights", "import_maps",
    "draw_figures", "draw_examples", "draw_controls", "draw_truth", "draw_truth_examples",
    "collect_part_shapley", "draw_part_shapley", "collect_cases",
)  # fmt: skip
REST = "the rest"
DRAWING = 1.5e-6  # seconds per pixel of a simulated radiograph, measured
FINDINGS = 4  # bytes per voxel of simulated CT: masks of each finding
PLANTED = 29  # bytes per pixel of a test image: masks and renderings, at most
SCORE = 6  # bytes of a score in a compressed table, measured
SCHEMA = Path(__file__).parents[1] / "experiment" / "config.schema.yaml"  # a link
LONGEST = 30  # minutes that a job of a cluster should take at most


@dataclass(frozen=True)
class Job:
    """One job of the plan.

    Args:
        rule: its name.
        model: the network it works on, as in paths, with its data set and seed; "" without one.
        shard: its images.
        seconds: how long it takes.
        size: bytes that it leaves.
        device: whether it runs on a GPU where these are used.
    """

    rule: str
    model: str = ""
    shard: str = ""
    seconds: float = costs.START
    size: float = 0
    device: bool = False


def jobs(plan: Plan) -> Iterator[Job]:
    """Yield the jobs of a whole experiment, whether or not their results are there."""
    config = plan.config
    networks = axes.planned(config)
    images = {dataset: split_images(config, dataset) for dataset in config["datasets"]}
    for dataset in config["datasets"]:
        yield from _data_jobs(config, dataset, images[dataset])
    if config["training"]["pretrained"]:
        for architecture in dict.fromkeys(architecture for _, architecture, _, _ in networks):
            if spec := models.ARCHITECTURES.get(architecture):  # the user's own have weights
                yield Job("download_weights", size=4 * spec.parameters)
    for dataset, architecture, head, seed in networks:
        network = plan.network(dataset, f"{architecture}-{head}")
        yield from _model_jobs(plan, network, seed, images[dataset])
    for rule in AGGREGATES:
        yield Job(rule)
    for dataset in config["datasets"]:
        if figures.of_controls(config, dataset):
            yield Job("draw_controls")
        if figures.of_truth(plan, dataset):
            yield from (Job("draw_truth"), Job("draw_truth_examples"))
    if any(_has_part_shapley(config, dataset) for dataset in config["datasets"]):
        yield from (Job("collect_part_shapley"), Job("draw_part_shapley"))
    if config["report"]["cases"]:
        yield Job("collect_cases")


def split_images(config: Config, dataset: str) -> dict[str, int]:
    """Return a data set's images by split; the user's own are counted."""
    definition = config["dataset_definitions"][dataset]
    known = costs.split_images(config, dataset)
    return known or prepare.counted(definition, config["seed"], dataset)


def seconds_of_rules(plan: Plan) -> dict[str, float]:
    """Return how long a job of each rule takes, on average."""
    rules: dict[str, list[float]] = {}
    for job in jobs(plan):
        rules.setdefault(job.rule, []).append(job.seconds)
    return {rule: statistics.mean(seconds) for rule, seconds in rules.items()}


def _has_part_shapley(config: Config, dataset: str) -> bool:
    asked = "agreement" in axes.of_dataset(config, dataset, "metrics")
    return asked and data.is_planted(config["dataset_definitions"][dataset])


def _data_jobs(config: Config, dataset: str, images: Mapping[str, int]) -> Iterator[Job]:
    definition = config["dataset_definitions"][dataset]
    channels, drawing = data.channels(definition), 0.0
    if data.is_downloaded(definition):
        yield Job("download_images")
    elif definition["source"] in ("phantom", "ct_phantom"):
        drawing = DRAWING
    pixels = sum(images.values()) * data.voxels(definition)
    # a byte per channel, and one of the lesion mask
    size = pixels * (channels + 1)
    if data.is_planted(definition):
        size += images["test"] * definition["size"] ** 2 * PLANTED
        drawing += DRAWING / 2  # decoys and renderings of the test images, parts of the others
        for _ in axes.of_dataset(config, dataset, "seeds"):
            yield Job("prepare_planted", seconds=costs.START + drawing * pixels, size=size)
    elif "finding_masks.npy" in data.files(definition):
        size += pixels * FINDINGS
        yield Job("prepare_findings", seconds=costs.START + drawing * pixels, size=size)
    else:
        yield Job("prepare_data", seconds=costs.START + drawing * pixels, size=size)
    if "subgroups" in definition:
        yield Job("list_subgroups")
    yield Job("draw_figures")
    yield Job("draw_examples")


def _model_jobs(
    plan: Plan, network: NetworkSpec, seed: int, images: Mapping[str, int]
) -> Iterator[Job]:
    config = plan.config
    name = f"{network.dataset}/{network.architecture}-{network.head}/seed{seed}"
    untrained = config["dataset_definitions"][network.dataset].get("control") == "untrained"
    trained = untrained or name in config["trained_weights"]
    training = 0 if trained else costs.training_seconds(plan, network, images)
    weights = 4 * plan.architecture(network).parameters
    yield Job(costs.TRAIN, name, "", costs.START + training, weights, device=True)
    for _ in maps.given(network.everything):
        yield from (Job("import_maps") for _ in plan.shards(EXPLAIN, network))
    on_maps = (EXPLAIN, *[TRUTH] * bool(plan.estimands(network)), *plan.metrics(network))
    for kind in (*on_maps, *[CANDIDATES] * bool(plan.asked_of_candidates(network))):
        size = _bytes_per_image(plan, network, kind)
        for shard in plan.shards(kind, network):
            start, stop = sharding.bounds(shard)
            seconds = costs.START + costs.job_seconds(plan, network, kind, stop - start)
            yield Job(kind, name, shard, seconds, size * (stop - start), device=True)


def _bytes_per_image(plan: Plan, network: NetworkSpec, kind: str) -> float:
    """Return what is left of an image, at most: maps and curves compress a little."""
    labels = data.labels_per_image(plan.config["dataset_definitions"][network.dataset])
    if kind == EXPLAIN:
        cells = network.cells**2 * max(1, network.slices)
        maps = len(network.everything) * costs.scores_explained(network)
        return labels * maps * (4 * cells + SCORE)
    if kind == CANDIDATES:
        metrics = plan.asked_of_candidates(network)
        asked = sum(len(plan.evaluations_of_candidates(name, network)) for name in metrics)
        return SCORE * asked * plan.candidates(network)
    if kind == TRUTH:  # the values and both halves
        return labels * len(plan.estimands(network)) * 3 * 8 * network.cells**2
    rows = sum(len(evaluation.methods) for evaluation in plan.evaluations(kind, network))
    return labels * (SCORE * rows + METRICS[kind].further_bytes(plan.config, network))


def measured(jobs: Iterable[Job], config: Config, folder: Path) -> dict[str, list[float]]:
    """Return how many times as long as planned the jobs took that have run, by rule.

    On a GPU the elapsed time counts, else processor time: jobs may have shared the cores.

    Args:
        jobs: of the plan.
        config: the experiment's.
        folder: of the experiment's run times, as Snakemake's ``benchmark:`` writes them.
    """
    column, units = ("s", 1) if config["device"] == "cuda" else ("cpu_time", config["threads"])
    ratios: dict[str, list[float]] = {}
    for job in jobs:
        file = folder / job.rule / job.model / f"{job.shard}.tsv"
        if not job.shard:
            file = (folder / job.rule / job.model).with_suffix(".tsv")
        if job.model and file.is_file():
            with file.open(encoding="utf-8", newline="") as lines:
                (row, *_) = csv.DictReader(lines, delimiter="\t")
            if row[column] not in ("NA", "-"):  # too short for Snakemake to see
                ratios.setdefault(job.rule, []).append(float(row[column]) / units / job.seconds)
    return ratios


def table(jobs: Iterable[Job], config: Config, ratios: Mapping[str, list[float]]) -> str:
    """Return the plan as text.

    Args:
        jobs: of the plan.
        config: the experiment's.
        ratios: what :func:`measured` returned; the plan's times are multiplied by their medians.
    """
    rules: dict[str, list[Job]] = {}
    for job in jobs:
        rules.setdefault(REST if job.rule in SMALL else job.rule, []).append(job)
    wide = max(20, *map(len, rules)) + 1
    lines = [f"{'job':<{wide}}{'jobs':>7}{'minutes each':>17}{'hours':>10}{'disk, MB':>11}"]
    hours, notes = {"GPU": 0.0, "CPU core": 0.0}, []
    for rule, planned in rules.items():
        factor = statistics.median(ratios[rule]) if rule in ratios else 1
        minutes = [factor * job.seconds / 60 for job in planned]
        on = "GPU" if planned[0].device and config["device"] == "cuda" else "CPU core"
        spent = sum(minutes) / 60 * (1 if on == "GPU" else config["threads"])
        hours[on] += spent
        span = _span(min(minutes), max(minutes))
        size = sum(job.size for job in planned) / 1e6
        lines.append(f"{rule:<{wide}}{len(planned):>7,}{span:>17}{spent:>10,.2f}{size:>11,.1f}")
        if planned[0].shard and max(minutes) > LONGEST:
            notes.append(
                f"{rule} takes more than {LONGEST} minutes a job: lower images_per_job.{rule}, or "
                "batch_size where a job is one batch"
            )
        if rule in ratios:
            notes.append(f"{rule}: {factor:.2f} times the built-in cost, as {len(ratios[rule])} "
                         "jobs here took")  # fmt: skip
    count = sum(map(len, rules.values()))
    total = sum(job.size for planned in rules.values() for job in planned) / 1e6
    lines.append(f"{'all':<{wide}}{count:>7,}{'':>17}{sum(hours.values()):>10,.2f}{total:>11,.1f}")
    seconds = max(job.seconds for planned in rules.values() for job in planned)
    limit = costs.limit_minutes(seconds)
    notes.append(f"longest time limit that a network's job asks for at first: {limit} minutes")
    lines += ["", ", ".join(f"{unit} hours: {n:,.2f}" for unit, n in hours.items() if n), *notes]
    return "\n".join(lines)


def _span(shortest: float, longest: float) -> str:
    """Return how many minutes jobs take, in a few letters."""
    if longest < 1:
        return "under a minute"
    low, high = (f"{minutes:.0f}" for minutes in (shortest, longest))
    if low == high:
        return f"about {high}"
    return f"up to {high}" if shortest < 1 else f"{low} to {high}"


def main(files: list[str]) -> int:
    """Print the plan of an experiment: the command behind ``make plan``.

    Args:
        files: config files, each merged over those before.

    Returns:
        The exit code.
    """
    try:
        config = experiment.read(files)
        plugins.use(config)
        experiment.validate(config, SCHEMA)
        notes = [*axes.unused_metrics(config), *prepare.left_out(config)]
        unscored = unscored_maps(config)
        planned = list(jobs(Plan(config)))
    except FaithcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    folder = Path(config["results"]) / "runtime"
    ratios = measured(planned, config, folder)
    print(table(planned, config, ratios))
    for text in notes:
        print(f"not in the plan: {text}")
    for text in unscored:
        print(text)
    if config["device"] == "cuda" and not ratios:
        print(
            "GPU times are assumed, not measured: run a part (`seeds: [0]` in a config file) and "
            "plan again"
        )
    if config["device"] == "auto":
        print("device: auto is planned on the CPU; a cluster needs cuda or cpu in the config file")
    print("times are for all epochs of a training and cores like those in docs/cluster.md")
    return 0
