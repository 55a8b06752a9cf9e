"""AOPC: how fast the class score falls when regions are removed in the order of a map.

Source: arXiv 1509.06321, eq. 12; the two protocols are described in the README.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

import pyarrow as pa
import torch
from scipy import ndimage
from torch import Tensor, nn

from faithcam import tables
from faithcam.checks import Check, Outcomes
from faithcam.metrics.removal import (
    grid,
    order_of,
    region_means,
    region_values,
    removal_logits,
    tied_share,
)
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.views import scaled, statuses

Output = Literal["probability", "logit"]
OUTPUTS: tuple[Output, ...] = ("probability", "logit")


def drops(logits: Tensor, classes: Tensor, output: Output) -> Tensor:
    """Return f(x0) - f(xk) in float64: (N, L + 1, classes) logits -> (N, L + 1).

    ``probability``: f is the softmax of the class. ``logit``: the centred logit y_c - mean_j y_j.
    """
    logits = logits.double()
    scores = logits.softmax(2) if output == "probability" else logits - logits.mean(2, keepdim=True)
    chosen = scores.gather(2, classes[:, None, None].expand(-1, logits.shape[1], 1))[:, :, 0]
    return chosen[:, :1] - chosen


def score(curve: Tensor, fraction: float = 1.0) -> Tensor:
    """Return AOPC: the mean of the drops of steps 0 .. ceil(fraction L): (N, L + 1) -> (N,)."""
    regions = curve.shape[1] - 1
    # the small number keeps 0.1 * 30 = 3.0000000000000004 from being rounded up to 4
    steps = -int(-(fraction * regions - 1e-9) // 1)
    return curve[:, : steps + 1].mean(1)


def perturbation_drops(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    maps: Tensor,
    region: int,
    replacement: Tensor,
) -> Tensor:
    """Return the drops of the class probability, thesis protocol (MoRF, raster order of ties).

    Args:
        model: images -> logits, in eval mode.
        images: (N, C, H, W) in [-1, 1].
        classes: index of the class whose probability is followed, (N,).
        maps: at image resolution, (N, H, W).
        region: side of the square regions in pixels.
        replacement: pixels to put in place of removed ones, (N, C, H, W).

    Returns:
        f(x0) - f(xk) for k = 0 .. L, (N, L + 1) float64; AOPC is its mean over k.

    Raises:
        ValueError: if the region is larger than the images or a shape does not fit.
    """
    if maps.shape != images[:, 0].shape or replacement.shape != images.shape:
        raise ValueError(
            f"images {tuple(images.shape)}, maps {tuple(maps.shape)} and replacement "
            f"{tuple(replacement.shape)} do not fit: expected (N, C, H, W), (N, H, W), (N, C, H, W)"
        )
    order = order_of(region_means(maps, region, "zeros"))
    rows, columns = grid((images.shape[2], images.shape[3]), region)
    logits = removal_logits(model, images, order, rows, columns, replacement)
    return drops(logits, classes, "probability")


def abpc(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    regions: tuple[Tensor, Tensor],
    replacement: Tensor,
    values: Tensor,
) -> Tensor:
    """Return ABPC = AOPC(MoRF) - AOPC(LeRF) of the class probability, raster order of ties.

    Args:
        model: images -> logits.
        images: (N, C, H, W).
        classes: class whose probability is followed, (N,).
        regions: rows and columns from :func:`faithcam.metrics.removal.grid`.
        replacement: (N, C, H, W).
        values: relevance of each region, (N, L).

    Returns:
        (N,) float64; changes its sign with the values, where no two of them are equal.
    """
    order = order_of(values)
    morf, lerf = (
        score(
            drops(removal_logits(model, images, o, *regions, replacement), classes, "probability")
        )
        for o in (order, order.flip(1))
    )
    return morf - lerf


class Rows:
    """Scores and per-image curves of a shard."""

    def __init__(self, shard: Shard) -> None:
        self.scores = ScoreRows(shard, "aopc")
        self._identity = asdict(shard.identity)
        self.curves: dict[str, list[object]] = {name: [] for name in tables.IMAGE_CURVES.names}

    def add(
        self,
        batch: Batch,
        protocol: str,
        setting: str,
        method: str,
        curve: Tensor,
        status: list[str],
    ) -> None:
        """Add a curve (B, L + 1) per image, and its AOPC."""
        self.scores.add(batch, protocol, setting, method, score(curve), status)
        correct = (batch.labels == batch.predicted).tolist()
        steps = curve.float().cpu().numpy()
        for row in range(batch.count):
            for name, entry in {
                **self._identity,
                "protocol": protocol,
                "setting": setting,
                "method": method,
                "image_id": batch.image_ids[row],
                "correct": correct[row],
                "status": status[row],
                "drop": steps[row],
            }.items():
                self.curves[name].append(entry)

    def add_strict(
        self,
        batch: Batch,
        facts: dict[str, object],
        method: str,
        morf: dict[Output, Tensor],
        lerf: dict[Output, Tensor] | None,
        status: list[str],
        settings: dict[str, Any],
    ) -> None:
        """Add all scores of one method, region, imputer and stream."""
        for output in OUTPUTS:
            base: dict[str, object] = {**facts, "output": output}
            if facts["stream"] != 0:
                setting = tables.setting(**base, order="morf")
                values = score(morf[output])
                self.scores.add(batch, "strict", setting, method, values, status)
                continue
            self.add(
                batch, "strict", tables.setting(**base, order="morf"), method, morf[output], status
            )
            for fraction in settings["fractions"]:
                setting = tables.setting(**base, order="morf", fraction=fraction)
                values = score(morf[output], fraction)
                self.scores.add(batch, "strict", setting, method, values, status)
            if lerf is not None:
                setting = tables.setting(**base, order="lerf")
                self.add(batch, "strict", setting, method, lerf[output], status)
                difference = score(morf[output]) - score(lerf[output])
                setting = tables.setting(**base, order="abpc")
                self.scores.add(batch, "strict", setting, method, difference, status)


def _replacements(
    shard: Shard, batch: Batch, imputer: str, stream: int, draws: int
) -> Iterator[Tensor]:
    """Yield what the strict protocol puts in place of removed pixels: (B, 3, H, W) per draw."""
    images = batch.images
    if imputer == "mean":
        yield images.mean((2, 3), keepdim=True).expand_as(images)
    elif imputer == "blur":
        sigma = images.shape[2] / 16
        smooth = ndimage.gaussian_filter(images.cpu().numpy(), sigma, axes=(2, 3), mode="nearest")
        yield torch.from_numpy(smooth).to(images.device)
    else:
        shape = (shard.dataset.channels, *images.shape[2:])
        for draw in range(draws):
            noise = shard.streams.uniform(batch.image_ids, f"aopc strict {stream}", draw, shape)
            yield (noise * 2 - 1).to(images.device).expand_as(images)


def _score_thesis(
    shard: Shard, maps: ShardMaps, batch: Batch, regions: list[int], rows: Rows
) -> None:
    images = batch.images
    size = (images.shape[2], images.shape[3])
    noise = shard.streams.uniform(batch.image_ids, "aopc thesis", 0, tuple(images.shape[1:]))
    low = images.amin((1, 2, 3), keepdim=True)
    high = images.amax((1, 2, 3), keepdim=True)
    replacement = noise.to(images.device) * (high - low) + low
    for method in maps.methods:
        raw = maps.of(batch, method, "predicted", "logit")
        view = scaled(raw, size)
        for region in regions:
            curve = perturbation_drops(
                shard.model, images, batch.predicted, view, region, replacement
            )
            setting = tables.setting(
                draws=1, imputer="noise", order="morf", output="probability", region=region
            )
            rows.add(batch, "thesis", setting, method, curve, statuses(raw, "scaled"))


def _mean_drops(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    regions: tuple[Tensor, Tensor],
    replacements: list[Tensor],
    order: Tensor,
) -> dict[Output, Tensor]:
    """Return each output's drops, averaged over the replacements: (B, L + 1)."""
    logits = [removal_logits(model, images, order, *regions, r) for r in replacements]
    return {
        output: torch.stack([drops(part, classes, output) for part in logits]).mean(0)
        for output in OUTPUTS
    }


def _score_strict(
    shard: Shard,
    maps: ShardMaps,
    batch: Batch,
    settings: dict[str, Any],
    rows: Rows,
) -> None:
    images = batch.images
    size = (images.shape[2], images.shape[3])
    raw = {m: maps.of(batch, m, "predicted", "centred") for m in maps.methods}
    status = {m: statuses(x, "signed") for m, x in raw.items()}
    cells = next(iter(raw.values())).shape[1:]
    for region, name in strict_regions(settings["regions"], (cells[0], cells[1]), size):
        row_index, column_index = grid(size, region)
        values = {m: region_values(x, region, size) for m, x in raw.items()}
        count = next(iter(values.values())).shape[1]
        keys = {
            purpose: shard.streams.uniform(batch.image_ids, f"aopc {purpose}", 0, (count,)).to(
                images.device
            )
            for purpose in ("ties", "random order")
        }
        orders = {m: order_of(v, keys["ties"]) for m, v in values.items()}
        for method, value in values.items():
            tied = tables.setting(output="tied_share", region=name)
            rows.scores.add(batch, "strict", tied, method, tied_share(value), status[method])
        primary_region = name == str(settings["regions"][0])
        for imputer in settings["imputers"]:
            primary = primary_region and imputer == settings["imputers"][0]
            for stream in (0, 1) if primary and imputer == "noise" else (0,):
                draws = settings["draws"] if imputer == "noise" else 1
                curves = partial(
                    _mean_drops,
                    shard.model,
                    images,
                    batch.predicted,
                    (row_index, column_index),
                    list(_replacements(shard, batch, imputer, stream, draws)),
                )
                facts = {"draws": draws, "imputer": imputer, "region": name, "stream": stream}
                for method, order in orders.items():
                    morf = curves(order)
                    lerf = curves(order.flip(1)) if stream == 0 else None
                    rows.add_strict(batch, facts, method, morf, lerf, status[method], settings)
                if primary and stream == 0:
                    _score_logit_gauge(maps, batch, region, size, keys["ties"], curves, facts, rows)
                if stream == 0:
                    shuffled = curves(keys["random order"].argsort(dim=1, stable=True))
                    ok = ["ok"] * len(images)
                    rows.add_strict(batch, facts, "random_order", shuffled, None, ok, settings)


def _score_logit_gauge(
    maps: ShardMaps,
    batch: Batch,
    region: int | tuple[int, int],
    size: tuple[int, int],
    tie_keys: Tensor,
    curves: Callable[[Tensor], dict[Output, Tensor]],
    facts: dict[str, object],
    rows: Rows,
) -> None:
    """Score the maps of the logit y_c too, MoRF in the primary setting: what the gauge changes."""
    for method in maps.methods:
        raw = maps.of(batch, method, "predicted", "logit")
        morf = curves(order_of(region_values(raw, region, size), tie_keys))
        for output in OUTPUTS:
            setting = tables.setting(**facts, gauge="logit", order="morf", output=output)
            values = score(morf[output])
            rows.scores.add(batch, "strict", setting, method, values, statuses(raw, "signed"))


def strict_regions(
    regions: Sequence[int | str], cells: tuple[int, int], size: tuple[int, int]
) -> list[tuple[int | tuple[int, int], str]]:
    """Return the strict protocol's regions with their names; a px size that is the cell is skipped.

    Args:
        regions: px sizes or ``native``.
        cells: (h, w) of the maps.
        size: (H, W) of the images.
    """
    chosen: list[tuple[int | tuple[int, int], str]] = []
    for region in regions:
        if region == "native":
            chosen.append((cells, "native"))
        elif "native" not in regions or (region * cells[0], region * cells[1]) != size:
            chosen.append((int(region), str(region)))
    return chosen


def _check_reversal(shard: Shard, maps: ShardMaps, batch: Batch) -> Check:
    """Check ABPC(-m) = -ABPC(m) with a map of the batch; images with tied cells are left out."""
    images = batch.images
    method = "hirescam" if "hirescam" in maps.methods else maps.methods[0]
    raw = maps.of(batch, method, "predicted", "centred")
    values = raw.flatten(1)
    rows, columns = grid((images.shape[2], images.shape[3]), (raw.shape[1], raw.shape[2]))
    (replacement,) = _replacements(shard, batch, "mean", 0, 1)

    arguments = (shard.model, images, batch.predicted, (rows, columns), replacement)
    errors = (abpc(*arguments, values) + abpc(*arguments, -values)).abs() / 1e-5
    untied = (tied_share(values) == 0)[: batch.count]
    return Check("ABPC(-map) = -ABPC(map)", errors[: batch.count][untied], "1e-5")


@torch.inference_mode()
def score_shard(
    shard: Shard, maps: ShardMaps, protocols: Sequence[str], settings: dict[str, Any]
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Score all methods of a shard, in the chosen protocols.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        protocols: ``thesis``, ``strict`` or both.
        settings: the config's ``aopc``.

    Returns:
        Scores, per-image curves (``tables.IMAGE_CURVES``) and the check of ABPC's sign.

    Raises:
        FaithcamError: if ABPC(-m) = -ABPC(m) is broken.
    """
    rows = Rows(shard)
    outcomes = Outcomes(shard.identity)
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        if shard.first + batch.rows.start == 0:
            # curves are expensive: this law is checked on the first micro-batch of the experiment
            outcomes.add([_check_reversal(shard, maps, batch)], batch.image_ids)
        if "thesis" in protocols:
            _score_thesis(shard, maps, batch, settings["thesis"]["regions"], rows)
        if "strict" in protocols:
            _score_strict(shard, maps, batch, settings["strict"], rows)
    curves = tables.concatenate(
        [pa.table(rows.curves, schema=tables.IMAGE_CURVES)],
        tables.IMAGE_CURVES,
        ["protocol", "setting", "method", "image_id"],
    )
    return rows.scores.table(), curves, outcomes.table()
