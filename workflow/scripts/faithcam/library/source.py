"""Maps of some images, given or made, and all that metrics are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError
from faithcam.core.explained import ExplainedScore
from faithcam.core.seeding import Noise, Streams
from faithcam.core.views import size_of
from faithcam.library.explaining import Method, maps_by
from faithcam.library.prepare import Parts, batches
from faithcam.maps.pixels import given_on_cells
from faithcam.metrics.inputs import Inputs
from faithcam.metrics.networks import NetworkSpec


class Source:
    """Maps of some images, given or made, and all that metrics are computed from."""

    def __init__(
        self,
        network: Parts,
        images: Tensor,
        classes: Tensor,
        labels: Tensor,
        maps: Mapping[str, Any] | Method | Sequence[Method],
        backgrounds: Tensor | None,
        batch_size: int,
        seed: int,
    ) -> None:
        self.network, self.images, self.classes, self.labels = network, images, classes, labels
        self._backgrounds, self._size, self._seed = backgrounds, batch_size, seed
        self._activations = network.activations(images[:1])
        self._answers = torch.cat([network(part) for part in batches(images, batch_size)]).argmax(1)
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

    def _checked(self, name: str, raw: Any) -> Tensor:
        try:
            return given_on_cells(name, raw, self.images, tuple(self._activations.shape[2:]))
        except ValueError as error:
            raise FaithcamError(str(error)) from None

    def _raw(self, explained_class: str, explained_score: ExplainedScore) -> dict[str, Tensor]:
        if self._given is not None:
            return self._given
        key = (explained_class, explained_score)
        if key not in self._made:
            classes = self.labels if explained_class == "label" else self.classes
            self._made[key] = maps_by(
                *(self.network, self.images, classes, self._methods, explained_score, None),
                *(self._backgrounds, self._size, self._seed),
            )
        return self._made[key]

    @property
    def given(self) -> bool:
        """Whether somebody gave the maps, so that none can be made of other images."""
        return self._given is not None

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
            self._answers[places],
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
