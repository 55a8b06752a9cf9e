"""Spec of a metric: all that is known before it is computed.

A metric is two files of its family's folder: ``NAME_spec.py`` declares ``METRIC``, a
:class:`Metric`, and imports without torch; ``NAME.py`` has its formulas and ``score``. The spec
lists every :class:`faithcam.metrics.evaluation.Evaluation` of the metric; all that plans,
computes, compares, judges and draws reads them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from faithcam.core.errors import FaithcamError
from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec


def _no_options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    return {}


def _nothing(config: Config, network: NetworkSpec) -> float:
    return 0


@dataclass(frozen=True)
class Metric:
    """Facts about a metric, declared as ``METRIC`` in its spec.

    Args:
        title: its name in texts and figures.
        larger_is_better: whether a larger score is better.
        source: where it is defined.
        range: smallest and largest score possible in the primary setting.
        evaluations: all its evaluations, as a function of the config and the network; they have the
            metric's name.
        options: keyword arguments of ``score``, likewise.
        maps: what it scores: ``stored`` maps, or such as are ``made`` while it is computed (of
            other images, or by other networks).
        needs: what it is computed from beside network, images, classes, maps and noise, and cannot
            be without: ``masks`` of what is to be found, ``renderings`` of the images without
            their parts, ``standard_images`` to standardise on; a data set must have it. Or
            ``truth``: what each cell contributes, of the first ``truth.images`` explained images.
        uses: the same of what it is computed from where a data set has it.
        tables: names of the further tables that ``score`` makes; ``checks`` are laws.
        drawn_per_network: whether one draw of its random numbers, as new weights, moves all images
            of a network together, and not each by itself; the noise floor depends on it.
        reference: what removed pixels show, where the settings do not say it (``imputer``).
        removes: whether its passes are over images that lose regions one after another.
        handling: what else a pass costs, in multiply-adds per pixel.
        further_bytes: what an image leaves beside scores.
        exact: whether networks are float32 whatever the config's ``precision``.
        binary: whether an image's score is 0 or 1.
        published: whether the published study compared maps by it: the report's answer is of these.
        compared: whether its methods are compared with each other (statistics).
        all_images: whether wrongly classified images count in its means.
        heads: heads of the networks it is for; ``other``: not Flatten or GAP and one linear layer.
        architectures: of the networks it is for; none means all.
        volumes: whether it is defined for volumes, too.
        multi_label: whether it is defined for several labels per image, too.
    """

    title: str
    larger_is_better: bool
    source: str
    range: tuple[float, float]
    evaluations: Callable[[Config, NetworkSpec], Iterable[Evaluation]]
    options: Callable[[Config, NetworkSpec], dict[str, Any]] = _no_options
    maps: Literal["stored", "made"] = "stored"
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    drawn_per_network: bool = False
    reference: str = ""
    removes: bool = False
    handling: Callable[[Config, NetworkSpec], float] = _nothing
    further_bytes: Callable[[Config, NetworkSpec], float] = _nothing
    exact: bool = False
    binary: bool = False
    published: bool = False
    compared: bool = True
    all_images: bool = False
    heads: tuple[str, ...] = ("flatten", "gap", "other")
    architectures: tuple[str, ...] = ()
    volumes: bool = False
    multi_label: bool = False

    def __post_init__(self) -> None:
        """Refuse what would be taken for something else: every text is true.

        Raises:
            FaithcamError: naming the metric and the field.
        """
        for name in ("larger_is_better", "published", "compared", "all_images", "binary"):
            if not isinstance(value := getattr(self, name), bool):
                raise FaithcamError(
                    f"metric {self.title}: {name} is {value!r}, expected True or False"
                )

    @property
    def takes_candidates(self) -> bool:
        """Whether it can be asked about any maps of an image, not only those of methods."""
        return self.maps == "stored" and (self.compared or "truth" in self.needs)

    def supports(self, network: NetworkSpec) -> tuple[bool, str]:
        """Return whether the metric applies to a network on a data set, and if not, why."""
        if network.multi_label and not self.multi_label:
            return False, "is not defined for several labels per image"
        if network.slices and not self.volumes:
            return False, "is not defined for volumes"
        if network.head not in self.heads:
            return False, f"is for networks with head {' or '.join(self.heads)}"
        if self.architectures and network.architecture not in self.architectures:
            return False, f"is for {', '.join(self.architectures)}"
        if "renderings" in self.needs and not network.has_renderings:
            return False, "needs images that can be rendered without their parts (phantom, task)"
        if "masks" in self.needs and not network.has_masks:
            return (
                False,
                "needs masks of each label" if network.multi_label else "needs lesion masks",
            )
        return True, ""


def of_all_maps(
    metric: str,
    passes: Callable[[NetworkSpec], int] | None = None,
    *,
    clean: bool = False,
    **setting: object,
) -> Callable[[Config, NetworkSpec], Iterable[Evaluation]]:
    """Return a function that declares one evaluation: of all maps and controls, strict protocol.

    Args:
        metric: its name.
        passes: over an image for each map, as a function of the network; none if it is not asked.
        clean: whether the network is asked about the image itself, too.
        setting: see :class:`faithcam.metrics.evaluation.Evaluation`.
    """

    def evaluations(config: Config, network: NetworkSpec) -> list[Evaluation]:
        methods = network.everything
        maps = network.orders_of(methods) if passes else ()
        asked = (*[CLEAN] * clean, *(Passes((name,), passes(network)) for name in maps if passes))
        chosen = Setting.of(**setting)
        return [Evaluation(metric, "strict", chosen, methods, "primary", passes=asked)]

    return evaluations
