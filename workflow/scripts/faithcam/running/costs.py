"""Costs of jobs, from the config alone: forward passes, seconds, time limits.

A job's time is its start, and the multiply-adds of its forward passes times the time that one
takes in such a job. Nothing here names a file or imports torch: the workflow asks while it reads
its rules.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from faithcam.data import definitions as data
from faithcam.experiment.evaluations import CANDIDATES, EXPLAIN, TRUTH, Plan
from faithcam.maps import registry as maps
from faithcam.metrics.accuracy.names import OCCLUSION, SHIFTED
from faithcam.metrics.evaluation import CLEAN, Passes, total_passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.registry import METRICS
from faithcam.truth.estimands import ESTIMANDS

TRAIN = "train"
# Seconds per 1e9 multiply-adds of one CPU core, and of a job's start: measured (docs/cluster.md).
# GPU: assumed to be as fast as 60 cores, not measured.
TRAINING, EXPLAINING, REMOVAL = 0.022, 0.1, 0.028
WHOLE_PASSES = 0.036  # of all other jobs
START = 3.0
SCORES = 4  # explained of an image of one label: predicted class and label, logit and centred
GPU_CORES = 60
# what a pass costs beside convolutions (noise, copies, ReLU), in multiply-adds per pixel
HANDLING = 1400
SLOWEST = 4  # a cluster's machine may be slower than ours, and the network less lucky
SHORTEST, LONGEST = 15, 24 * 60  # minutes that every job, and no job, may take


def passes(plan: Plan, network: NetworkSpec, kind: str) -> float:
    """Return the forward passes per image of a network's jobs of one kind, at most.

    A backward pass counts as two. With several labels per image they are those of a label.

    Args:
        plan: of the experiment.
        network: that is asked.
        kind: ``explain``, ``truth``, ``candidates``, or a metric.
    """
    if kind == TRUTH:
        return passes_of_truth(plan, network)
    if kind == EXPLAIN:  # for the maps, the checks, and those of the methods that need their own
        return 2 + network.passes_of_maps(network.everything, scores_explained(network))
    if kind == CANDIDATES:
        asked = plan.asked_of_candidates(network)
        return sum(_passes_of_candidates(plan, network, metric) for metric in asked)
    return total_passes(plan.evaluations(kind, network))


def _passes_of_candidates(plan: Plan, network: NetworkSpec, metric: str) -> float:
    """Return the passes per image that a metric makes of candidates, at most.

    Each evaluation is asked as much about a candidate as, on average, about one of its maps.
    """
    if "truth" in METRICS[metric].needs:
        return CLEAN.count
    shared: dict[Passes, float] = {}
    for evaluation in plan.evaluations_of_candidates(metric, network):
        names = {network.map_of(m) if m in maps.METHODS else m for m in evaluation.methods}
        for passes in evaluation.passes:
            shared[passes] = max(shared.get(passes, 0), passes.count / len(names))
    return plan.candidates(network) * sum(shared.values())


def passes_once(plan: Plan, network: NetworkSpec, kind: str) -> float:
    """Return the passes that a job makes once, over the training split."""
    if kind == TRUTH:
        named = {"features", *(["background"] if plan.is_additive(network) else [])}
        training = (split_images(plan.config, network.dataset) or {"train": 0})["train"]
        return training * bool(named & set(plan.estimands(network)))
    if kind == EXPLAIN:
        return network.passes_of_mean(network.everything)
    if kind == CANDIDATES:
        return 0
    return total_passes(plan.evaluations(kind, network), once=True)


def passes_of_truth(plan: Plan, network: NetworkSpec, named: Sequence[str] | None = None) -> float:
    """Return the passes per image for what cells contribute, if no image stops before the cap.

    A step of a removal is a pass; where contributions are exact, one pair of permutations checks
    the engine.

    Args:
        plan: of the experiment.
        network: that is asked.
        named: estimands; None for all that are computed.
    """
    named = plan.estimands(network) if named is None else named
    asked = [ESTIMANDS[name] for name in named if ESTIMANDS[name].space == "pixels"]
    cap, cells = plan.config["truth"]["permutations"], network.cells**2
    total = float(bool(named))  # the image itself
    if network.has_renderings and named:
        total += 4 if network.task == "shortcut" else 3  # without each part, and with all
    for estimand in asked:
        if not plan.is_additive(network):
            total += cap * (cells + 1) + (cap if estimand.drawn else 1)
            continue
        exact = estimand.reference == "background"
        total += 2 * (cells + 2) + (0 if exact else cap if estimand.drawn else 1)
    return total


def passes_of_maps(plan: Plan, network: NetworkSpec) -> dict[str, float]:
    """Return the passes per image of the map of one score, per row of agreement with the truth.

    A map that asks the network nothing takes none. Left out is the mean truth of other images, and
    what is made once for all images.
    """
    totals: dict[str, float] = {}
    for evaluation in plan.evaluations("truth_agreement", network):
        occluded = {f"{OCCLUSION}{p.of[1]}": p.count for p in evaluation.passes}
        totals |= {name: CLEAN.count + count for name, count in occluded.items()}
        for name in evaluation.methods:
            method = SHIFTED.get(name, name)
            if method in maps.METHODS:
                asks = {"activations", "gradients", "scores"} & maps.needs([method])
                own = network.passes_of_maps([method])
                totals[name] = float(own + (CLEAN.count if asks else 0))
    return totals


def of_networks(plan: Plan, dataset: str) -> dict[str, dict[str, Any]]:
    """Return what figures say of each architecture, with a Flatten head if there is one.

    Returns:
        ``additive`` (:meth:`Plan.is_additive`), ``passes`` (:func:`passes_of_maps`), ``truth``
        (:func:`passes_of_truth` of the first estimand) and ``field``, the receptive field in
        pixels, by architecture.
    """
    facts = {}
    for network in sorted(plan.networks, key=lambda network: network.head, reverse=True):
        if network.dataset == dataset and "truth_agreement" in plan.metrics(network):
            facts[network.architecture] = {
                "additive": plan.is_additive(network),
                "passes": passes_of_maps(plan, network),
                "truth": passes_of_truth(plan, network, plan.estimands(network)[:1]),
                "field": plan.architecture(network).field,
            }
    return facts


def scores_explained(network: NetworkSpec) -> int:
    """Return how many scores of an image, or of each of its labels, are explained."""
    return 1 if network.multi_label else SCORES


def _seconds(
    plan: Plan, network: NetworkSpec, count: float, rate: float, more: float = 0, share: float = 1
) -> float:
    config, spec = plan.config, plan.architecture(network)
    voxels = network.size**2 * max(1, network.slices)
    work = count * (spec.multiply_adds + HANDLING + more) * voxels * share
    cores = GPU_CORES if config["device"] == "cuda" else config["threads"]
    return float(work / 1e9 * rate / cores)


def job_seconds(plan: Plan, network: NetworkSpec, kind: str, images: int) -> float:
    """Return how long a job on ``images`` images takes, without its start."""
    labels = data.labels_per_image(plan.config["dataset_definitions"][network.dataset])
    count = images * labels * passes(plan, network, kind) + passes_once(plan, network, kind)
    windows = plan.architecture(network).windows
    if kind == EXPLAIN:
        removing = [n for n in maps.known(network.everything) if maps.METHODS[n].removes]
        removed = images * labels * network.passes_of_maps(removing, scores_explained(network))
        steps = _seconds(plan, network, removed, REMOVAL, share=windows)
        return steps + _seconds(plan, network, count - removed, EXPLAINING)
    if kind == TRUTH:
        return _seconds(plan, network, count, REMOVAL, share=windows)
    if kind == CANDIDATES:
        asked = plan.asked_of_candidates(network)
        each = {m: images * labels * _passes_of_candidates(plan, network, m) for m in asked}
        return sum(_metric_seconds(plan, network, m, count) for m, count in each.items())
    return _metric_seconds(plan, network, kind, count)


def _metric_seconds(plan: Plan, network: NetworkSpec, name: str, count: float) -> float:
    metric = METRICS[name]
    more = metric.handling(plan.config, network)
    if not metric.removes:
        return _seconds(plan, network, count, WHOLE_PASSES, more)
    windows = plan.architecture(network).windows
    return _seconds(plan, network, count, REMOVAL, more, windows)


def split_images(config: Mapping[str, Any], dataset: str) -> dict[str, int] | None:
    """Return a data set's number of images by split; None where only preparing it can tell."""
    return data.split_images(config["dataset_definitions"][dataset])


def training_seconds(plan: Plan, network: NetworkSpec, images: Mapping[str, int]) -> float:
    """Return how long all epochs of a training take; it may stop before.

    Args:
        plan: of the experiment.
        network: that is trained.
        images: how many images there are, by split.
    """
    epochs = plan.config["training"]["epochs"]
    # a step's backward pass costs two forward passes
    count = epochs * (3 * images["train"] + images["val"]) + images["test"]
    return _seconds(plan, network, count, TRAINING)


def limit_minutes(seconds: float, attempt: int = 1) -> int:
    """Return the time limit of a job that should take some seconds, its start not counted.

    Every attempt gets more, up to a day: partitions refuse longer jobs, and a training goes on from
    its last epoch.
    """
    minutes = max(SHORTEST, math.ceil(SLOWEST * (seconds + START) / 60))
    return min(attempt * minutes, LONGEST)
