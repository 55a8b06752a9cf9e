"""Verdicts: is a metric better than blind ones at finding the truth, and which is recommended?

A cell is one evaluation, estimand and family of candidates. Decided are C - floor of all primary
evaluations in both families, together for each estimand (Holm).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faithcam.validity.estimates import Design, Ends, Estimate, holm_ends

Array = np.ndarray[Any, np.dtype[np.float64]]
Key = tuple[str, str, str]  # protocol, metric, setting

DAMAGED, METHODS = FAMILIES = "damaged", "methods"
USABLE, BLIND, UNDECIDED = "usable", "no better than blind", "undecided"
NO_INFORMATION, OWN_REFERENCE = "no information", "own reference"
TOO_FEW = "too few networks"
FEWEST = 8  # units: below, no words
MOST_TIED = 0.5


@dataclass(frozen=True)
class Cell:
    """The concordance of one evaluation with one estimand in one family: K networks, I images.

    Args:
        evaluation: protocol, metric and setting.
        estimand: name of the truth.
        family: of the candidates.
        c: (K, I); NaN where there is none.
        floor: of the network's best blind metric, (K, I).
        tied: share of the pairs that are ties, per network (K,).
        own_reference: whether the metric itself removes with the estimand's reference.
    """

    evaluation: Key
    estimand: str
    family: str
    c: Array
    floor: Array
    tied: Array
    own_reference: bool = False


@dataclass(frozen=True)
class Judged:
    """A cell and its numbers: ``difference`` is that of C - floor, with its interval's ``ends``.

    ``concordance``, ``floor`` and ``tied`` are means over networks.
    """

    cell: Cell
    concordance: float
    floor: float
    tied: float
    difference: Estimate
    ends: Ends


@dataclass(frozen=True)
class Verdict:
    """Verdict on an evaluation for one estimand.

    Args:
        evaluation: protocol, metric and setting.
        estimand: name of the truth.
        families: the judged cells by family.
        word: see the module's constants.
        reason: why.
    """

    evaluation: Key
    estimand: str
    families: dict[str, Judged]
    word: str
    reason: str


@dataclass(frozen=True)
class Recommendation:
    """Evaluation to use.

    Args:
        evaluation: the recommended one; None if none is.
        confidence_set: those whose distance from the best is not established.
        lowest: the smallest C of each over estimands and families, its own reference left out.
        reason: why.
    """

    evaluation: Key | None
    confidence_set: tuple[Key, ...]
    lowest: dict[Key, float]
    reason: str


def mean(values: Array) -> float:
    """Return the mean over networks of their means over images; NaN if there is none."""
    rows = values[~np.isnan(values).all(axis=1)]
    return float(np.nanmean(rows, axis=1).mean()) if len(rows) else np.nan


def verdicts(cells: Sequence[Cell], design: Design, confidence: float) -> list[Verdict]:
    """Return the verdict on each primary evaluation, per estimand.

    Args:
        cells: of all primary evaluations.
        design: of the data set.
        confidence: of all intervals of an estimand together.
    """
    by_name: dict[tuple[Key, str], dict[str, Judged]] = {}
    for estimand in dict.fromkeys(cell.estimand for cell in cells):
        of_estimand = [cell for cell in cells if cell.estimand == estimand]
        # a law is no hypothesis: it costs the others nothing, and its interval stands alone
        own = [[cell] for cell in of_estimand if cell.own_reference]
        for together in ([cell for cell in of_estimand if not cell.own_reference], *own):
            differences = [design.estimate(cell.c - cell.floor) for cell in together]
            ends = holm_ends(differences, confidence)
            for cell, difference, end in zip(together, differences, ends, strict=True):
                tied = np.nan if np.isnan(cell.tied).all() else float(np.nanmean(cell.tied))
                judged = Judged(cell, mean(cell.c), mean(cell.floor), tied, difference, end)
                by_name.setdefault((cell.evaluation, estimand), {})[cell.family] = judged
    return [
        Verdict(evaluation, estimand, families, *_word(families, design))
        for (evaluation, estimand), families in by_name.items()
    ]


def _word(families: dict[str, Judged], design: Design) -> tuple[str, str]:
    judged = list(families.values())
    alone = "" if len(judged) == len(FAMILIES) else f"asked about {judged[0].cell.family} alone; "
    if judged[0].cell.own_reference:
        return OWN_REFERENCE, "the metric removes with this estimand's own reference"
    if (units := min(each.difference.units for each in judged)) < FEWEST:
        return TOO_FEW, f"{alone}{units} {design.unit}, fewer than {FEWEST}"
    if tied := [each for each in judged if each.tied > MOST_TIED]:
        name, share = tied[0].cell.family, tied[0].tied
        return NO_INFORMATION, f"{alone}{share:.0%} of the pairs are tied ({name})"
    if worse := [each.cell.family for each in judged if each.ends.high < 0]:
        return BLIND, f"{alone}surely below the floor: {', '.join(worse)}"
    if all(each.ends.low > 0 for each in judged):
        return USABLE, f"{alone}surely above the floor"
    unsure = [each.cell.family for each in judged if not each.ends.low > 0]
    return UNDECIDED, f"{alone}not surely above the floor: {', '.join(unsure)}"


def recommendation(
    judgements: Sequence[Verdict], design: Design, confidence: float
) -> Recommendation:
    """Return the usable evaluation with the largest minimum of C over estimands and families.

    Compared are evaluations that were asked in both families, cells of own references left out;
    recommended are those usable for each of their estimands. The confidence set holds the best one
    and all whose worst cell is not surely below the best one's: one-sided, Bonferroni over the
    others, so that it leaves out the truly best one with probability 1 - confidence at most.

    Source: Gupta 1965, 10.1080/00401706.1965.10490251 (subsets that hold the best).
    """
    worst = _worst_cells(judgements)
    lowest = {key: each.concordance for key, each in worst.items()}
    words: dict[Key, set[str]] = {key: set() for key in worst}
    for verdict in judgements:
        if verdict.evaluation in words and verdict.word != OWN_REFERENCE:
            words[verdict.evaluation].add(verdict.word)
    if not worst:
        return Recommendation(None, (), lowest, "none was asked about both families")
    if any(TOO_FEW in said for said in words.values()):
        return Recommendation(None, (), lowest, TOO_FEW)
    usable = [key for key, said in words.items() if said == {USABLE}]
    informative = [key for key, said in words.items() if NO_INFORMATION not in said]
    pool = usable or informative
    if not pool:
        return Recommendation(None, (), lowest, NO_INFORMATION)
    best = max(pool, key=lambda key: lowest[key])
    level = (1 - confidence) / max(1, len(worst) - 1)
    kept = [
        key
        for key in informative
        if key == best
        or not design.estimate(worst[best].cell.c - worst[key].cell.c).end(-1, level) > 0
    ]
    text = f"largest minimum of C: {lowest[best]:.3f}"
    if not usable:
        return Recommendation(None, tuple(kept), lowest, f"{text}, but not usable everywhere")
    return Recommendation(best, tuple(kept), lowest, f"{text}, usable for each estimand")


def _worst_cells(judgements: Sequence[Verdict]) -> dict[Key, Judged]:
    """Return the cell with the smallest C of each evaluation that was asked in both families."""
    cells: dict[Key, list[Judged]] = {}
    for verdict in judgements:
        if verdict.word != OWN_REFERENCE and len(verdict.families) == len(FAMILIES):
            known = [j for j in verdict.families.values() if not np.isnan(j.concordance)]
            cells.setdefault(verdict.evaluation, []).extend(known)
    return {key: min(some, key=lambda j: j.concordance) for key, some in cells.items() if some}
