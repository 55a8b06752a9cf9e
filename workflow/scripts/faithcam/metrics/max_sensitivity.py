"""Max-Sensitivity: how much a map can change when the image is moved a little.

It measures stability, not faithfulness. Source: arXiv 1901.09392, eq. 8.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.explain import Explainable
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Config, Model
from faithcam.metrics.radii import thesis_radius
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.target import Target
from faithcam.metrics.sensitivity import Sensitivity, moved
from faithcam.views import View, statuses


def passes(config: Config, model: Model) -> int:
    """Return the forward passes per image: one per noisy image and one per protocol.

    All methods share them. The strict protocol has a second stream at its primary radius.
    """
    settings, count = config["max_sensitivity"], 0
    if "thesis" in config["protocols"]:
        count += sum(settings["thesis"]["samples"]) + 1
    if "strict" in config["protocols"]:
        strict = settings["strict"]
        count += strict["samples"] * (len(strict["radii"]) + 1) + 1
    return count


def primary(config: Config) -> str:
    """Return the primary setting: relative, at the primary radius."""
    strict = config["max_sensitivity"]["strict"]
    return tables.setting(
        radius=float(strict["primary_radius"]),
        samples=strict["samples"],
        stream=0,
        version="relative",
    )


METRIC = Metric(
    "Max-Sensitivity",
    larger_is_better=False,
    source="arXiv 1901.09392",
    range=(0, float("inf")),
    passes=passes,
    primary=primary,
    maps="own",
    needs=("protocols",),
    volumes=True,
    several_labels=True,
)


@torch.no_grad()
def max_sensitivity(
    model: Explainable,
    images: Tensor,
    classes: Tensor,
    methods: Sequence[str],
    radius: float,
    unit_noise: Tensor | Iterable[Tensor],
    view: View = "scaled",
    *,
    clip: bool = False,
    target: Target = "logit",
) -> dict[str, dict[str, Tensor]]:
    """Return max_s norm2(view(x + r u_s) - view(x)) of every method.

    Args:
        model: see :class:`Sensitivity`, as the other arguments not named here.
        images: see there.
        classes: see there.
        methods: see there.
        radius: r.
        unit_noise: u_s in [-1, 1]: the samples in the second dimension of one tensor, e.g. (N,
            samples, C, H, W), or tensors like the images, one at a time.
        view: see there.
        clip: whether x + r u_s is clipped to [-1, 1].
        target: see there.

    Returns:
        For each method, (N,) float64 each: ``absolute``; ``relative``, divided by norm2(view(x)),
        NaN if that is 0; ``rank``, max_s (1 - Spearman), for the signed view only; ``flips``, the
        share of samples that change the prediction (the same for all methods).

    Raises:
        ValueError: if the view is unknown, there is no sample, or one has not the images' shape.
    """
    samples = list(unit_noise.unbind(1)) if isinstance(unit_noise, Tensor) else unit_noise
    sensitivity = Sensitivity(model, images, classes, methods, view, [target])
    count = 0
    for noise in samples:
        if noise.shape != images.shape:
            raise ValueError(
                f"unit_noise: a sample of shape {tuple(noise.shape)} found, expected "
                f"{tuple(images.shape)}"
            )
        sensitivity.add("", moved(images, radius, noise, clip=clip), {target: methods})
        count += 1
    if not count:
        raise ValueError("unit_noise: no sample found, expected at least one")
    return sensitivity.found("", target)


def _score_thesis(
    shard: Shard,
    batch: Batch,
    methods: list[str],
    controls: list[str],
    settings: dict[str, Any],
    rows: ScoreRows,
) -> None:
    images, thesis = batch.images, settings["thesis"]
    shape, everything = tuple(images.shape[1:]), [*methods, *controls]
    sensitivity = Sensitivity(
        shard.model,
        images,
        batch.labels,
        everything,
        "scaled",
        ["logit"],
        shard.given(batch, everything),
        several=shard.several,
    )
    for radius, samples in zip(thesis["radii"], thesis["samples"], strict=True):
        run = str(radius)
        compared: dict[Target, list[str]] = {
            "logit": everything if radius == thesis_radius(settings) else methods
        }
        for draw in range(samples):
            noise = shard.noise(batch, f"max_sensitivity thesis {radius}", draw, shape)
            sensitivity.add(run, moved(images, radius, noise, clip=False), compared)
        setting = tables.setting(radius=float(radius), samples=samples, version="absolute")
        for method, values in sensitivity.found(run, "logit").items():
            status = statuses(sensitivity.raw["logit"][method], "scaled")
            rows.add(batch, "thesis", setting, method, values["absolute"], status)


def _score_strict(
    shard: Shard,
    batch: Batch,
    methods: list[str],
    controls: list[str],
    settings: dict[str, Any],
    rows: ScoreRows,
) -> None:
    images, samples, primary = batch.images, settings["samples"], settings["primary_radius"]
    shape, everything = tuple(images.shape[1:]), [*methods, *controls]
    # of one label the raw logit too: what the gauge changes
    targets: list[Target] = ["logit"] if shard.several else ["centred", "logit"]
    main, *others = targets
    compared: dict[tuple[int, float], dict[Target, list[str]]] = {
        (0, r): {main: methods} for r in settings["radii"]
    }
    compared[0, primary], compared[1, primary] = {main: everything}, {main: everything}
    compared[0, primary] |= dict.fromkeys(others, methods)
    sensitivity = Sensitivity(
        shard.model,
        images,
        batch.predicted,
        everything,
        "signed",
        targets,
        shard.given(batch, everything),
        several=shard.several,
    )
    for draw in range(samples):
        # all radii of a stream move the images in the same direction
        noise = {
            stream: shard.noise(batch, f"max_sensitivity strict {stream}", draw, shape)
            for stream in (0, 1)
        }
        for (stream, radius), explained in compared.items():
            noisy = moved(images, radius, noise[stream], clip=True)
            sensitivity.add(f"{stream} {radius}", noisy, explained)
    for (stream, radius), explained in compared.items():
        facts: dict[str, object] = {"radius": float(radius), "samples": samples, "stream": stream}
        for target in explained:
            gauge = {"gauge": "logit"} if target != main else {}
            found = sensitivity.found(f"{stream} {radius}", target)
            for method, versions in found.items():
                status = statuses(sensitivity.raw[target][method], "signed")
                for version in ("absolute", "relative", "rank"):
                    setting = tables.setting(**facts, **gauge, version=version)
                    rows.add(batch, "strict", setting, method, versions[version], status)
        flips = next(iter(found.values()))["flips"]
        setting = tables.setting(**facts, version="flips")
        rows.add(batch, "strict", setting, "prediction", flips, ["ok"] * len(flips))


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score the methods of a shard that depend on the image, in the chosen protocols.

    Args:
        shard: the model and its images.
        maps: names the methods that explain the network, controls among them.
        settings: the config's ``protocols`` and ``max_sensitivity``, and ``controls``: those of the
            methods that are scored at the primary radius alone.
    """
    own, protocols = settings["max_sensitivity"], settings["protocols"]
    main = [name for name in maps.methods if name not in settings["controls"]]
    more = [name for name in maps.methods if name in settings["controls"]]
    rows = ScoreRows(shard, "max_sensitivity")
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        if "thesis" in protocols:
            _score_thesis(shard, batch, main, more, own, rows)
        if "strict" in protocols:
            _score_strict(shard, batch, main, more, own["strict"], rows)
    return rows.table()
