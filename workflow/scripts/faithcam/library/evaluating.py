"""Scores of maps of any network, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.core.explained import ExplainedScore
from faithcam.core.seeding import Noise, Streams
from faithcam.core.views import size_of
from faithcam.experiment.config import merged
from faithcam.experiment.schema import defaults
from faithcam.library.explaining import Method, explain
from faithcam.library.prepare import (
    UNIT,
    Bounds,
    Classes,
    Parts,
    checked_classes,
    checked_images,
    named,
    plainly,
    prepared,
)
from faithcam.maps import registry as cams
from faithcam.metrics import registry
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import Inputs, Scored
from faithcam.metrics.networks import NetworkSpec
from faithcam.models.splitnet import two_sided

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
    maps: Mapping[str, Tensor] | Method | Sequence[Method] = ("gradcam", "hirescam"),
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
        maps: raw maps (N, h, w) by name, as of :func:`faithcam.explain`; or names or functions of
            methods. Metrics that look at maps of other images, as Max-Sensitivity does, need names.
        metrics: names (``faithcam.METRICS``), or functions of (network, images, classes, maps) that
            return a number per image; one, or several. Functions, of
            maps too, get images in [-1, 1].
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

    limits = Bounds.of(bounds)
    batch = checked_images(images, bounds)
    if batch.ndim != 4:
        raise FaithcamError(
            f"images: {tuple(images.shape)} found, expected (N, C, H, W), no volumes"
        )
    if batch_size < 1:
        raise FaithcamError(f"batch_size: {batch_size} found, expected 1 or more")
    single = isinstance(metrics, str) or callable(metrics)
    asked = named([metrics] if single else list(metrics), "metrics")  # type: ignore[arg-type]
    parts = prepared(network, batch, layer, None if limits == UNIT else limits)
    unit = limits.to_unit(batch)
    masks = None if masks is None else _masks(masks, batch)
    others = None
    if backgrounds is not None:
        others = limits.to_unit(checked_images(backgrounds, bounds))
        if others.shape[1:] != batch.shape[1:]:
            raise FaithcamError(
                f"backgrounds: {tuple(others.shape)} found, expected training images like the "
                f"images, (M, {', '.join(map(str, batch.shape[1:]))})"
            )
    outputs = torch.cat([parts(part) for part in _batches(unit, batch_size)])
    if outputs.ndim == 2 and outputs.shape[1] == 1:  # whose softmax is the sigmoid of the logit
        parts = two_sided(parts, 0.5)
        outputs = torch.cat([-outputs, outputs], 1) / 2
    if outputs.ndim != 2:
        raise FaithcamError(
            f"network: outputs {tuple(outputs.shape)} found, expected logits (N, C)"
        )
    chosen = checked_classes(classes, outputs)
    right = chosen if labels is None else checked_classes(labels, outputs)
    source = Source(parts, unit, chosen, right, maps, others, batch_size, seed)
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


def _batches(images: Tensor, size: int) -> Iterable[Tensor]:
    return (images[i : i + size] for i in range(0, len(images), size))


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


class Source:
    """Maps of some images, given or made, and all that metrics are computed from."""

    def __init__(
        self,
        network: Parts,
        images: Tensor,
        classes: Tensor,
        labels: Tensor,
        maps: Mapping[str, Tensor] | Method | Sequence[Method],
        backgrounds: Tensor | None,
        batch_size: int,
        seed: int,
    ) -> None:
        self.network, self.images, self.classes, self.labels = network, images, classes, labels
        self._backgrounds, self._size, self._seed = backgrounds, batch_size, seed
        self._activations = network.activations(images[:1])
        self._answers = torch.cat([network(part) for part in _batches(images, batch_size)])
        self._made: dict[tuple[str, str], dict[str, Tensor]] = {}
        self._methods: list[Method] = []
        self._given: dict[str, Tensor] | None = None
        if isinstance(maps, Mapping):
            if not maps:
                raise FaithcamError("maps: none found, expected maps by name")
            self._given = {name: self._checked(name, raw) for name, raw in maps.items()}
            self.names = list(self._given)
        else:
            single = isinstance(maps, str) or callable(maps)
            self._methods = [maps] if single else list(maps)  # type: ignore[list-item,arg-type]
            self.names = list(self._raw("predicted", "centred"))

    def _checked(self, name: str, raw: Tensor) -> Tensor:
        expected = (len(self.images), *self._activations.shape[2:])
        raw = torch.as_tensor(raw, device=self.images.device)
        if len(self.images) == 1 and raw.ndim == len(expected) - 1:
            raw = raw[None]  # of one image
        if tuple(raw.shape) != expected or not bool(raw.isfinite().all()):
            raise FaithcamError(
                f"maps: {name} {tuple(raw.shape)} found, expected a finite number per image and "
                f"cell, {expected}"
            )
        return raw.float()

    def _raw(self, explained_class: str, explained_score: ExplainedScore) -> dict[str, Tensor]:
        if self._given is not None:
            return self._given
        key = (explained_class, explained_score)
        if key not in self._made:
            classes = self.labels if explained_class == "label" else self.classes
            self._made[key] = explain(
                self.network,
                self.images,
                classes,
                self._methods,
                score=explained_score,
                backgrounds=self._backgrounds,
                batch_size=self._size,
                seed=self._seed,
            )
        return self._made[key]

    def of(self, places: slice, method: str, explained_class: str, score: ExplainedScore) -> Tensor:
        """Return the maps of some images."""
        return self._raw(explained_class, score)[method][places]

    def parts(self) -> Iterable[slice]:
        """Return the images that are scored together."""
        count = len(self.images)
        return (slice(i, min(i + self._size, count)) for i in range(0, count, self._size))

    def spec(self, methods: Sequence[str], masks: Tensor | None) -> NetworkSpec:
        """Return the network as a config would describe it."""
        head, shape = self.network.head, self._activations.shape
        return spec_of(self.images, head, shape[1], shape[-1], methods, masks is not None)

    def inputs(
        self, places: slice, kept: dict[Any, Any], masks: Tensor | None, config: Mapping[str, Any]
    ) -> Inputs:
        """Return what a metric is computed from for some images."""
        ids = list(range(len(self.images)))[places]
        noise = Noise(Streams(self._seed, "images", "network"), ids, self.images.device)
        more: dict[str, Any] = {}
        if masks is not None:
            more["masks"] = {"lesion": masks[places].bool()}
        if (others := self._backgrounds) is not None:
            at = noise.streams.places(ids, "aopc backgrounds", len(others))
            more |= {"backgrounds": lambda draw: others[at(draw)], "standard_images": others}
            more["train_mean"] = others.double().mean(0).float()
        return Inputs(
            self.network,  # type: ignore[arg-type]
            self.images[places],
            self.classes[places],
            _PartMaps(self, places),
            noise,
            self.labels[places],
            self._answers[places].argmax(1),
            channels=self.images.shape[-3],
            memory_mb=config["aopc"]["memory_mb"],
            kept=kept,
            **more,
        )


def spec_of(
    images: Tensor, head: str, depth: int, cells: int, methods: Sequence[str], has_masks: bool
) -> NetworkSpec:
    """Return a network as a config would describe it.

    Args:
        images: (N, C, H, W), or volumes (N, S, C, H, W).
        head: ``flatten``, ``gap`` or ``other``.
        depth: channels of its activations.
        cells: side of its maps.
        methods: names of the maps.
        has_masks: whether there are masks of what is to be found.
    """
    size = size_of(images)
    return NetworkSpec(
        "images", "network", head, size[-1], slices=size[0] if size[2:] else 0,
        channels=images.shape[-3], cells=cells, depth=depth, offset=0.0, methods=tuple(methods),
        controls=(), multi_label=False, task="", has_masks=has_masks, train_images=0, val_images=0,
    )  # fmt: skip


class _PartMaps:
    """The maps of some images of a source."""

    def __init__(self, source: Source, places: slice) -> None:
        self._source, self._places = source, places

    def of(self, method: str, explained_class: str, explained_score: ExplainedScore) -> Tensor:
        """Return a method's raw maps."""
        return self._source.of(self._places, method, explained_class, explained_score)


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
        names = [name for name in names if name in cams.METHODS]
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
