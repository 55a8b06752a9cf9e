"""What is known of a metric before it is computed. Importing this module does not import torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from faithcam.data import definitions as data
from faithcam.metrics.planning import Config, Model, has_masks, has_renderings


def nothing(config: Config, model: Model) -> int:
    """Return 0, the cost of what is not done."""
    return 0


@dataclass(frozen=True)
class Metric:
    """Facts about a metric, declared as ``METRIC`` in the file of its ``score_shard``.

    Args:
        title: its name in texts and figures.
        larger_is_better: whether a larger score is better.
        source: where it is defined.
        range: smallest and largest score possible in the primary setting.
        passes: forward passes per image, at most, as a function of the config and the network.
        primary: its primary setting in the strict protocol, or a function of the config that
            returns it; none for metrics with tables of their own.
        reverses: parts of a setting, ``key=value``, under which the other direction is better.
        maps: what it scores: ``stored`` maps; ``own`` maps, that it makes of any image by the
            methods whose maps come from the network alone; ``networks``: maps of other networks, by
            all methods; ``none`` if methods do not matter.
        randomised: how many networks with new weights it makes, each once per job, as a function of
            the config.
        drawn_per_network: whether one draw of its random numbers, as new weights, moves all images
            of a network together, and not each by itself; the noise floor depends on it.
        computes: methods whose maps it makes itself whatever the config names.
        needs: keys of the config that it depends on, beside its own section.
        windows: whether its passes are over images that lose regions one after another.
        handling: what else a pass costs, in multiply-adds per pixel, likewise a function.
        rows: scores of a map and image, about; they take space.
        outputs: further tables that ``score_shard`` returns; such a metric has a rule of its own.
        binary: whether an image's score is 0 or 1.
        compared: whether its methods are compared with each other (statistics).
        all_images: whether wrongly classified images count in its means.
        heads: heads of the networks it is for.
        architectures: of the networks it is for; none means all.
        truth: what a data set must have: ``renderings`` of its images without their parts,
            ``masks`` of lesions, or nothing.
        volumes: whether it is defined for volumes, too.
        several_labels: whether it is defined for several labels per image, too.
    """

    title: str
    larger_is_better: bool
    source: str
    range: tuple[float, float]
    passes: Callable[[Config, Model], int] = nothing
    primary: str | Callable[[Config], str] = ""
    reverses: tuple[str, ...] = ()
    maps: Literal["stored", "own", "networks", "none"] = "stored"
    randomised: Callable[[Config], int] = lambda config: 0
    drawn_per_network: bool = False
    computes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    windows: bool = False
    handling: Callable[[Config, Model], int] = nothing
    rows: int = 2
    outputs: tuple[str, ...] = ()
    binary: bool = False
    compared: bool = True
    all_images: bool = False
    heads: tuple[str, ...] = ("flatten", "gap")
    architectures: tuple[str, ...] = ()
    truth: str = ""
    volumes: bool = False
    several_labels: bool = False

    def supports(
        self, definition: Mapping[str, Any], architecture: str, head: str
    ) -> tuple[bool, str]:
        """Return whether the metric applies to a network on a data set, and if not, why.

        Args:
            definition: of the data set, one of the config's ``dataset_definitions``.
            architecture: name of the network.
            head: ``flatten`` or ``gap``.
        """
        if data.is_multi_label(definition) and not self.several_labels:
            return False, "is not defined for several labels per image"
        if data.slices(definition) and not self.volumes:
            return False, "is not defined for volumes"
        if head not in self.heads:
            return False, f"is for networks with head {' or '.join(self.heads)}"
        if self.architectures and architecture not in self.architectures:
            return False, f"is for {', '.join(self.architectures)}"
        if self.truth == "renderings" and not has_renderings(definition):
            return False, "needs images that can be rendered without their parts (phantom, task)"
        if self.truth == "masks" and not has_masks(definition):
            several = data.is_multi_label(definition)
            return False, "needs masks of each label" if several else "needs lesion masks"
        return True, ""

    def primary_setting(self, config: Config) -> str:
        """Return the primary setting under a config with the sections that it depends on."""
        return self.primary if isinstance(self.primary, str) else self.primary(config)

    def is_better_larger(self, setting: str) -> bool:
        """Return whether a larger score is better in a setting."""
        return self.larger_is_better != any(part in self.reverses for part in setting.split(";"))
