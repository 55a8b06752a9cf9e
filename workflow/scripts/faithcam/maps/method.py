"""Spec of a map method, without torch: what it takes, where it applies, what it costs.

A method is one file of ``faithcam.maps.methods`` with ``METHODS = {"name": Method(function,
source=...)}``; the config can name it then.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from faithcam.core.errors import FaithcamError

BOTH, FLATTEN, GAP = ("flatten", "gap"), ("flatten",), ("gap",)
INPUTS = (
    "activations", "gradients", "scores", "mean_activations", "other_activations", "images",
    "backgrounds", "classes", "explained_score", "model", "cells", "image_ids", "streams",
)  # fmt: skip


@dataclass(frozen=True)
class ExplainedNetwork:
    """Facts about a network to be explained.

    Args:
        head: ``flatten`` or ``gap`` and one linear layer, or ``other``.
        signed: whether A has negative entries: no ReLU stands before the head.
        channels: K of A.
        cells: h = w of A.
    """

    head: str
    signed: bool = False
    channels: int = 0
    cells: int = 0


@dataclass(frozen=True)
class Method:
    """Facts about a map method.

    Args:
        function: returns the raw signed maps (N, h, w) from what it needs.
        needs: what ``function`` takes, in this order: ``activations`` A (N, K, h, w),
            ``gradients`` dy_c/dA, ``scores`` explained (N,), ``mean_activations`` (K, h, w) of A
            over the training split, ``other_activations`` of other explained images, ``images``
            (N, C, H, W), ``backgrounds``: training images of a draw, like the images (a function),
            ``classes`` (N,), ``explained_score`` (logit or centred), ``model``, ``cells`` (h, w),
            ``image_ids``, ``streams``; another method's raw maps (N, h, w), by its name; or what
            ``shared`` makes. Default: the names of its parameters.
        source: where it is defined.
        heads: heads of the networks it can explain.
        linear: whether it is right only where the logits are linear in A.
        caveat: which premise fails where A has negative entries; "" if none does.
        volumes: whether it makes maps (N, S, h, w) of volumes' activations (N, K, S, h, w), too.
        same_with_gap: whether its map of a GAP network is HiResCAM's up to a factor.
        shared: what it takes of the images whatever class is explained, by name, and the function
            that makes it, whose parameters are among the above: made once for all scores.
        passes: forward passes per image and explained score; with ``shared``, for all scores.
        backward: whether a backward pass follows each of them.
        removes: whether they are of images that lose one cell after another, which is cheaper.
    """

    function: Callable[..., Any]
    source: str
    needs: tuple[str, ...] = ()
    heads: tuple[str, ...] = BOTH
    linear: bool = False
    caveat: str = ""
    volumes: bool = False
    same_with_gap: bool = False
    shared: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    passes: Callable[[ExplainedNetwork], int] = lambda network: 0
    backward: bool = False
    removes: bool = False

    def __post_init__(self) -> None:
        """Take the needs from the function's parameters, if none are given.

        Raises:
            FaithcamError: if what is to be called cannot be.
        """
        calls = {"function": self.function, "passes": self.passes, **self.shared}
        for name, value in calls.items():
            if not callable(value):
                raise FaithcamError(f"Method: {name} is {value!r}, expected a function")
        if not self.needs:
            object.__setattr__(self, "needs", parameters(self.function))

    def supports(self, network: ExplainedNetwork) -> tuple[bool, str]:
        """Return whether a network can be explained, and why not, or what to bear in mind."""
        anywhere = network.head == "other" and not self.linear
        if network.head not in self.heads and not anywhere:
            return False, f"needs a network with head {' or '.join(self.heads)}"
        return True, self.caveat if network.signed else ""


def parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of a function's parameters."""
    return tuple(inspect.signature(function).parameters)
