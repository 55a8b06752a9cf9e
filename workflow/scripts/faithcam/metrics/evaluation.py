"""Evaluations: each is one way to score maps, and every row of scores is of one.

Importing this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from faithcam.core.setting import Setting

Config = Mapping[str, Any]
Role = Literal["primary", "variant", "replicate", "fact"]
Protocol = Literal["thesis", "strict"]


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


CLEAN = Passes(("clean",), 1)  # over the image as it is
STANDARD = 32  # images over which the layers of a network with new weights are standardised


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
        judged: whether it stands for the metric where metrics are judged; None: if it is the strict
            primary one.
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
    judged: bool | None = None

    @property
    def is_judged(self) -> bool:
        """Whether it stands for the metric where metrics are judged."""
        primary = (self.protocol, self.role) == ("strict", "primary")
        return primary if self.judged is None else self.judged

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
    groups: dict[tuple[str, ...], list[Evaluation]] = {}
    for evaluation in evaluations:
        if protocol in (None, evaluation.protocol):
            key = tuple(evaluation.setting.get(name, "") for name in names)
            groups.setdefault(key, []).append(evaluation)
    return groups


def methods_of(evaluations: Iterable[Evaluation]) -> list[str]:
    """Return all methods of some evaluations, each once."""
    return list(dict.fromkeys(name for evaluation in evaluations for name in evaluation.methods))


def total_passes(evaluations: Iterable[Evaluation], *, once: bool = False) -> float:
    """Return the forward passes of evaluations: the sum over the distinct ones.

    Args:
        evaluations: of one metric and network.
        once: whether to count those that are made once in a job, or those of each image.
    """
    distinct = {passes for evaluation in evaluations for passes in evaluation.passes}
    return sum(passes.count for passes in distinct if passes.once == once)


def both_draws(
    evaluation: Evaluation, passes: Callable[[int], tuple[Passes, ...]]
) -> Iterator[Evaluation]:
    """Yield an evaluation with its first draw of the noise, then with the second, its replicate.

    Args:
        evaluation: without ``replicate`` and passes.
        passes: of the draw 0 or 1.
    """
    first = replace(evaluation, setting=evaluation.setting.replace(replicate=0), passes=passes(0))
    yield first
    yield replace(
        first,
        setting=first.setting.replace(replicate=1),
        role="replicate",
        replicate_of=first.setting,
        passes=passes(1),
    )
