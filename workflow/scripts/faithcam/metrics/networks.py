"""Spec of a network to be scored, from the config: its images, its cells, the maps it has.

Nothing here imports torch: the workflow asks while it reads its rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from faithcam.data import definitions as data
from faithcam.maps import registry as cams
from faithcam.maps.given import Grids
from faithcam.maps.method import ExplainedNetwork
from faithcam.models import registry as models


@dataclass(frozen=True)
class NetworkSpec:
    """One network of the plan, whatever its training seed, and the data it works on.

    Args:
        dataset: a key of ``dataset_definitions``.
        architecture: name of the network.
        head: ``flatten`` or ``gap`` and one linear layer, or ``other``.
        size: side of the images in pixels.
        slices: of a volume; 0 for images.
        channels: of the images: 1 (grey) or 3.
        cells: side of a map, of volumes in a slice.
        depth: channels K of the activations.
        offset: of the cells' centres, see :class:`faithcam.models.architecture.Architecture`.
        methods: the configured methods that can explain it.
        controls: the configured controls that can.
        multi_label: whether an image has any number of the classes.
        task: of a phantom with planted parts; "" for other data.
        has_masks: whether its images may have masks of what is to be found.
        train_images: images of the training split; 0 where only preparing them can tell.
        val_images: images of the validation split, likewise.
        twin: whether it is a GAP twin of networks with a Flatten head: it confirms a law, that all
            its maps are one, and is not asked what its cells contribute.
    """

    dataset: str
    architecture: str
    head: str
    size: int
    slices: int
    channels: int
    cells: int
    depth: int
    offset: float
    methods: tuple[str, ...]
    controls: tuple[str, ...]
    multi_label: bool
    task: str
    has_masks: bool
    train_images: int
    val_images: int
    twin: bool = False

    @classmethod
    def of(
        cls, config: Mapping[str, Any], dataset: str, architecture: str, head: str
    ) -> NetworkSpec:
        """Return what a config says of a network."""
        definition = config["dataset_definitions"][dataset]
        splits = data.split_images(definition) or {"train": 0, "val": 0}
        size = int(definition["size"])
        architecture_spec = models.find(architecture, config.get("resources", ""))
        twin = is_twin(config, dataset, architecture, head)
        methods, controls = (cams.supported(config[key], head) for key in ("methods", "controls"))
        if twin:  # it confirms a law about maps that are made here
            methods, controls = cams.known(methods), cams.known(controls)
        return cls(
            dataset,
            architecture,
            head,
            size,
            data.slices(definition),
            data.channels(definition),
            architecture_spec.cells(size),
            architecture_spec.channels,
            architecture_spec.offset,
            tuple(methods),
            tuple(controls),
            data.is_multi_label(definition),
            str(definition.get("task", "")),
            _has_masks(definition),
            splits["train"],
            splits["val"],
            twin,
        )

    @property
    def everything(self) -> tuple[str, ...]:
        """Methods, then controls."""
        return self.methods + self.controls

    @property
    def grids(self) -> Grids:
        """The shapes that maps from elsewhere can have."""
        slices = (self.slices,) * bool(self.slices)
        return Grids((*slices, self.cells, self.cells), (*slices, self.size, self.size))

    def asks_all(self, config: Mapping[str, Any]) -> bool:
        """Return whether variants are judged, too: as its data set says, or the experiment."""
        own = config.get("dataset_definitions", {}).get(self.dataset, {}).get("evaluations")
        return str(own or config["concordance"]["evaluations"]) == "all"

    def judged_methods(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the methods of variants: where these are judged, controls are among them."""
        return self.everything if self.asks_all(config) else self.methods

    @property
    def has_renderings(self) -> bool:
        """True if its test images can be rendered without their parts."""
        return bool(self.task)

    def made(self, methods: Iterable[str]) -> tuple[str, ...]:
        """Return those of some methods whose map of any image comes from the network alone."""
        return tuple(cams.from_model(methods))

    def remade(self, methods: Iterable[str]) -> tuple[str, ...]:
        """Return those of some methods whose maps are made again of a network with new weights."""
        return tuple(cams.remade(methods))

    def map_of(self, method: str) -> str:
        """Return one name for all methods whose maps order the cells alike: with GAP some do."""
        known = cams.METHODS.get(method)  # a map of one's own has no spec
        same = self.head == "gap" and known is not None and known.same_with_gap
        return "same with gap" if same else method

    def orders_of(self, methods: Iterable[str]) -> list[str]:
        """Return the names of :meth:`map_of`, each once."""
        return sorted({self.map_of(method) for method in methods})

    def passes_of_maps(self, methods: Iterable[str], scores: int = 1) -> int:
        """Return the passes per image that maps of some methods take beside the one for A.

        A backward pass counts as two.

        Args:
            methods: of the maps.
            scores: of an image that are explained.
        """
        network = ExplainedNetwork(self.head, channels=self.depth, cells=self.cells)
        total = int("other_activations" in cams.needs(methods))
        for name in cams.with_needed(methods):
            method = cams.METHODS[name]
            again = 1 if method.shared else scores
            total += again * method.passes(network) * (1 + 2 * method.backward)
        return total

    def passes_of_mean(self, methods: Iterable[str]) -> int:
        """Return the passes for the mean activations, if any of the methods takes them."""
        return self.train_images * ("mean_activations" in cams.needs(methods))


def is_twin(config: Mapping[str, Any], dataset: str, architecture: str, head: str) -> bool:
    """Return whether a network is a GAP twin; one of the user's own, with one head, is none."""
    heads = config["dataset_definitions"][dataset].get("heads", config["heads"])
    if head != "gap" or "flatten" not in heads:
        return False
    return not models.find(architecture, config.get("resources", "")).head


def _has_masks(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set may have lesion masks: a folder's CSV may name them.

    With several labels per image each needs masks of its own.
    """
    if data.is_multi_label(definition):
        return "finding_masks.npy" in data.files(definition)
    if collection := data.COLLECTIONS.get(definition["source"]):
        return collection.masks
    return definition["source"] in ("phantom", "folder") or bool(definition.get("masks"))
