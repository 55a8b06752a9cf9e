"""Metrics of one's own: functions of tensors, and their scores beside what judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.core.setting import Setting
from faithcam.core.views import size_of
from faithcam.metrics import registry
from faithcam.metrics.accuracy import blind, truth_agreement
from faithcam.metrics.inputs import GivenMaps, Inputs, Scored
from faithcam.metrics.networks import NetworkSpec
from faithcam.models.camnet import CamNet
from faithcam.results.declared import FACT, PRIMARY, STRICT, Declared
from faithcam.validity.measured import BLIND, TRUTH, Asked
from faithcam.validity.readings import Key, Readings

Array = np.ndarray[Any, np.dtype[np.float64]]


class Score(Protocol):
    """A metric: how good it finds maps of some images."""

    def __call__(self, network: CamNet, images: Tensor, classes: Tensor, maps: Tensor, /) -> Tensor:
        """Return a number per image, (N,), of maps (N, h, w): signed, in native cells."""


@dataclass(frozen=True)
class Own:
    """A metric, and what must be known to judge it.

    Args:
        score: of maps.
        larger_is_better: which of two maps it prefers.
        reference: the estimand whose reference the metric removes cells with, if any: agreement
            with that one is no finding.
    """

    score: Score
    larger_is_better: bool = True
    reference: str = ""


def key_of_own(name: str) -> Key:
    """Return what names the evaluation of a metric of one's own."""
    return STRICT, name, str(Setting())


def readings(
    inputs: Inputs, candidates: Mapping[str, Tensor], metrics: Mapping[str, Own]
) -> tuple[Asked, Readings]:
    """Return what is asked about some maps, and the scores: of the metrics, blind ones, the truth.

    Args:
        inputs: of a network and its images, with their truth.
        candidates: raw maps (N, h, w) by name.
        metrics: by name.

    Raises:
        FaithcamError: if a metric returns other than one finite number per image.
    """
    names, count = sorted(candidates), len(inputs.images)
    network = _spec(inputs, names)
    given = replace(inputs, maps=GivenMaps(candidates))
    config = {"truth": {"estimands": list(inputs.truth)}}
    kinds = registry.evaluations(config, BLIND, network)
    facts = [e for e in registry.evaluations(config, TRUTH, network) if e.role == FACT]
    with torch.no_grad():
        scored = [
            *blind.score(given, kinds).scored,
            *truth_agreement.score(given, facts, offset=network.offset, references={}).scored,
        ]
    values = {
        (s.evaluation.metric, str(s.evaluation.setting), s.method): _values(s) for s in scored
    }
    values |= {
        (*key_of_own(metric)[1:], name): _scored(inputs, metric, own, name, candidates[name])
        for metric, own in metrics.items()
        for name in names
    }
    same = (network.dataset, network.architecture, network.head, STRICT)
    declared = [
        Declared(
            *(*same, name, Setting(), PRIMARY),
            larger_is_better=own.larger_is_better,
            reference=own.reference,
        )
        for name, own in metrics.items()
    ]
    declared += [Declared(*same, BLIND, kind.setting, kind.role, compared=False) for kind in kinds]
    asked = Asked(declared, list(inputs.truth))
    rows = [[values[*key[1:], name] for name in names] for key in asked.keys]
    whole = np.stack([np.stack(row, axis=1) for row in rows])
    right = np.ones(count, bool)  # none of them is about the label
    return asked, Readings(0, names, np.arange(count), right, whole, np.ones(whole.shape, bool))


def _spec(inputs: Inputs, names: Sequence[str]) -> NetworkSpec:
    """Return the network as a config would describe it."""
    _, depth, _, cells = inputs.network.activations(inputs.images[:1]).shape
    streams, head = inputs.noise.streams, inputs.network.head
    return NetworkSpec(
        streams.dataset, streams.model, head, size_of(inputs.images)[0], slices=0,
        channels=inputs.channels, cells=cells, depth=depth, offset=0.0, methods=tuple(names),
        controls=(), multi_label=inputs.multi_label, task="", has_masks=False, train_images=0,
        val_images=0,
    )  # fmt: skip


def _scored(inputs: Inputs, metric: str, own: Own, name: str, maps: Tensor) -> Array:
    """Return a metric's scores of a map, (N,); what it is given it may overwrite."""
    given = (tensor.clone() for tensor in (inputs.images, inputs.classes, maps))
    with torch_seed(inputs.noise.streams.seed, "a metric of one's own", metric):
        values = torch.as_tensor(own.score(inputs.network, *given)).detach().double().cpu()
    expected = (len(inputs.images),)
    if tuple(values.shape) != expected:
        raise FaithcamError(
            f"metrics: {metric} returned {tuple(values.shape)} for the map {name}, expected a "
            f"number per image, {expected}"
        )
    if not bool(values.isfinite().all()):
        image = int((~values.isfinite()).nonzero()[0, 0])
        raise FaithcamError(
            f"metrics: {metric} returned {float(values[image])} for the map {name} of image "
            f"{image}, expected a finite number; leave the image or the map out"
        )
    return values.numpy()


def _values(scored: Scored) -> Array:
    """Return scores (N,), NaN where the map's status is not ok."""
    ok = np.array([status == "ok" for status in scored.statuses])
    return np.where(ok, scored.values.double().cpu().numpy(), np.nan)
