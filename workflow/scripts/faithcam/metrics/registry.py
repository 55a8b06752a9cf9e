"""Every metric by name: what it measures, which way is better, where it applies.

Importing this module does not import torch, so that a config can be checked before any job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faithcam.data import facts
from faithcam.errors import FaithcamError


@dataclass(frozen=True)
class Metric:
    """Facts about a metric.

    Args:
        title: its name in texts and figures.
        larger_is_better: whether a larger score is better.
        source: where it is defined.
        heads: heads of the networks it is for.
        architectures: of the networks it is for; none means all.
        truth: what a data set must have: ``renderings`` of its images without their parts,
            ``masks`` of lesions, or nothing.
        volumes: whether it is defined for volumes.
    """

    title: str
    larger_is_better: bool
    source: str
    heads: tuple[str, ...] = ("flatten", "gap")
    architectures: tuple[str, ...] = ()
    truth: str = ""
    volumes: bool = False

    def supports(
        self, definition: Mapping[str, Any], architecture: str, head: str
    ) -> tuple[bool, str]:
        """Return whether the metric applies to a network on a data set, and if not, why.

        Args:
            definition: of the data set, one of the config's ``dataset_definitions``.
            architecture: name of the network.
            head: ``flatten`` or ``gap``.
        """
        if facts.is_multi_label(definition):
            return False, "is not defined for several labels per image"
        if facts.slices(definition) and not self.volumes:
            return False, "is not defined for volumes"
        if head not in self.heads:
            return False, f"is for networks with head {' or '.join(self.heads)}"
        if self.architectures and architecture not in self.architectures:
            return False, f"is for {', '.join(self.architectures)}"
        if self.truth == "renderings" and not has_renderings(definition):
            return False, "needs images that can be rendered without their parts (phantom, task)"
        if self.truth == "masks" and not has_masks(definition):
            return False, "needs lesion masks"
        return True, ""


def has_renderings(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set's test images can be rendered without their parts."""
    return "task" in definition


def has_masks(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set may have lesion masks: a folder's CSV may name them."""
    return definition["source"] != "medmnist" or bool(definition.get("masks"))


_FLATTEN = ("flatten",)
_OURS = "docs/validity.md"
METRICS = {
    "aopc": Metric("AOPC", True, "arXiv 1509.06321"),
    "max_sensitivity": Metric("Max-Sensitivity", False, "arXiv 1901.09392"),
    "haas": Metric("HAAS", True, "10.1109/ACCESS.2022.3184453"),
    "feature_aopc": Metric("Feature-space AOPC", True, _OURS, _FLATTEN, volumes=True),
    "agreement": Metric("Agreement with gold", True, _OURS, truth="renderings"),
    "localisation": Metric("Localisation", True, "arXiv 1608.00507, 2003.07258", truth="masks"),
    "similarity": Metric("Similarity to HiResCAM", True, _OURS, _FLATTEN, volumes=True),
    "dose_response": Metric("Dose-response", True, _OURS, _FLATTEN),
    "damage_ladder": Metric("Damage ladder", True, _OURS, _FLATTEN),
    "convergence": Metric("Convergence", True, _OURS, _FLATTEN),
    "multiverse": Metric("Multiverse", True, _OURS, _FLATTEN),
    "patch_net": Metric("Patch net", True, _OURS, _FLATTEN, ("patch_small",)),
}


def check(metrics: list[str]) -> None:
    """Raise FaithcamError naming the first unknown metric."""
    for name in metrics:
        if name not in METRICS:
            raise FaithcamError(f"metrics: {name!r} is unknown; choose from {', '.join(METRICS)}")


def supported(config: Mapping[str, Any], dataset: str, architecture: str, head: str) -> list[str]:
    """Return the configured metrics that apply to a network on a data set."""
    definition = config["dataset_definitions"][dataset]
    return [
        name
        for name in definition.get("metrics", config["metrics"])
        if METRICS[name].supports(definition, architecture, head)[0]
    ]
