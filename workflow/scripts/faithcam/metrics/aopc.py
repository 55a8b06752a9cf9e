"""AOPC: how fast the class score falls when regions are removed in the order of a map.

Source: arXiv 1509.06321, eq. 12; the two protocols are described in the README.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal, TypeVar

import pyarrow as pa
import torch
from torch import Tensor, nn

from faithcam import tables
from faithcam.checks import Check, Outcomes
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Config, Model, aopc_curves, distinct_maps
from faithcam.metrics.removal import (
    Regions,
    Removal,
    grid,
    order_of,
    region_means,
    region_values,
    sides_of,
    tied_share,
)
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.target import probabilities
from faithcam.views import scaled, size_of, statuses

Name = TypeVar("Name")
Output = Literal["probability", "logit"]
OUTPUTS: tuple[Output, ...] = ("probability", "logit")


def passes(config: Config, model: Model) -> int:
    """Return the states of an image that AOPC asks the network about, at most.

    Every order of removal has one state per region and replacement; the evaluators' unperturbed
    passes are not counted, that for the strict protocol's imputed probability is. Of volumes each
    slice has the states of its own regions; with several labels per image this is for each label.
    """
    maps, controls = (distinct_maps(config, model, [key]) for key in ("methods", "controls"))
    curves = aopc_curves(config, model)
    states = sum(c.regions * c.draws * c.orders(maps, controls) for c in curves)
    return states + ("strict" in config["protocols"])


def primary(config: Config) -> str:
    """Return the primary setting: MoRF, class probability, first region, first imputer."""
    strict = config["aopc"]["strict"]
    imputer = strict["imputers"][0]
    return tables.setting(
        draws=strict["draws"] if imputer == "noise" else 1,
        imputer=imputer,
        order="morf",
        output="probability",
        region=strict["regions"][0],
        stream=0,
    )


METRIC = Metric(
    "AOPC",
    larger_is_better=True,
    source="arXiv 1509.06321",
    range=(-1, 1),
    passes=passes,
    primary=primary,
    reverses=("order=lerf",),
    needs=("protocols",),
    windows=True,
    outputs=("curves", "checks"),
    volumes=True,
    several_labels=True,
)


def drops(logits: Tensor, classes: Tensor, output: Output, *, several: bool = False) -> Tensor:
    """Return f(x0) - f(xk) in float64: (..., N, L + 1, classes) logits -> (..., N, L + 1).

    ``probability``: f is the softmax of the class. ``logit``: the centred logit y_c - mean_j y_j.
    With ``several`` labels per image the sigmoid and y_c itself.
    """
    logits = logits.double()
    if output == "probability":
        scores = probabilities(logits, several=several)
    else:
        scores = logits if several else logits - logits.mean(-1, keepdim=True)
    chosen = scores.gather(-1, classes[:, None, None].expand(*scores.shape[:-1], 1))[..., 0]
    return chosen[..., :1] - chosen


def score(curve: Tensor, fraction: float = 1.0) -> Tensor:
    """Return AOPC, the mean of the drops of steps 0 .. ceil(fraction L): (.., L + 1) -> (..)."""
    regions = curve.shape[-1] - 1
    # the small number keeps 0.1 * 30 = 3.0000000000000004 from being rounded up to 4
    steps = -int(-(fraction * regions - 1e-9) // 1)
    return curve[..., : steps + 1].mean(-1)


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
        model: images -> logits, in eval mode; one made by
            :func:`faithcam.models.inference.for_inference` is evaluated faster.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        classes: index of the class whose probability is followed, (N,).
        maps: at image resolution, (N, H, W); of volumes (N, S, H, W).
        region: side of the square regions in pixels; of volumes they are cubic, see
            :func:`faithcam.metrics.removal.grid`.
        replacement: pixels to put in place of removed ones, like the images.

    Returns:
        f(x0) - f(xk) for k = 0 .. L, (N, L + 1) float64; AOPC is its mean over k.

    Raises:
        ValueError: if the region is larger than the images or a shape does not fit.
    """
    if maps.shape[1:] != size_of(images) or replacement.shape != images.shape:
        raise ValueError(
            f"images {tuple(images.shape)}, maps {tuple(maps.shape)} and replacement "
            f"{tuple(replacement.shape)} do not fit: expected (N, C, H, W), (N, H, W), (N, C, H, W)"
            ", or those of volumes"
        )
    order = order_of(region_means(maps, region, "zeros"))
    regions = grid(size_of(images), region)
    logits = Removal(model).logits(images, [order], regions, [replacement])
    return drops(logits[0, 0], classes, "probability")


def abpc(
    removal: Removal,
    images: Tensor,
    classes: Tensor,
    regions: Regions,
    replacement: Tensor,
    values: Tensor,
    *,
    several: bool = False,
) -> Tensor:
    """Return ABPC = AOPC(MoRF) - AOPC(LeRF) of the class probability, raster order of ties.

    Args:
        removal: evaluator of the network.
        images: (N, C, H, W), or volumes (N, S, C, H, W).
        classes: class whose probability is followed, (N,).
        regions: rows and columns, of volumes layers before, from
            :func:`faithcam.metrics.removal.grid`.
        replacement: like the images.
        values: relevance of each region, (N, L).
        several: whether an image has several labels, see :func:`drops`.

    Returns:
        (N,) float64; changes its sign with the values, where no two of them are equal.
    """
    order = order_of(values)
    logits = removal.logits(images, [order, order.flip(1)], regions, [replacement])
    scores = score(drops(logits[:, 0], classes, "probability", several=several))
    return scores[0] - scores[1]


class Rows:
    """Scores and per-image curves of a shard."""

    def __init__(self, shard: Shard) -> None:
        self.scores = ScoreRows(shard, "aopc")
        self._identity = asdict(shard.identity)
        self._several = several = shard.several
        self.curves = tables.Collector(
            tables.MULTI_LABEL_CURVES if several else tables.IMAGE_CURVES,
            [*tables.IMAGE_CURVES_KEY, *(["label"] if several else [])],
        )

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
        count = batch.count
        self.curves.add(
            count,
            {
                **self._identity,
                "protocol": protocol,
                "setting": setting,
                "method": method,
                "image_id": batch.image_ids[:count],
                "label": batch.labels[:count].tolist(),  # of one per image there is no column
                "correct": batch.correct[:count].tolist(),
                "status": status[:count],
                "drop": list(curve[:count].float().cpu().numpy()),
            },
        )

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
        """Add all scores of one method, region and imputer, and its curves."""
        for output in OUTPUTS:
            base: dict[str, object] = {**facts, "output": output}
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

    def add_imputed(
        self, batch: Batch, imputer: str, logits: Tensor, drop: dict[Output, Tensor]
    ) -> None:
        """Add the class probability of images that are replacement everywhere, mean over draws.

        Args:
            batch: the images.
            imputer: what replaces pixels.
            logits: of the images, (B, classes).
            drop: any order's curves, (B, L + 1): all end at such an image.
        """
        found = probabilities(logits, several=self._several)
        chosen = found.gather(1, batch.predicted[:, None])[:, 0]
        setting = tables.setting(imputer=imputer, output="imputed_probability")
        values = chosen - drop["probability"][:, -1]
        self.scores.add(batch, "strict", setting, "prediction", values, ["ok"] * len(values))

    def add_morf(
        self,
        batch: Batch,
        facts: dict[str, object],
        method: str,
        morf: dict[Output, Tensor],
        status: list[str],
    ) -> None:
        """Add the scores alone of a second stream, of a control or of maps of the raw logit."""
        for output in OUTPUTS:
            setting = tables.setting(**facts, order="morf", output=output)
            self.scores.add(batch, "strict", setting, method, score(morf[output]), status)


def imputers_of(shard: Shard, settings: dict[str, Any]) -> list[str]:
    """Return the strict protocol's imputers that the data set allows.

    Args:
        shard: of the data set; without renderings of its images it cannot be ``rerendered``.
        settings: the config's ``aopc.strict``.
    """
    known = shard.dataset.renderings is not None
    return [imputer for imputer in settings["imputers"] if known or imputer != "rerendered"]


def replacements(shard: Shard, batch: Batch, imputer: str, stream: int, draws: int) -> list[Tensor]:
    """Return what the strict protocol puts in place of removed pixels: the images' shape, per draw.

    Args:
        shard: of the batch; its streams name the noise.
        batch: the images.
        imputer: ``noise``, ``mean`` (colour of the image or volume), ``blur`` (Gaussian, sigma a
            16th of each side, of volumes of the slices too), or ``rerendered``: the image without
            its planted parts.
        stream: of noise.
        draws: of noise.
    """
    images = batch.images
    if imputer == "rerendered":
        return [shard.tensor(shard.dataset.renderings_of(batch.image_ids)[:, 0])]
    if imputer == "mean":
        places = [axis for axis in range(1, images.ndim) if axis != images.ndim - 3]
        return [images.mean(places, keepdim=True).expand_as(images)]
    if imputer == "blur":
        from scipy import ndimage

        size = size_of(images)
        sigma, axes = (size[-2] / 16, (images.ndim - 2, images.ndim - 1))
        smooth = ndimage.gaussian_filter(images.cpu().numpy(), sigma, axes=axes, mode="nearest")
        if len(size) == 3:
            smooth = ndimage.gaussian_filter1d(smooth, size[0] / 16, axis=1, mode="nearest")
        return [torch.from_numpy(smooth).to(images.device)]
    shape = (*images.shape[1:-3], shard.dataset.channels, *images.shape[-2:])
    return [
        shard.noise(batch, f"aopc strict {stream}", draw, shape).expand_as(images)
        for draw in range(draws)
    ]


def _score_thesis(
    shard: Shard,
    maps: ShardMaps,
    batch: Batch,
    removal: Removal,
    regions: list[int],
    controls: Sequence[str],
    rows: Rows,
) -> None:
    images = batch.images
    size, everything = size_of(images), tuple(range(1, images.ndim))
    low, high = images.amin(everything, keepdim=True), images.amax(everything, keepdim=True)
    noise = shard.uniform(batch, "aopc thesis", 0, tuple(images.shape[1:]))
    replacement = noise * (high - low) + low
    raw = {m: maps.of(batch, m, "predicted", "logit") for m in maps.methods}
    views = {m: scaled(x, size) for m, x in raw.items()}
    for region in regions:
        scored = [m for m in maps.methods if m not in controls or region == regions[0]]
        orders = {m: order_of(region_means(views[m], region, "zeros")) for m in scored}
        setting = tables.setting(
            draws=1, imputer="noise", order="morf", output="probability", region=region
        )
        logits = removal.logits(images, list(orders.values()), grid(size, region), [replacement])
        for method, part in zip(orders, logits[:, 0], strict=True):
            curve = drops(part, batch.predicted, "probability", several=shard.several)
            status = statuses(raw[method], "scaled")
            if method in controls:
                rows.scores.add(batch, "thesis", setting, method, score(curve), status)
            else:
                rows.add(batch, "thesis", setting, method, curve, status)


def mean_drops(
    removal: Removal,
    batch: Batch,
    regions: Regions,
    replacements: list[Tensor],
    orders: dict[Name, Tensor],
    *,
    several: bool = False,
) -> dict[Name, dict[Output, Tensor]]:
    """Return each order's and output's drops, averaged over the replacements: (B, L + 1)."""
    logits = removal.logits(batch.images, list(orders.values()), regions, replacements)
    return {
        name: {
            output: drops(part, batch.predicted, output, several=several).mean(0)
            for output in OUTPUTS
        }
        for name, part in zip(orders, logits, strict=True)
    }


def _score_strict(
    shard: Shard,
    maps: ShardMaps,
    batch: Batch,
    removal: Removal,
    settings: dict[str, Any],
    controls: Sequence[str],
    rows: Rows,
) -> None:
    size = size_of(batch.images)
    methods = [m for m in maps.methods if m not in controls]
    start = shard.model(batch.images)
    raw = {m: maps.of(batch, m, "predicted", "centred") for m in maps.methods}
    gauged = [] if shard.several else methods  # whose raw logit is another score
    logit = {m: maps.of(batch, m, "predicted", "logit") for m in gauged}
    status = {m: statuses(x, "signed") for m, x in raw.items()}
    status["random_order"] = ["ok"] * len(batch.images)
    cells = next(iter(raw.values())).shape[1:]
    for region, name in strict_regions(settings["regions"], tuple(cells), size):
        values = {m: region_values(x, region, size) for m, x in raw.items()}
        count = next(iter(values.values())).shape[1]
        keys = shard.uniform(batch, "aopc ties", 0, (count,))
        for method in methods:
            tied = tables.setting(output="tied_share", region=name)
            share = tied_share(values[method])
            rows.scores.add(batch, "strict", tied, method, share, status[method])
        morf = {m: order_of(v, keys) for m, v in values.items()}
        gauge = {m: order_of(region_values(x, region, size), keys) for m, x in logit.items()}
        shuffled = order_of(-shard.uniform(batch, "aopc random order", 0, (count,)))
        primary_region = name == str(settings["regions"][0])
        for imputer in imputers_of(shard, settings):
            primary = primary_region and imputer == settings["imputers"][0]
            with_controls = primary or (primary_region and imputer == "rerendered")
            scored = maps.methods if with_controls else methods
            for stream in (0, 1) if primary and imputer == "noise" else (0,):
                draws = settings["draws"] if imputer == "noise" else 1
                orders = {(m, "morf"): morf[m] for m in scored}
                if stream == 0:
                    orders |= {(m, "lerf"): morf[m].flip(1) for m in methods}
                    orders["random_order", "morf"] = shuffled
                    if with_controls:  # the maps of the logit y_c too: what the gauge changes
                        orders |= {(m, "gauge"): order for m, order in gauge.items()}
                fills = replacements(shard, batch, imputer, stream, draws)
                curves = mean_drops(
                    removal, batch, grid(size, region), fills, orders, several=shard.several
                )
                if primary_region and stream == 0:
                    rows.add_imputed(batch, imputer, start, curves["random_order", "morf"])
                facts = {"draws": draws, "imputer": imputer, "region": name, "stream": stream}
                for (method, order), curve in curves.items():
                    if order == "gauge":
                        of_logit = statuses(logit[method], "signed")
                        rows.add_morf(batch, facts | {"gauge": "logit"}, method, curve, of_logit)
                    elif order == "morf" and (stream != 0 or method in controls):
                        rows.add_morf(batch, facts, method, curve, status[method])
                    elif order == "morf":
                        lerf = curves.get((method, "lerf"))
                        rows.add_strict(batch, facts, method, curve, lerf, status[method], settings)


def strict_regions(
    regions: Sequence[int | str], cells: tuple[int, ...], size: tuple[int, ...]
) -> list[tuple[int | tuple[int, ...], str]]:
    """Return the strict protocol's regions with their names; a px size that is the cell is skipped.

    Args:
        regions: px sizes or ``native``.
        cells: (h, w) of the maps, (S, h, w) of volumes.
        size: (H, W) of the images, (S, H, W) of volumes.
    """
    chosen: list[tuple[int | tuple[int, ...], str]] = []
    for region in regions:
        if region == "native":
            chosen.append((cells, "native"))
            continue
        sides = sides_of(size, int(region))
        if "native" not in regions or any(
            side * count != pixels for side, count, pixels in zip(sides, cells, size, strict=True)
        ):
            chosen.append((int(region), str(region)))
    return chosen


def _check_reversal(shard: Shard, maps: ShardMaps, batch: Batch, removal: Removal) -> Check:
    """Check ABPC(-m) = -ABPC(m) with a map of the batch; images with tied cells are left out."""
    images = batch.images
    method = "hirescam" if "hirescam" in maps.methods else maps.methods[0]
    raw = maps.of(batch, method, "predicted", "centred")
    values = raw.flatten(1)
    regions = grid(size_of(images), tuple(raw.shape[1:]))
    (replacement,) = replacements(shard, batch, "mean", 0, 1)

    arguments = (removal, images, batch.predicted, regions, replacement)
    forward, backward = (abpc(*arguments, v, several=shard.several) for v in (values, -values))
    errors = (forward + backward).abs() / 1e-5
    untied = (tied_share(values) == 0)[: batch.count]
    return Check("ABPC(-map) = -ABPC(map)", errors[: batch.count][untied], "1e-5")


@torch.inference_mode()
def score_shard(
    shard: Shard, maps: ShardMaps, settings: dict[str, Any]
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Score all methods of a shard, in the chosen protocols.

    Args:
        shard: the model and its images.
        maps: the stored maps of all methods.
        settings: the config's ``protocols`` and ``aopc``, and ``controls``: those of the methods
            that are scored by MoRF alone, without a curve: under the first region and imputer of a
            protocol, and by re-rendered images.

    Returns:
        Scores, per-image curves (``tables.IMAGE_CURVES``) and the check of ABPC's sign.

    Raises:
        FaithcamError: if ABPC(-m) = -ABPC(m) is broken.
    """
    rows = Rows(shard)
    own, protocols, controls = (settings[key] for key in ("aopc", "protocols", "controls"))
    removal = Removal(shard.model, own["memory_mb"])
    outcomes = Outcomes(shard.identity)
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        if shard.first + batch.rows.start == 0:
            # curves are expensive: this law is checked on the first micro-batch of the experiment
            outcomes.add([_check_reversal(shard, maps, batch, removal)], batch.image_ids)
        if "thesis" in protocols:
            regions = own["thesis"]["regions"]
            _score_thesis(shard, maps, batch, removal, regions, controls, rows)
        if "strict" in protocols:
            _score_strict(shard, maps, batch, removal, own["strict"], controls, rows)
    return rows.scores.table(), rows.curves.table(), outcomes.table()
