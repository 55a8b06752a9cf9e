"""What is known of a metric before it is computed, and what of it is computed.

A metric is two files of one name: ``metrics/specs/NAME.py`` declares ``METRIC``, a :class:`Metric`,
and imports without torch; ``metrics/NAME.py`` has its formulas and ``score``. The spec lists every
:class:`Evaluation` of the metric; all that plans, computes, compares, judges and draws reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from faithcam.metrics.networks import NetworkSpec
from faithcam.setting import Setting

Config = Mapping[str, Any]
Role = Literal["primary", "variant", "replicate", "fact"]


@dataclass(frozen=True)
class Passes:
    """Forward passes that an evaluation reads; equal ones are paid once.

    Args:
        of: names what the network is asked.
        count: forward passes per image; a backward pass counts as two.
        once: whether they are made once in a job, not for every image.
    """

    of: tuple[object, ...]
    count: float
    once: bool = False


@dataclass(frozen=True)
class Evaluation:
    """One way to score maps: the scores of all its methods are rows of the result.

    Args:
        metric: name of the metric.
        protocol: ``thesis`` (as published) or ``strict``.
        setting: what else fixes the number.
        methods: names of the maps, baselines or nulls that are scored.
        role: ``primary``: the one that stands for the metric in its protocol; ``variant``: another
            one; ``replicate``: a second draw of the noise, for the noise floor; ``fact``: no score
            to compare, but a number that explains scores.
        replicate_of: the setting of the first draw.
        reversed: whether the other direction is better than the metric's.
        passes: forward passes that the scores are made from.
        curves: methods whose curve is kept beside the score.
    """

    metric: str
    protocol: str
    setting: Setting
    methods: tuple[str, ...]
    role: Role = "variant"
    replicate_of: Setting | None = None
    reversed: bool = False
    passes: tuple[Passes, ...] = ()
    curves: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return what a job needs of it: text and lists, as Snakemake compares parameters."""
        return {
            "protocol": self.protocol,
            "setting": str(self.setting),
            "methods": list(self.methods),
            "role": self.role,
            "curves": list(self.curves),
        }

    @classmethod
    def of(cls, metric: str, plain: Mapping[str, Any]) -> Evaluation:
        """Return an evaluation of a metric from what :meth:`plain` returned."""
        return cls(
            metric,
            plain["protocol"],
            Setting.parse(plain["setting"]),
            tuple(plain["methods"]),
            plain["role"],
            curves=tuple(plain["curves"]),
        )


def grouped(
    evaluations: Iterable[Evaluation], *names: str, protocol: str | None = None
) -> dict[tuple[str, ...], list[Evaluation]]:
    """Return evaluations by the values of some parts of their settings, "" where one is missing.

    Args:
        evaluations: to be grouped, in their order.
        names: of the parts.
        protocol: of those that are wanted; None means both.
    """
    found: dict[tuple[str, ...], list[Evaluation]] = {}
    for evaluation in evaluations:
        if protocol in (None, evaluation.protocol):
            key = tuple(evaluation.setting.get(name, "") for name in names)
            found.setdefault(key, []).append(evaluation)
    return found


def methods_of(evaluations: Iterable[Evaluation]) -> list[str]:
    """Return all methods of some evaluations, each once."""
    return list(dict.fromkeys(name for evaluation in evaluations for name in evaluation.methods))


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
            their parts, ``standard_images`` to standardise on; a data set must have it.
        uses: the same of what it is computed from where a data set has it.
        tables: names of the further tables that ``score`` makes; ``checks`` are laws.
        drawn_per_network: whether one draw of its random numbers, as new weights, moves all images
            of a network together, and not each by itself; the noise floor depends on it.
        removes: whether its passes are over images that lose regions one after another.
        handling: what else a pass costs, in multiply-adds per pixel.
        further_bytes: what an image leaves beside scores.
        exact: whether networks are float32 whatever the config's ``precision``.
        binary: whether an image's score is 0 or 1.
        judged: whether the controls judge it.
        compared: whether its methods are compared with each other (statistics).
        all_images: whether wrongly classified images count in its means.
        heads: heads of the networks it is for.
        architectures: of the networks it is for; none means all.
        volumes: whether it is defined for volumes, too.
        several_labels: whether it is defined for several labels per image, too.
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
    removes: bool = False
    handling: Callable[[Config, NetworkSpec], float] = _nothing
    further_bytes: Callable[[Config, NetworkSpec], float] = _nothing
    exact: bool = False
    binary: bool = False
    judged: bool = False
    compared: bool = True
    all_images: bool = False
    heads: tuple[str, ...] = ("flatten", "gap")
    architectures: tuple[str, ...] = ()
    volumes: bool = False
    several_labels: bool = False

    def supports(self, network: NetworkSpec) -> tuple[bool, str]:
        """Return whether the metric applies to a network on a data set, and if not, why."""
        if network.several and not self.several_labels:
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
            return False, "needs masks of each label" if network.several else "needs lesion masks"
        return True, ""


def total_passes(evaluations: Iterable[Evaluation], *, once: bool = False) -> float:
    """Return the forward passes of evaluations: the sum over the distinct ones.

    Args:
        evaluations: of one metric and network.
        once: whether to count those that are made once in a job, or those of each image.
    """
    distinct = {passes for evaluation in evaluations for passes in evaluation.passes}
    return sum(passes.count for passes in distinct if passes.once == once)


def noise_streams(setting: Setting) -> Iterator[tuple[Setting, Role, Setting | None]]:
    """Yield a setting with its first draw of the noise, then with the second, its replicate."""
    first = setting.replace(stream=0)
    yield first, "variant", None
    yield setting.replace(stream=1), "replicate", first
