"""What an experiment will take, before it is run: jobs, hours and disk (``make plan``)."""

import csv
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from faithcam import config as experiment
from faithcam import costs, judged, sharding
from faithcam.cams import registry as cams
from faithcam.data import definitions as data
from faithcam.errors import FaithcamError
from faithcam.metrics import registry as metrics
from faithcam.metrics.planning import (
    Config,
    Model,
    aopc_curves,
    cells_of,
    several_labels,
    slices_of,
)
from faithcam.models import registry as models

AGGREGATES = (
    *("evaluate_models", "collect_checks", "collect_completeness", "collect_scores"),
    *("collect_curves", "compare_methods", "judge_metrics", "record_provenance", "write_report"),
)
SMALL = (
    *(*AGGREGATES, "download_images", "download_weights", "draw_figures", "draw_examples"),
    *("draw_validity", "draw_verdicts", "collect_gold", "draw_gold", "collect_cases"),
)
REST = "the rest"
DRAWING = 1.5e-6  # seconds per pixel of a simulated radiograph, measured
FINDINGS = 4  # bytes per voxel of simulated CT: masks of each finding
PLANTED = 29  # bytes per pixel of a test image: masks and renderings, at most
SCORE = 6  # bytes of a score in a compressed table, measured
# scores per image, measured
ROWS = {
    **{"dose_response": 83, "damage_ladder": 600, "convergence": 110, "multiverse": 260},
    "patch_net": 32,
}
SCHEMA = Path(__file__).with_name("config.schema.yaml")  # a link to workflow/schemas
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


def jobs(config: Config) -> Iterator[Job]:
    """Yield the jobs of a whole experiment, whether or not their results are there."""
    networks = experiment.planned(config)
    for dataset in config["datasets"]:
        yield from _data_jobs(config, dataset)
    if config["training"]["pretrained"]:
        for architecture in dict.fromkeys(architecture for _, architecture, _, _ in networks):
            yield Job("download_weights", size=4 * models.ARCHITECTURES[architecture].parameters)
    for dataset, architecture, head, seed in networks:
        yield from _model_jobs(config, Model(dataset, architecture, head), seed)
    for rule in AGGREGATES:
        yield Job(rule)
    with_controls = [name for name in config["datasets"] if judged.is_judged(config, name)]
    for _ in with_controls:
        yield Job("draw_validity")
    if len(with_controls) > 1:
        yield Job("draw_verdicts")
    if any(judged.has_gold(config, name) for name in config["datasets"]):
        yield from (Job("collect_gold"), Job("draw_gold"))
    if config["report"]["cases"]:
        yield Job("collect_cases")


def _data_jobs(config: Config, dataset: str) -> Iterator[Job]:
    definition = config["dataset_definitions"][dataset]
    channels, drawing = data.channels(definition), 0.0
    if data.is_downloaded(definition):
        yield Job("download_images")
    elif definition["source"] in ("phantom", "ct_phantom"):
        drawing = DRAWING
    images = costs.split_images(config, dataset) or {}
    pixels = sum(images.values()) * data.voxels(definition)
    # a byte per channel, and one of the lesion mask
    size = pixels * (channels + 1)
    if experiment.is_drawn_per_seed(definition):
        size += images["test"] * definition["size"] ** 2 * PLANTED
        drawing += DRAWING / 2  # decoys and renderings of the test images, parts of the others
        for _ in experiment.own(config, dataset, "seeds"):
            yield Job("prepare_planted", seconds=costs.START + drawing * pixels, size=size)
    elif "finding_masks.npy" in data.files(definition):
        size += pixels * FINDINGS
        yield Job("prepare_findings", seconds=costs.START + drawing * pixels, size=size)
    else:
        yield Job("prepare_data", seconds=costs.START + drawing * pixels, size=size)
    yield Job("draw_figures")
    yield Job("draw_examples")


def _model_jobs(config: Config, model: Model, seed: int) -> Iterator[Job]:
    name = f"{model.dataset}/{model.architecture}-{model.head}/seed{seed}"
    images = costs.split_images(config, model.dataset)
    untrained = config["dataset_definitions"][model.dataset].get("control") == "untrained"
    trained = untrained or name in config["trained_weights"]
    training = costs.train_seconds(config, model, images) if images and not trained else 0
    weights = 4 * models.ARCHITECTURES[model.architecture].parameters
    yield Job("train", name, "", costs.START + training, weights, device=True)
    measured = metrics.supported(config, model.dataset, model.architecture, model.head)
    for kind in ("explain", *measured):
        size = _bytes_per_image(config, model, kind)
        for shard in costs.shards(config, model, kind):
            start, stop = sharding.bounds(shard)
            seconds = costs.START + costs.shard_seconds(config, model, kind, stop - start)
            yield Job(kind, name, shard, seconds, size * (stop - start), device=True)


def _bytes_per_image(config: Config, model: Model, kind: str) -> float:
    """Return what is left of an image, at most: maps and curves compress a little."""
    labels = data.labels_per_image(config["dataset_definitions"][model.dataset])
    return labels * _bytes_per_label(config, model, kind)


def _bytes_per_label(config: Config, model: Model, kind: str) -> float:
    """Return the same of each label that is explained; of one per image that of the image."""
    methods, controls = (
        len(cams.supported(config[key], model.head)) for key in ("methods", "controls")
    )
    if kind == "explain":
        cells = cells_of(config, model) * max(1, slices_of(config, model))
        scores = 1 if several_labels(config, model) else costs.EXPLAINED
        return (methods + controls) * scores * (4 * cells + SCORE)
    if kind == "max_sensitivity":
        settings = config["max_sensitivity"]
        runs = len(settings["thesis"]["radii"]) + 3 * (len(settings["strict"]["radii"]) + 2)
        return SCORE * (runs * methods + 7 * controls)
    if kind == "haas":
        return SCORE * (7 * methods + 3 * controls)
    if kind != "aopc":
        return SCORE * ROWS.get(kind, metrics.METRICS[kind].rows * (methods + controls))
    lines = {True: methods, False: 2 * (2 * methods + 1)}  # strict: two outputs, MoRF and LeRF
    curves = aopc_curves(config, model)
    scores = SCORE * 7 * controls
    return scores + sum(
        4 * lines[curve.thesis] * (curve.regions * curve.layers + 1) for curve in curves
    )


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
    lines = [f"{'job':<21}{'jobs':>7}{'minutes each':>17}{'hours':>10}{'disk, MB':>11}"]
    hours, notes = {"GPU": 0.0, "CPU core": 0.0}, []
    for rule, planned in rules.items():
        factor = statistics.median(ratios[rule]) if rule in ratios else 1
        minutes = [factor * job.seconds / 60 for job in planned]
        on = "GPU" if planned[0].device and config["device"] == "cuda" else "CPU core"
        spent = sum(minutes) / 60 * (1 if on == "GPU" else config["threads"])
        hours[on] += spent
        span = f"{min(minutes):.1f} to {max(minutes):.1f}"
        size = sum(job.size for job in planned) / 1e6
        lines.append(f"{rule:<21}{len(planned):>7,}{span:>17}{spent:>10,.2f}{size:>11,.1f}")
        if planned[0].shard and max(minutes) > LONGEST:
            notes.append(
                f"{rule} takes more than {LONGEST} minutes a job: lower shard_minutes, or "
                "batch_size where a job is one batch"
            )
        if rule in ratios:
            notes.append(f"{rule}: {factor:.2f} times the built-in cost, as {len(ratios[rule])} "
                         "jobs here took")  # fmt: skip
    count = sum(map(len, rules.values()))
    total = sum(job.size for planned in rules.values() for job in planned) / 1e6
    lines.append(f"{'all':<21}{count:>7,}{'':>17}{sum(hours.values()):>10,.2f}{total:>11,.1f}")
    seconds = max(job.seconds for planned in rules.values() for job in planned)
    limit = costs.limit_minutes(seconds)
    notes.append(f"longest time limit that a network's job asks for at first: {limit} minutes")
    lines += ["", ", ".join(f"{unit} hours: {n:,.2f}" for unit, n in hours.items() if n), *notes]
    return "\n".join(lines)


def main(files: list[str]) -> int:
    """Print the plan of an experiment: the command behind ``make plan``.

    Args:
        files: config files, each merged over those before.

    Returns:
        The exit code.
    """
    try:
        config = experiment.read(files)
        experiment.validate(config, SCHEMA)
    except FaithcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    planned = list(jobs(config))
    folder = Path(config["results"]) / "runtime"
    ratios = measured(planned, config, folder)
    print(table(planned, config, ratios))
    unknown = [d for d in config["datasets"] if costs.split_images(config, d) is None]
    if unknown:
        print(f"not in the plan: {', '.join(unknown)} on disk and the training on it: its images "
              "are not counted before they are prepared")  # fmt: skip
    for text in experiment.unused_metrics(config):
        print(f"not in the plan: {text}")
    if config["device"] == "cuda" and not ratios:
        print(
            "GPU times are assumed, not measured: run a part (`seeds: [0]` in a config file) and "
            "plan again"
        )
    if config["device"] == "auto":
        print("device: auto is planned on the CPU; a cluster needs cuda or cpu in the config file")
    print("times are for all epochs of a training and cores like those in docs/cluster.md")
    return 0
