"""Scores of maps of any network, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.library.explaining import Method
from faithcam.library.prepare import Classes, Parts, Ready, checked_classes, named, plainly
from faithcam.library.source import Source
from faithcam.maps import registry as cams
from faithcam.metrics import registry
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import Scored

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = Path(__file__).parents[1] / "experiment" / "config.schema.yaml"
Own = Callable[[Parts, Tensor, Tensor, Tensor], Tensor]
Metric = str | Own
COLUMNS = [
    *("metric", "protocol", "setting", "method", "image", "class", "value", "status"),
    "larger_is_better",
]


@plainly
def evaluate(
    network: nn.Module,
    images: Tensor,
    maps: Mapping[str, Any] | Method | Sequence[Method] = ("gradcam", "hirescam"),
    metrics: Metric | Sequence[Metric] = ("aopc", "insertion", "deletion", "road"),
    *,
    classes: Classes = None,
    labels: Classes = None,
    masks: Tensor | None = None,
    backgrounds: Tensor | None = None,
    bounds: Any = (-1, 1),
    layer: str | None = None,
    protocols: Sequence[str] = ("strict",),
    variants: bool = False,
    settings: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    seed: int = 0,
    progress: bool = True,
) -> pd.DataFrame:
    """Return what metrics say of maps: a row per metric, map and image.

    The network is prepared and kept as by :func:`faithcam.explain`. All maps see the same noise.
    Maps that are named are made for the score that a metric's protocol explains, in the strict one
    the logit less the mean of all (``score="centred"`` of ``explain``); maps that are given are
    taken as they are.

    Args:
        network: any CNN, on the images' device.
        images: (N, C, H, W), or one (C, H, W), as the network takes them; no volumes.
        maps: raw maps by name, as of :func:`faithcam.explain`, tensors or arrays, of cells
            (N, h, w) or pixels (N, H, W), whose sums over cells are scored; or names or functions
            of methods. Metrics that look at maps of other images, as Max-Sensitivity does, need
            names.
        metrics: names (``faithcam.METRICS``), or functions of (network, images, classes, maps) that
            return a number per image; one, or several. Functions,
            of maps too, get images in [-1, 1].
        classes: the class that maps explain, one for all or one for each image; the predicted
            ones, if not given.
        labels: the true classes; the explained ones, if not given.
        masks: of what is to be found, (N, H, W), for localisation.
        backgrounds: training images (M, C, H, W), for metrics and methods that compare with some.
        bounds: (low, high): the values of black and white, numbers or one per channel. Metrics that
            put noise or grey in place of pixels need them.
        layer: see :func:`faithcam.explain`.
        protocols: ``strict``, ``thesis`` (as the study that is repeated published them) or both.
        variants: whether to return a metric's other settings, replicates and facts, too.
        settings: of metrics, as in the workflow's config: ``{"aopc": {"strict": {"imputers":
            ["mean"]}}}``.
        batch_size: images in a pass; it changes the last digits.
        seed: of random numbers.
        progress: whether to show a bar.

    Returns:
        Columns ``metric``, ``protocol``, ``setting``, ``method``, ``image`` (its place),
        ``class``, ``value``, ``status`` (``ok``, ``blank_map``, ``undefined`` or ``empty_mask``)
        and ``larger_is_better``.

    Raises:
        FaithcamError: if an argument is not as described, or a metric does not apply.

    Example:
        >>> import faithcam, torch, torchvision
        >>> network, images = torchvision.models.resnet18(), torch.rand(2, 3, 64, 64)
        >>> table = faithcam.evaluate(network, images, metrics="aopc", progress=False)
        >>> table[["metric", "method", "image"]].values.tolist()[:2]
        [['aopc', 'gradcam', 0], ['aopc', 'gradcam', 1]]
    """
    import pandas as pd
    from tqdm import tqdm

    single = isinstance(metrics, str) or callable(metrics)
    asked = named([metrics] if single else list(metrics), "metrics")  # type: ignore[arg-type]
    ready = Ready.of(network, images, backgrounds, bounds, layer, batch_size)
    others = ready.backgrounds
    masks = None if masks is None else _masks(masks, ready.images)
    chosen = checked_classes(classes, ready.outputs)
    right = chosen if labels is None else checked_classes(labels, ready.outputs)
    source = Source(ready.network, ready.images, chosen, right, maps, others, batch_size, seed)
    config = config_of(settings, protocols, source.names)
    rows: list[dict[str, Any]] = []
    for name, metric in tqdm(asked.items(), disable=not progress, unit="metric"):
        if callable(metric):
            rows += _own(name, metric, source)
            continue
        evaluations, options = declared(metric, config, source, masks, others, variants)
        code = import_module(registry.module(metric))
        kept: dict[Any, Any] = {}
        for places in source.parts():
            inputs = source.inputs(places, kept, masks, config)
            try:
                scores = code.score(inputs, evaluations, **options)
            except ValueError as error:
                raise FaithcamError(f"metrics: {metric}: {error}") from error
            for scored in scores.scored:
                rows += _rows(metric, scored, places, chosen)
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = {name: place for place, name in enumerate(asked)}
    table["order"] = table["metric"].map(order)
    by = ["order", "protocol", "setting", "method", "image"]
    return table.sort_values(by, kind="stable", ignore_index=True).drop(columns="order")


def _masks(masks: Any, images: Tensor) -> Tensor:
    """Return masks as bool, (N, H, W)."""
    given = torch.as_tensor(masks, device=images.device)
    expected = (len(images), *images.shape[2:])
    if tuple(given.shape) != expected or bool(((given != 0) & (given != 1)).any()):
        raise FaithcamError(
            f"masks: {tuple(given.shape)} {given.dtype} found, expected {expected} of 0 and 1"
        )
    return given.bool()


def config_of(
    settings: Mapping[str, Any] | None, protocols: Sequence[str], methods: Sequence[str]
) -> dict[str, Any]:
    """Return a config of the workflow that asks for the same.

    Args:
        settings: of metrics, merged over the defaults.
        protocols: strict, thesis or both.
        methods: names of the maps.

    Raises:
        FaithcamError: if a key or a protocol is unknown.
    """
    from faithcam.experiment.config import merged
    from faithcam.experiment.schema import defaults

    base = defaults(SCHEMA)
    if wrong := sorted(set(settings or {}) - {*base}):
        raise FaithcamError(f"settings: {', '.join(wrong)} found, expected keys of {sorted(base)}")
    wrong = sorted({*protocols} - {"strict", "thesis"})
    if wrong or not protocols:
        raise FaithcamError(f"protocols: {wrong or 'none'} found, expected strict, thesis or both")
    over = {
        "protocols": list(protocols),
        "methods": list(methods),
        "controls": [],
    }
    return merged(merged(base, settings or {}), over)


def declared(
    metric: str,
    config: Mapping[str, Any],
    source: Source,
    masks: Tensor | None,
    backgrounds: Tensor | None,
    variants: bool,
) -> tuple[list[Evaluation], dict[str, Any]]:
    """Return what is asked of a metric, and the options of its score.

    Args:
        metric: its name.
        config: see :func:`config_of`.
        source: of the maps.
        masks: see :func:`evaluate`.
        backgrounds: see there.
        variants: see there.

    Raises:
        FaithcamError: if the metric does not apply.
    """
    registry.check([metric])
    spec = registry.METRICS[metric]
    names = source.names
    if spec.maps == "made":
        names = [name for name in names if name in cams.METHODS and not source.given]
        if not names:
            raise FaithcamError(
                f"metrics: {metric} looks at maps of other images; give names of methods as maps"
            )
    network = source.spec(names, masks)
    able, reason = spec.supports(network)
    if able and {"truth", "renderings"} & {*spec.needs}:
        able, reason = False, "needs a truth; see faithcam.concordance"
    if able and "standard_images" in (*spec.needs, *spec.uses) and backgrounds is None:
        able, reason = False, "needs training images; give some as backgrounds"
    if not able:
        raise FaithcamError(f"metrics: {metric} {reason}")
    found = registry.evaluations(config, metric, network)
    asked = found if variants else [e for e in found if e.role == "primary"]
    if not asked:
        raise FaithcamError(
            f"metrics: {metric} has no primary setting in {' and '.join(config['protocols'])}; "
            "variants=True returns the others"
        )
    return asked, spec.options(config, network)


def _rows(metric: str, scored: Scored, places: slice, classes: Tensor) -> Iterable[dict[str, Any]]:
    evaluation = scored.evaluation
    better = registry.METRICS[metric].larger_is_better != evaluation.reversed
    values = scored.values.double().tolist()
    for i, (value, status) in enumerate(zip(values, scored.statuses, strict=True)):
        place = places.start + i
        ok = status != "undefined" and value == value
        yield {
            "metric": metric,
            "protocol": evaluation.protocol,
            "setting": str(evaluation.setting),
            "method": scored.method,
            "image": place,
            "class": int(classes[place]),
            "value": value if ok else float("nan"),
            "status": status if ok or status != "ok" else "undefined",
            "larger_is_better": better,
        }


def _own(name: str, metric: Own, source: Source) -> Iterable[dict[str, Any]]:
    for method in source.names:
        maps = source.of(slice(None), method, "predicted", "centred").clone()
        with torch.enable_grad():
            values = metric(source.network, source.images.clone(), source.classes.clone(), maps)
        values = torch.as_tensor(values).detach()
        if tuple(values.shape) != (len(source.images),):
            raise FaithcamError(
                f"metrics: {name} returned {tuple(values.shape)} for the map {method}, expected a "
                f"number per image, ({len(source.images)},)"
            )
        for place, value in enumerate(values.double().tolist()):
            yield {
                "metric": name, "protocol": "own", "setting": "", "method": method, "image": place,
                "class": int(source.classes[place]), "value": value,
                "status": "ok" if value == value else "undefined", "larger_is_better": True,
            }  # fmt: skip
