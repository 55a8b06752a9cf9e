"""Raw maps of all methods from one forward pass, in closed form or by autograd."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError
from faithcam.core.explained import ExplainedScore, scores
from faithcam.maps import registry
from faithcam.maps.method import ExplainedNetwork, parameters


class Explainable(Protocol):
    """A network in two parts: images -> activations A -> logits."""

    def activations(self, images: Tensor) -> Tensor:
        """Return the target tensor A: (N, K, h, w)."""

    def logits(self, activations: Tensor) -> Tensor:
        """Return the logits (N, C) of A."""


@runtime_checkable
class ClosedForm(Protocol):
    """A network whose logits are linear in A, so that dy/dA is known without a backward pass."""

    head: str

    def cell_weights(self, shape: Sequence[int]) -> Tensor:
        """Return dy_c/dA: (C, K, h, w)."""


def gradients(
    model: Explainable,
    activations: Tensor,
    classes: Tensor,
    explained_score: ExplainedScore = "logit",
) -> Tensor:
    """Return the gradient of the class score with respect to the activations.

    Args:
        model: a network; one with ``cell_weights`` needs no backward pass.
        activations: A, (N, K, h, w).
        classes: index of the class to explain, (N,).
        explained_score: ``logit`` for y_c, ``centred`` for y_c - mean_j y_j.

    Returns:
        (N, K, h, w), or (N, K, 1, 1) where it is the same in every cell (global average pooling);
        of volumes (N, K, S, h, w) or (N, K, 1, 1, 1).
    """
    if not isinstance(model, ClosedForm):
        return autograd_gradients(model, activations, classes, explained_score)
    weights = model.cell_weights(activations.shape)
    if model.head == "gap":
        weights = weights[(slice(None), slice(None), *[slice(1)] * (weights.ndim - 2))]
    chosen = weights[classes]
    return chosen - weights.mean(0) if explained_score == "centred" else chosen


def autograd_gradients(
    model: Explainable,
    activations: Tensor,
    classes: Tensor,
    explained_score: ExplainedScore = "logit",
) -> Tensor:
    """Return the same as :func:`gradients`, (N, K, h, w), by a backward pass through the head."""
    with torch.inference_mode(False), torch.enable_grad():
        leaf = activations.clone().requires_grad_()
        explained = scores(model.logits(leaf), classes.clone(), explained_score)
        (result,) = torch.autograd.grad(explained.sum(), leaf)
    return result


def network_of(model: Explainable, activations: Tensor) -> ExplainedNetwork:
    """Return the properties that decide which methods can explain a network.

    Args:
        model: the network.
        activations: A of some images, (N, K, h, w), of volumes (N, K, S, h, w).
    """
    return ExplainedNetwork(
        _head(model), bool((activations < 0).any()), activations.shape[1], activations.shape[-1]
    )


def _head(model: Explainable) -> str:
    return model.head if isinstance(model, ClosedForm) else "other"


def shared_of(methods: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what methods take of the images whatever class is explained, where it is not given.

    Args:
        methods: names of map methods.
        given: what that is made of: ``model``, ``activations``, ``images``.
    """
    values: dict[str, Any] = {}
    for name in registry.with_needed(methods):
        for shared, make in registry.METHODS[name].shared.items():
            if shared not in {**given, **values}:
                values[shared] = make(*(given[need] for need in parameters(make)))
    return values


def maps_of(
    model: Explainable,
    activations: Tensor,
    classes: Tensor,
    methods: Sequence[str],
    explained_score: ExplainedScore = "logit",
    given: Mapping[str, Any] | None = None,
) -> dict[str, Tensor]:
    """Return the raw maps of activations already at hand.

    Args:
        model: see :func:`explain`, as the other arguments not named here.
        activations: A, (N, K, h, w).
        classes: see there.
        methods: see there; any method whose needs are given.
        explained_score: see there.
        given: what methods need of the images and the job, by the names of
            ``faithcam.maps.method.Method``.

    Raises:
        FaithcamError: if a method is unknown, or returns what are no maps.
        ValueError: if a method cannot explain this network, or needs more.
    """
    if explained_score not in ("logit", "centred"):
        raise ValueError(
            f"explained score: {explained_score!r} found, expected 'logit' or 'centred'"
        )
    if classes.shape != activations.shape[:1] or bool((classes < 0).any()):
        raise ValueError(
            f"classes: {tuple(classes.shape)} found, expected one class index per image, "
            f"{tuple(activations.shape[:1])}, none negative"
        )
    registry.check(list(methods))
    inputs: dict[str, Any] = {
        **(given or {}),
        "model": model,
        "activations": activations,
        "cells": tuple(activations.shape[2:]),
        "classes": classes,
        "explained_score": explained_score,
    }
    network = ExplainedNetwork(_head(model))
    for name in methods:
        missing = registry.needs([name]) - {"gradients", "scores", *inputs}
        if missing:
            raise ValueError(
                f"{name} does not explain a network by itself: it needs "
                f"{', '.join(sorted(missing))}; call its function directly"
            )
        able, reason = registry.METHODS[name].supports(network)
        if not able:
            raise ValueError(f"{name} {reason}; this one has head {network.head}")
    inputs["gradients"] = gradients(model, activations, classes, explained_score)
    if "scores" in registry.needs(methods):
        inputs["scores"] = scores(model.logits(activations), classes, explained_score)
    inputs |= shared_of(methods, inputs)

    def map_of(name: str) -> Any:
        if name not in inputs:  # a method, for itself or for another one that starts from its maps
            method = registry.METHODS[name]
            inputs[name] = method.function(*map(map_of, method.needs))
            _check_shape(name, inputs[name], activations)
        return inputs[name]

    return {name: cast(Tensor, map_of(name)) for name in methods}


def _check_shape(method: str, raw: object, activations: Tensor) -> None:
    expected = (len(activations), *activations.shape[2:])
    shape = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
    if shape != expected:
        raise FaithcamError(
            f"{registry.METHODS[method].function.__module__}: {method} returned {shape}, expected "
            f"maps of one number per image and cell, {expected}; sum over the channels, say"
        )


@torch.no_grad()
def explain(
    model: Explainable,
    images: Tensor,
    classes: Tensor,
    methods: Sequence[str],
    *,
    explained_score: ExplainedScore = "logit",
) -> dict[str, Tensor]:
    """Return the raw signed maps of all methods, at native resolution, from one forward pass.

    Args:
        model: a network in eval mode, e.g. a ``CamNet``.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W) for an ``AxialNet``.
        classes: index of the class to explain, (N,).
        methods: names from ``faithcam.maps.registry.METHODS`` that need nothing but network,
            images and classes, or maps made from these.
        explained_score: ``logit`` explains y_c, ``centred`` explains y_c - mean_j y_j.

    Returns:
        For each method its maps (N, h, w), of volumes (N, S, h, w).

    Raises:
        FaithcamError: if a method is unknown, or returns what are no maps.
        ValueError: if a method cannot explain this network, or needs more.
    """
    return maps_of(
        model, model.activations(images), classes, methods, explained_score, {"images": images}
    )
