"""What the cost of a metric is made of, from the config alone: cells, regions, maps, replacements.

Nothing here imports torch: the workflow asks while it reads its rules.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faithcam.cams import registry as cams
from faithcam.cams.method import Network
from faithcam.data import definitions as data
from faithcam.models import registry as models

Config = Mapping[str, Any]
MOST_SEARCHED = 62  # regions whose subsets have an int64 each
STREAMS = (0, 1)  # of random numbers: for the score, and for its noise floor
STANDARD = 32  # images over which the layers of a network with new weights are standardised


@dataclass(frozen=True)
class Model:
    """One network of the plan and the data it works on.

    Args:
        dataset: a key of ``dataset_definitions``.
        architecture: name of the network.
        head: ``flatten`` or ``gap``.
    """

    dataset: str
    architecture: str
    head: str

    @classmethod
    def of(cls, dataset: str, model: str) -> "Model":
        """Return it from the names in a path: data set and architecture-head."""
        return cls(dataset, *model.rsplit("-", 1))


def definition_of(config: Config, model: Model) -> Mapping[str, Any]:
    """Return the definition of the network's data set."""
    definition: Mapping[str, Any] = config["dataset_definitions"][model.dataset]
    return definition


def size_of(config: Config, model: Model) -> int:
    """Return the side of the images in pixels."""
    return int(definition_of(config, model)["size"])


def slices_of(config: Config, model: Model) -> int:
    """Return the slices of a volume; 0 for images."""
    return data.slices(definition_of(config, model))


def several_labels(config: Config, model: Model) -> bool:
    """Return whether an image has any number of the classes: each label is explained by itself."""
    return data.is_multi_label(definition_of(config, model))


def depth_of(region: int, size: int, slices: int) -> int:
    """Return how many slices a cubic region has: as large a share as of the rows, at least one.

    Args:
        region: side in pixels.
        size: rows of a slice.
        slices: of the volume.
    """
    return max(1, (2 * region * slices + size) // (2 * size))  # halves are rounded up


def cells_of(config: Config, model: Model) -> int:
    """Return the number of cells of a map; of volumes in a slice."""
    return models.ARCHITECTURES[model.architecture].cells(size_of(config, model)) ** 2


def methods_of(config: Config, model: Model) -> list[str]:
    """Return the configured methods and controls that can explain the network."""
    return cams.supported([*config["methods"], *config["controls"]], model.head)


def distinct_maps(config: Config, model: Model, keys: Sequence[str]) -> int:
    """Return how many maps of an image may differ, or order its regions so: GAP's do not.

    Args:
        config: the experiment's.
        model: the network.
        keys: ``methods``, ``controls`` or both.
    """
    methods = [name for key in keys for name in cams.supported(config[key], model.head)]
    same = sum(model.head == "gap" and cams.METHODS[name].same_with_gap for name in methods)
    return len(methods) - max(same - 1, 0)


def every_map(config: Config, model: Model) -> int:
    """Return the number of maps of an image, controls too, that may differ: one pass each."""
    return distinct_maps(config, model, ["methods", "controls"])


def masked_passes(config: Config, model: Model) -> int:
    """Return the masked images per image, at most, and itself; equal maps are seen once."""
    return every_map(config, model) + 1


def states_of_cells(config: Config, model: Model) -> int:
    """Return the states of an image whose cells are replaced one by one, for every map.

    Of volumes those of each slice: a state of a slice is asked about once.
    """
    return cells_of(config, model) * every_map(config, model)


def own_passes(config: Config, model: Model, scores: int = 1) -> dict[str, int]:
    """Return the forward passes per image that each method makes for itself.

    Args:
        config: the experiment's.
        model: the network.
        scores: of an image that are explained.
    """
    facts = models.ARCHITECTURES[model.architecture]
    cells = facts.cells(size_of(config, model))
    network = Network(model.head, channels=facts.channels, cells=cells)
    return {
        name: cams.METHODS[name].passes(network) * (1 if cams.METHODS[name].shared else scores)
        for name in cams.with_needed(methods_of(config, model))
    }


def map_passes(config: Config, model: Model) -> int:
    """Return the passes per image for all maps of one score; a backward pass counts as two."""
    own = own_passes(config, model).items()
    work = sum(passes * (1 + 2 * cams.METHODS[name].backward) for name, passes in own)
    return 1 + ("other_activations" in cams.needs(methods_of(config, model))) + work


def search_passes(regions: int, beam: int) -> int:
    """Return the states that a beam search over orders of removal asks the network about.

    Every kept set of regions is seen as it is, and with each other region removed, too.
    """
    kept, states = 1, 0
    for left in range(regions, 0, -1):
        states += kept * (1 + left)
        kept = min(beam, kept * left)
    return states


def regions_of(size: int, region: int) -> int:
    """Return how many square regions an image has; of volumes how many a slice is cut into."""
    return math.ceil(size / region) ** 2


def strict_regions(config: Config, model: Model, regions: list[int | str]) -> dict[int | str, int]:
    """Return how many of each of the strict protocol's regions an image, or a slice, has."""
    size, cells = size_of(config, model), math.isqrt(cells_of(config, model))
    return {
        region: cells**2 if region == "native" else regions_of(size, int(region))
        for region in regions
        if region == "native"
        or "native" not in regions
        or int(region) * cells != size
        or depth_of(int(region), size, slices_of(config, model)) > 1
    }


def has_renderings(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set's test images can be rendered without their parts."""
    return "task" in definition


def has_masks(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set may have lesion masks: a folder's CSV may name them.

    With several labels per image each needs masks of its own.
    """
    if data.is_multi_label(definition):
        return "finding_masks.npy" in data.files(definition)
    if found := data.COLLECTIONS.get(definition["source"]):
        return found.masks
    return definition["source"] in ("phantom", "folder") or bool(definition.get("masks"))


def strict_imputers(config: Config, model: Model) -> list[str]:
    """Return AOPC's imputers of the strict protocol that the data set allows."""
    known = has_renderings(definition_of(config, model))
    return [i for i in config["aopc"]["strict"]["imputers"] if known or i != "rerendered"]


def fills_of(config: Config, imputers: list[str], streams: int = 1) -> int:
    """Return the replacements of all imputers: noise has draws and streams."""
    draws = config["aopc"]["strict"]["draws"]
    return sum(streams * draws if imputer == "noise" else 1 for imputer in imputers)


@dataclass(frozen=True)
class Curves:
    """AOPC curves of one kind: a protocol's region and imputer.

    Args:
        regions: that are removed one after another; of volumes those that a slice is cut into.
        draws: of the replacement.
        primary: whether it is the strict protocol's primary setting.
        noise: whether the replacement is noise.
        thesis: whether the protocol is the published one.
        controls: whether the controls are scored too.
        gauges: whether maps of the raw logit are others than the strict protocol's.
        layers: how many regions of a volume lie above each other.
    """

    regions: int
    draws: int = 1
    primary: bool = False
    noise: bool = True
    thesis: bool = False
    controls: bool = False
    gauges: bool = True
    layers: int = 1

    def orders(self, maps: int, controls: int) -> int:
        """Return the orders of removal of a number of maps and controls.

        MoRF; in the strict protocol LeRF and one random order, and where controls are scored the
        maps of the raw logit; in its primary setting MoRF under a second stream of noise. Controls:
        MoRF alone.
        """
        streams = 1 + (self.primary and self.noise)
        more = self.controls * streams * controls
        if self.thesis:
            return maps + more
        return (1 + streams) * maps + 1 + (self.controls and self.gauges) * maps + more


def aopc_curves(config: Config, model: Model) -> list[Curves]:
    """Return all kinds of AOPC's curves of an experiment's images."""
    size, settings = size_of(config, model), config["aopc"]
    slices, gauges = slices_of(config, model), not several_labels(config, model)

    def layers(region: int | str) -> int:
        depth = 1 if region == "native" else depth_of(int(region), size, slices)
        return math.ceil(max(1, slices) / depth)

    curves: list[Curves] = []
    if "thesis" in config["protocols"]:
        regions = settings["thesis"]["regions"]
        curves += [
            Curves(
                regions_of(size, region),
                thesis=True,
                controls=region == regions[0],
                layers=layers(region),
            )
            for region in regions
        ]
    if "strict" in config["protocols"]:
        strict = settings["strict"]
        imputers = strict_imputers(config, model)
        for region, count in strict_regions(config, model, strict["regions"]).items():
            first = region == strict["regions"][0]
            for imputer in imputers:
                noise = imputer == "noise"
                primary = first and imputer == imputers[0]
                controls = primary or (first and imputer == "rerendered")
                draws = strict["draws"] if noise else 1
                curves.append(
                    Curves(
                        count,
                        draws,
                        primary,
                        noise,
                        controls=controls,
                        gauges=gauges,
                        layers=layers(region),
                    )
                )
    return curves


def randomised_networks(config: Config) -> int:
    """Return how many networks MPRT makes, with new weights up to some stage."""
    return len(STREAMS) * int(config["mprt"]["stages"])
