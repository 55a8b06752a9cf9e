"""Maps of any network, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.core.explained import ExplainedScore
from faithcam.core.seeding import Streams
from faithcam.library.bounds import UNIT, Bounds
from faithcam.library.explained import Score, explained_by
from faithcam.library.prepare import (
    Classes,
    Parts,
    batches,
    checked_backgrounds,
    checked_images,
    named,
    plainly,
    prepared,
)
from faithcam.maps import registry
from faithcam.maps.explain import maps_of, shared_of

Own = Callable[[Parts, Tensor, Tensor], Tensor]
Method = str | Own


KEPT = 1 << 29  # bytes of activations that need no second pass


@plainly
def explain(
    network: nn.Module,
    images: Tensor,
    classes: Classes = None,
    methods: Method | Sequence[Method] = ("gradcam", "hirescam"),
    *,
    layer: str | None = None,
    score: Score = "logit",
    masks: Tensor | None = None,
    backgrounds: Tensor | None = None,
    bounds: Any = None,
    batch_size: int = 16,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Return the raw, signed maps of images: what each cell of a layer adds to a class's score.

    The network is split (:func:`faithcam.split`), made fast and kept for the next call; it stays
    as it is. Where its logits are linear in the layer's activations, maps need no backward pass,
    and HiResCAM adds up to the logit less the bias. Elsewhere it need not.

    Args:
        network: any CNN, in train or eval mode, on the images' device.
        images: (N, C, H, W), or one (C, H, W), as the network takes them; volumes have one axis
            more.
        classes: the class to explain, one for all images or one for each; the predicted ones, if
            not given. Of a network with one logit y, class 1 is explained by y, class 0 by -y.
        methods: names (``faithcam.METHODS``), or functions of (network, images, classes) that
            return maps (N, h, w), where the network has ``activations`` and ``logits``; one, or
            several.
        layer: name of the layer whose activations are explained; the last ones, if not given.
        score: ``logit`` y_c; ``centred`` y_c - mean_j y_j; or a function of the outputs that
            returns a number per image, for regression, say.
        masks: of segmentation networks: the pixels whose outputs are summed, (N, H, W); those
            where the class has the largest output, if not given.
        backgrounds: training images (M, C, H, W), which some methods compare with.
        bounds: (low, high), the values of black and white, numbers or one per channel. Methods that
            compare with grey, as Integrated Gradients does, then know it, and get images in
            [-1, 1], functions of your own too; without bounds 0 is taken for it.
        batch_size: images in a pass; it changes the last digits.
        seed: of random numbers, for the methods that have some.

    Returns:
        Maps (N, h, w) by method, (h, w) of one image; of volumes (N, S, h, w).
        :func:`faithcam.scaled` and :func:`faithcam.signed` bring them to the size of the images.

    Raises:
        FaithcamError: if an argument is not as described, a method does not apply, or a map is not
            finite.

    Example:
        >>> import faithcam, torch, torchvision
        >>> network, images = torchvision.models.resnet18(), torch.rand(2, 3, 64, 64)
        >>> maps = faithcam.explain(network, images)
        >>> {name: tuple(each.shape) for name, each in maps.items()}
        {'gradcam': (2, 2, 2), 'hirescam': (2, 2, 2)}
    """
    batch = checked_images(images, bounds)
    limits = UNIT if bounds is None else Bounds.of(bounds)
    parts = prepared(network, batch, layer, None if limits == UNIT else limits)
    if backgrounds is not None:
        backgrounds = checked_backgrounds(backgrounds, batch, bounds)
    if limits != UNIT:
        batch = limits.to_unit(batch)
        backgrounds = None if backgrounds is None else limits.to_unit(backgrounds)
    maps = maps_by(parts, batch, classes, methods, score, masks, backgrounds, batch_size, seed)
    return {name: raw[0] for name, raw in maps.items()} if images.ndim == 3 else maps


def maps_by(
    parts: Parts,
    images: Tensor,
    classes: Classes,
    methods: Method | Sequence[Method],
    score: Score,
    masks: Tensor | None,
    backgrounds: Tensor | None,
    batch_size: int,
    seed: int,
) -> dict[str, Tensor]:
    """Return the maps of a network that is ready, as :func:`explain` does.

    Args:
        parts: the network.
        images: (N, C, H, W), as it takes them.
        classes: see there, as the other arguments.
        methods: see there.
        score: see there.
        masks: see there.
        backgrounds: like the images.
        batch_size: see there.
        seed: see there.

    Raises:
        FaithcamError: see there.
    """
    single = isinstance(methods, str) or callable(methods)
    asked = named([methods] if single else list(methods), "methods")  # type: ignore[arg-type]
    registry.check(_known(asked))
    parted = batches(images, batch_size)
    kept: list[Tensor | None] = []
    outputs = torch.cat([_outputs(parts, part, kept) for part in parted])
    network_of, chosen = explained_by(parts, outputs, classes, score, masks)
    streams = Streams(seed, "images", "network")
    found: dict[str, list[Tensor]] = {name: [] for name in asked}
    for number, part in enumerate(parted):
        at = slice(number * batch_size, number * batch_size + len(part))
        each, places = network_of(at), list(range(at.start, at.stop))
        given = _given(each, part, places, streams, backgrounds, asked)
        A, kept[number] = kept[number], None
        A = each.activations(part) if A is None else A
        for name, raw in _maps(each, part, A, chosen[at], asked, score, given).items():
            found[name].append(raw)
    maps = {name: torch.cat(parts) for name, parts in found.items()}
    for name, raw in maps.items():
        if bad := (~raw.isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist():
            raise FaithcamError(
                f"methods: {name} found NaN or infinity for images {bad}, expected finite maps; "
                "look at the network's weights, or leave the images out"
            )
    return maps


def _outputs(parts: Parts, images: Tensor, kept: list[Tensor | None]) -> Tensor:
    """Return the outputs for some images; keep their activations as long as memory allows."""
    activations = parts.activations(images)
    room = sum(each.nbytes for each in kept if each is not None) < KEPT
    kept.append(activations if room else None)
    return parts.logits(activations)


def _known(named: Mapping[str, Method]) -> list[str]:
    """Return the names that are those of methods, not of functions of one's own."""
    return [name for name, method in named.items() if isinstance(method, str)]


def _given(
    network: Parts,
    images: Tensor,
    places: list[int],
    streams: Streams,
    backgrounds: Tensor | None,
    named: dict[str, Method],
) -> dict[str, Any]:
    """Return what map methods need of the images beside the network."""
    needs = registry.needs(_known(named))
    given: dict[str, Any] = {"images": images, "image_ids": places, "streams": streams}
    wanted = needs & {"mean_activations", "backgrounds", "other_activations"}
    if wanted and backgrounds is None:
        raise FaithcamError(
            f"backgrounds: none found, expected training images: {', '.join(sorted(wanted))} come "
            "from them"
        )
    if backgrounds is None or not wanted:
        return given
    others = backgrounds
    chosen = streams.places(places, "map backgrounds", len(others))
    given["backgrounds"] = lambda draw: others[chosen(draw)]
    if "other_activations" in needs:
        given["other_activations"] = network.activations(others[chosen(0)])
    if "mean_activations" in needs:
        parts = (others[i : i + len(images)] for i in range(0, len(others), len(images)))
        sums = [network.activations(part).double().sum(0) for part in parts]
        given["mean_activations"] = (torch.stack(sums).sum(0) / len(others)).float()
    return given


def _maps(
    network: Parts,
    images: Tensor,
    activations: Tensor,
    classes: Tensor,
    named: dict[str, Method],
    score: Score,
    given: dict[str, Any],
) -> dict[str, Tensor]:
    known = _known(named)
    which: ExplainedScore = "logit" if callable(score) else score
    given |= shared_of(known, {**given, "model": network, "activations": activations})
    try:
        maps = maps_of(network, activations, classes, known, which, given)
    except ValueError as error:
        raise FaithcamError(f"methods: {error}") from error
    expected = (len(images), *activations.shape[2:])
    for name, method in named.items():
        if callable(method):
            with torch.enable_grad():
                raw = method(network, images.clone(), classes.clone())
            raw = raw.detach() if isinstance(raw, Tensor) else raw
            if not isinstance(raw, Tensor) or tuple(raw.shape) != expected:
                found = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
                raise FaithcamError(
                    f"methods: {name} returned {found}, expected maps of one number per image and "
                    f"cell, {expected}"
                )
            maps[name] = raw
    return {name: maps[name] for name in named}
