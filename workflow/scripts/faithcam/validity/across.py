"""Verdicts over data sets: each is shown; what is chosen on some is confirmed on the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from faithcam.core import seeding
from faithcam.validity.pooled import Pooled, pooled
from faithcam.validity.verdict import (
    FAMILIES,
    OWN_REFERENCE,
    USABLE,
    Judged,
    Key,
    Recommendation,
    Verdict,
)

FEWEST = 4  # data sets: two to choose on, two to confirm on
LEAST_ERROR = 1e-6  # a data set without any spread does not weigh infinitely
CONFIRMED, NOT_CONFIRMED = "confirmed", "not confirmed"

Judgements = Mapping[str, tuple[Sequence[Verdict], Recommendation]]  # by data set


@dataclass(frozen=True)
class Across:
    """Result of several data sets together for an evaluation and estimand.

    Args:
        evaluation: protocol, metric and setting.
        estimand: name of the truth.
        datasets: verdicts by data set.
        families: the pooled difference C - floor, by family.
    """

    evaluation: Key
    estimand: str
    datasets: dict[str, Verdict]
    families: dict[str, Pooled]

    @property
    def reason(self) -> str:
        """Which word was said of which data sets."""
        by_word: dict[str, list[str]] = {}
        for dataset, verdict in self.datasets.items():
            by_word.setdefault(verdict.word, []).append(dataset)
        return "; ".join(f"{word}: {', '.join(names)}" for word, names in sorted(by_word.items()))


def across(judgements: Judgements, names: Sequence[str]) -> list[Across]:
    """Return what some data sets say together, for each evaluation and estimand that two have."""
    by_key: dict[tuple[Key, str], dict[str, Verdict]] = {}
    for dataset in names:
        for verdict in judgements[dataset][0]:
            by_key.setdefault((verdict.evaluation, verdict.estimand), {})[dataset] = verdict
    rows = []
    for (evaluation, estimand), verdicts in by_key.items():
        if len(verdicts) > 1:
            families = {}
            for family in FAMILIES:
                some = [v.families[family] for v in verdicts.values() if family in v.families]
                some = [each for each in some if each.difference.error >= 0]
                if some:
                    families[family] = _pooled(some)
            rows.append(Across(evaluation, estimand, verdicts, families))
    return rows


def _pooled(judged: Sequence[Judged]) -> Pooled:
    errors = np.maximum([each.difference.error for each in judged], LEAST_ERROR)
    return pooled(np.array([each.difference.value for each in judged]), errors)


def halves(names: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Return a keyed split of data sets: those to choose on, those to confirm on."""
    order = seeding.generator(seed, "halves of the data sets").permutation(len(names))
    shuffled = [sorted(names)[i] for i in order]
    first = (len(names) + 1) // 2
    return sorted(shuffled[:first]), sorted(shuffled[first:])


def confirmed(
    judgements: Judgements, seed: int, confidence: float, confirm: Sequence[str] = ()
) -> tuple[Key, str, str] | None:
    """Choose an evaluation on some of the data sets, and confirm it on the others.

    Chosen is the one with the largest mean over data sets of its smallest C. It is confirmed if
    the pooled C - floor of the others is surely above 0 in both families, for each estimand but its
    own reference; on a single data set if it is usable there for each. It is one metric that must
    pass all of these, so that no level of a pooled interval is adjusted.

    Args:
        judgements: by data set.
        seed: the experiment's.
        confidence: of each two-sided interval.
        confirm: the data sets to confirm on; if empty a keyed half of them.

    Returns:
        The evaluation, the word, and why; None without a data set on either side, with fewer than
        ``FEWEST`` to be halved, or if no evaluation is known on all of those to choose on.
    """
    first = [name for name in judgements if name not in confirm]
    second = [name for name in judgements if name in confirm]
    if not confirm and len(judgements) >= FEWEST:
        first, second = halves(list(judgements), seed)
    if not first or not second:
        return None
    lowest = [judgements[name][1].lowest for name in first]
    shared = [key for key in lowest[0] if all(key in each for each in lowest)]
    if not shared:
        return None
    best = max(shared, key=lambda key: np.mean([each[key] for each in lowest]))
    if len(second) == 1:
        words = {v.word for v in judgements[second[0]][0] if v.evaluation == best}
        sure = words - {OWN_REFERENCE} == {USABLE}
    else:
        rows = [row for row in across(judgements, second) if row.evaluation == best]
        rows = [r for r in rows if OWN_REFERENCE not in {v.word for v in r.datasets.values()}]
        lows = [pool.interval(confidence)[0] for row in rows for pool in row.families.values()]
        sure = bool(lows) and all(low > 0 for low in lows)
    word = CONFIRMED if sure else NOT_CONFIRMED
    return best, word, f"chosen on {', '.join(first)}; {word} on {', '.join(second)}"
