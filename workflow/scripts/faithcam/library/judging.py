"""What cells contribute, and whether metrics find it, for any network: one call each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError, unknown
from faithcam.core.seeding import Noise, Streams
from faithcam.library.evaluating import Metric, config_of, declared
from faithcam.library.prepare import Classes, Parts, Ready, checked_classes, named, plainly
from faithcam.library.source import Source, spec_of
from faithcam.metrics import registry
from faithcam.truth.contributions import Truth
from faithcam.truth.estimands import ESTIMANDS
from faithcam.truth.images import NAME, truths
from faithcam.truth.sampling import Sampling

if TYPE_CHECKING:
    import pandas as pd

    from faithcam.validity.own import Own


def _estimands(names: str | Sequence[str], parts: Parts) -> list[str]:
    chosen = [names] if isinstance(names, str) else list(names)
    for name in chosen or [""]:
        if name not in ESTIMANDS:
            raise FaithcamError(f"estimands: {unknown(name, ESTIMANDS)}")
        if ESTIMANDS[name].space == "features" and parts.head == "other":
            raise FaithcamError(
                f"estimands: {name} found, which needs logits that are linear in the activations"
            )
    return chosen


@plainly
def contributions(
    network: nn.Module,
    images: Tensor,
    backgrounds: Tensor,
    *,
    classes: Classes = None,
    estimands: str | Sequence[str] = ("background",),
    bounds: Any = (-1, 1),
    layer: str | None = None,
    patches: bool = False,
    permutations: int = 256,
    reliability: float = 0.92,
    batch_size: int = 16,
    seed: int = 0,
) -> dict[str, Truth]:
    """Return what each cell of images contributes to a class's score: its Shapley value.

    A cell is the pixels that a cell of the layer stands for. An absent cell shows something else
    instead, which the estimand names.

    Args:
        network: any CNN, on the images' device.
        images: (N, C, H, W), as the network takes them.
        backgrounds: training images (M, C, H, W): what absent cells show.
        classes: whose logit, less the mean of all, is shared among the cells; the predicted ones,
            if not given.
        estimands: what absent cells show: ``background``, training images; ``mean``, the image's
            mean; ``blur``; further ones under docs/truth.md.
        bounds: (low, high), the values of black and white, numbers or one per channel.
        layer: whose grid it is; the last activations', if not given.
        patches: whether a cell sees its own pixels alone: then the values are exact.
        permutations: of an image's cells at most, each some passes over the image.
        reliability: at which an image needs no more.
        batch_size: images in a pass where they are classified.
        seed: of random numbers.

    Returns:
        By estimand ``values`` (N, h, w), ``halves`` (2, N, h, w) of either half of the
        permutations, and their ``reliability`` (N,).

    Raises:
        FaithcamError: if an argument is not as described, or a law is broken.
    """
    ready = Ready.of(network, images, backgrounds, bounds, layer, batch_size)
    block = next(size for size in (32, 16, 8, 4, permutations) if permutations % size == 0)
    noise = Noise(Streams(seed, NAME, "network"), range(len(images)), images.device)
    try:
        return truths(
            ready.network,  # type: ignore[arg-type]
            ready.images,
            checked_classes(classes, ready.outputs),
            ready.backgrounds,  # type: ignore[arg-type]
            noise,
            _estimands(estimands, ready.network),
            Sampling(permutations, block, reliability),
            patches=patches,
        )
    except ValueError as error:
        raise FaithcamError(str(error)) from error


@plainly
def concordance(
    network: nn.Module,
    images: Tensor,
    metrics: Mapping[str, Own | Callable[..., Tensor]] | Metric | Sequence[Metric],
    *,
    backgrounds: Tensor,
    bounds: Any = (-1, 1),
    layer: str | None = None,
    estimands: str | Sequence[str] = ("background",),
    settings: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    **options: Any,
) -> pd.DataFrame:
    """Return how often metrics prefer the map that is nearer to what each cell contributes.

    Args:
        network: any CNN, on the images' device.
        images: (N, C, H, W), as the network takes them, a dozen or more.
        metrics: names (``faithcam.METRICS``), or functions of (network, images, classes, maps) that
            return a number per image, by name or not; wrapped in
            :class:`faithcam.validity.own.Own` where smaller is better. Functions get images in
            [-1, 1]. They are decided together, 12 at most.
        backgrounds: training images (M, C, H, W): what absent cells show.
        bounds: (low, high), the values of black and white, numbers or one per channel.
        layer: see :func:`faithcam.explain`.
        estimands: see :func:`faithcam.contributions`.
        settings: see :func:`faithcam.evaluate`.
        batch_size: see there.
        **options: further ones of :func:`faithcam.validity.notebook.concordance`: ``maps``,
            ``groups``, ``classes``, ``patches``, ``sampling``, ``seed`` and others.

    Returns:
        A row per metric, family of maps and estimand, as described there.

    Raises:
        FaithcamError: if an argument is not as described, or a law or a gate is broken.
    """
    from faithcam.validity import notebook

    ready = Ready.of(network, images, backgrounds, bounds, layer, batch_size)
    others = ready.backgrounds
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Mapping):
        metrics = {
            name: _registered(m, settings, others, batch_size) if isinstance(m, str) else m
            for name, m in named(list(metrics), "metrics").items()
        }
    try:
        return notebook.concordance(
            ready.network,  # type: ignore[arg-type]
            ready.images,
            metrics,
            backgrounds=others,  # type: ignore[arg-type]
            estimands=_estimands(estimands, ready.network),
            **options,
        )
    except ValueError as error:
        raise FaithcamError(str(error)) from error


def _registered(
    metric: str, settings: Mapping[str, Any] | None, backgrounds: Tensor | None, batch_size: int
) -> Own:
    """Return a metric of the registry as a function, in the setting that it is judged in."""
    from faithcam.validity.own import Own

    registry.check([metric])
    spec = registry.METRICS[metric]
    if not spec.takes_candidates or "truth" in spec.needs:
        raise FaithcamError(
            f"metrics: {metric} found, expected metrics that take any map; those that make maps "
            "themselves are judged by the workflow"
        )
    config, kept = config_of(settings, ["strict"], ["map"]), dict[Any, Any]()

    def score(network: Parts, images: Tensor, classes: Tensor, maps: Tensor) -> Tensor:
        given = {"map": maps}
        source = Source(network, images, classes, classes, given, backgrounds, batch_size, seed=0)
        found, options = declared(metric, config, source, None, backgrounds, variants=True)
        evaluation = next(e for e in found if e.is_judged)
        code, parts = import_module(registry.module(metric)), []
        for places in source.parts():
            inputs = source.inputs(places, kept, None, config)
            scores = code.score(inputs, [evaluation], **options).scored
            parts += [s.values for s in scores if s.method == "map"]
        return torch.cat(parts)

    network = spec_of(torch.zeros(1, 3, 8, 8), "other", 1, 1, ["map"], has_masks=False)
    evaluation = next(e for e in registry.evaluations(config, metric, network) if e.is_judged)
    reference = evaluation.setting.get("imputer", spec.reference)
    return Own(score, spec.larger_is_better != evaluation.reversed, reference)
