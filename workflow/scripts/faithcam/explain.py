"""Raw maps of all methods from one forward pass, in closed form or by autograd."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from faithcam.cams import registry

Target = Literal["logit", "centred"]


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
    model: Explainable, activations: Tensor, classes: Tensor, target: Target = "logit"
) -> Tensor:
    """Return the gradient of the class score with respect to the activations.

    Args:
        model: a network; one with ``cell_weights`` needs no backward pass.
        activations: A, (N, K, h, w).
        classes: index of the class to explain, (N,).
        target: ``logit`` for y_c, ``centred`` for y_c - mean_j y_j.

    Returns:
        (N, K, h, w), or (N, K, 1, 1) where it is the same in every cell (global average pooling);
        of volumes (N, K, S, h, w) or (N, K, 1, 1, 1).
    """
    if not isinstance(model, ClosedForm):
        return autograd_gradients(model, activations, classes, target)
    weights = model.cell_weights(activations.shape)
    if model.head == "gap":
        weights = weights[(slice(None), slice(None), *[slice(1)] * (weights.ndim - 2))]
    chosen = weights[classes]
    return chosen - weights.mean(0) if target == "centred" else chosen


def autograd_gradients(
    model: Explainable, activations: Tensor, classes: Tensor, target: Target = "logit"
) -> Tensor:
    """Return the same as :func:`gradients`, (N, K, h, w), by a backward pass through the head."""
    with torch.inference_mode(False), torch.enable_grad():
        leaf = activations.clone().requires_grad_()
        logits = model.logits(leaf)
        scores = logits.gather(1, classes.clone()[:, None])[:, 0]
        if target == "centred":
            scores = scores - logits.mean(1)
        (result,) = torch.autograd.grad(scores.sum(), leaf)
    return result


def maps_of(
    model: Explainable,
    activations: Tensor,
    classes: Tensor,
    methods: Sequence[str],
    target: Target = "logit",
    given: Mapping[str, Any] | None = None,
) -> dict[str, Tensor]:
    """Return the raw maps of activations already at hand.

    Args:
        model: see :func:`explain`, as the other arguments not named here.
        activations: A, (N, K, h, w).
        classes: see there.
        methods: see there; any method whose needs are given.
        target: see there.
        given: what methods need beside activations and gradients, by the names of
            ``faithcam.cams.registry.Method``.
    """
    if target not in ("logit", "centred"):
        raise ValueError(f"target: {target!r} found, expected 'logit' or 'centred'")
    if classes.shape != activations.shape[:1] or bool((classes < 0).any()):
        raise ValueError(
            f"classes: {tuple(classes.shape)} found, expected one class index per image, "
            f"{tuple(activations.shape[:1])}, none negative"
        )
    registry.check(list(methods))
    inputs: dict[str, Any] = {
        **(given or {}),
        "activations": activations,
        "cells": tuple(activations.shape[2:]),
    }
    for name in methods:
        known = {"gradients", *inputs, *registry.METHODS}
        missing = [need for need in registry.METHODS[name].needs if need not in known]
        if missing:
            raise ValueError(
                f"{name} does not explain a network by itself: it needs {', '.join(missing)}; call "
                "its function directly"
            )
        head = model.head if isinstance(model, ClosedForm) else "without a closed form"
        able, reason = registry.METHODS[name].supports(head)
        if not able and (isinstance(model, ClosedForm) or name == "cam"):
            raise ValueError(f"{name} {reason}; this one has head {head}")
    inputs["gradients"] = gradients(model, activations, classes, target)

    def found(name: str) -> Any:
        if name not in inputs:  # a method, for itself or for another one that starts from its maps
            needed = map(found, registry.METHODS[name].needs)
            inputs[name] = registry.function(name)(*needed)
        return inputs[name]

    return {name: cast(Tensor, found(name)) for name in methods}


@torch.no_grad()
def explain(
    model: Explainable,
    images: Tensor,
    classes: Tensor,
    methods: Sequence[str],
    *,
    target: Target = "logit",
) -> dict[str, Tensor]:
    """Return the raw signed maps of all methods, at native resolution, from one forward pass.

    Args:
        model: a network in eval mode, e.g. a ``CamNet``.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W) for an ``AxialNet``.
        classes: index of the class to explain, (N,).
        methods: names from ``faithcam.cams.registry.METHODS`` that need activations and gradients
            alone, or maps made from these.
        target: ``logit`` explains y_c, ``centred`` explains y_c - mean_j y_j.

    Returns:
        For each method its maps (N, h, w), of volumes (N, S, h, w).

    Raises:
        FaithcamError: if a method is unknown.
        ValueError: if a method cannot explain this network, or needs more.
    """
    return maps_of(model, model.activations(images), classes, methods, target)
