"""What the cost of a metric is made of, from the config alone: cells, regions, maps, replacements.

Nothing here imports torch: the workflow asks while it reads its rules.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faithcam.cams import registry as cams
from faithcam.data import registry as data
from faithcam.models import registry as models

Config = Mapping[str, Any]
MOST_SEARCHED = 62  # regions whose subsets have an int64 each


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


def cells_of(config: Config, model: Model) -> int:
    """Return the number of cells of a map."""
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


def states_of_cells(config: Config, model: Model) -> int:
    """Return the states of an image whose cells are replaced one by one, for every map."""
    return cells_of(config, model) * every_map(config, model)


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
    """Return how many square regions an image has."""
    return math.ceil(size / region) ** 2


def strict_regions(config: Config, model: Model, regions: list[int | str]) -> dict[int | str, int]:
    """Return how many of each of the strict protocol's regions an image has."""
    size, cells = size_of(config, model), math.isqrt(cells_of(config, model))
    return {
        region: cells**2 if region == "native" else regions_of(size, int(region))
        for region in regions
        if region == "native" or "native" not in regions or int(region) * cells != size
    }


def has_renderings(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set's test images can be rendered without their parts."""
    return "task" in definition


def has_masks(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set may have lesion masks: a folder's CSV may name them."""
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
        regions: that are removed one after another.
        draws: of the replacement.
        primary: whether it is the strict protocol's primary setting.
        noise: whether the replacement is noise.
        thesis: whether the protocol is the published one.
        controls: whether the controls are scored too.
    """

    regions: int
    draws: int = 1
    primary: bool = False
    noise: bool = True
    thesis: bool = False
    controls: bool = False

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
        return (1 + streams) * maps + 1 + self.controls * maps + more


def aopc_curves(config: Config, model: Model) -> list[Curves]:
    """Return all kinds of AOPC's curves of an experiment's images."""
    size, settings = size_of(config, model), config["aopc"]
    curves: list[Curves] = []
    if "thesis" in config["protocols"]:
        regions = settings["thesis"]["regions"]
        curves += [
            Curves(regions_of(size, region), thesis=True, controls=region == regions[0])
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
                curves.append(Curves(count, draws, primary, noise, controls=controls))
    return curves
