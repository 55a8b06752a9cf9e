"""What figures of agreement with the truth share: whose maps, on which networks, in which order."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.metrics.accuracy.names import OCCLUSION
from faithcam.statistics.agreement import FORMS, METRIC, form_of
from faithcam.statistics.settings import columns_of, where
from faithcam.truth.estimands import ESTIMANDS

MEASURE = "spearman"
BY = {"background": "training images", "mean": "image mean", "train_mean": "training mean"}


def short_name(method: str) -> str:
    """Return a map's name in these figures."""
    if method.startswith(OCCLUSION):
        estimand = method.removeprefix(OCCLUSION)
        return f"Occlusion, {BY.get(estimand, ESTIMANDS[estimand].title)}"
    return style.look(method).name


@dataclass(frozen=True)
class Agreements:
    """Agreement of all maps of a data set with the truth (Spearman).

    Args:
        agreement: rows of ``AGREEMENT``.
        statistics: rows of ``STATISTICS``.
        subject: of the figure; its settings have ``truth`` of the config and ``networks``: of each
            architecture whether its score is a sum over cells (``additive``), the forward passes
            per image of each map (``passes``) and of the truth, at most (``truth``).
    """

    agreement: pa.Table
    statistics: pa.Table
    subject: Subject

    @cached_property
    def means(self) -> pd.DataFrame:
        """Means over networks (``AGREEMENT``) of maps alone."""
        return self.subject.rows(self.agreement, measure=MEASURE, method_b="")

    @cached_property
    def networks(self) -> pd.DataFrame:
        """Means of each network (``STATISTICS``), with ``estimand`` and ``networks``, its kind."""
        wanted = {"metric": METRIC, "level": "image", "effect_name": "mean"}
        rows = self.subject.rows(self.statistics, **wanted)
        additive = {n: bool(f["additive"]) for n, f in self.subject.settings["networks"].items()}
        if rows.empty:
            return rows.assign(estimand="", networks="")
        named = columns_of(rows["setting"]).reindex(columns=["estimand", "measure", "half"])
        names = zip(rows["architecture"], rows["head"], strict=True)
        kinds = [form_of(head, additive=additive[name]) for name, head in names]
        rows = rows.assign(networks=kinds).join(named)
        return where(rows[rows["half"].isna()], measure=MEASURE)

    @property
    def estimands(self) -> list[str]:
        """The declared estimands with rows, in the order of the config."""
        there = set(self.means["estimand"])
        return [name for name in self.subject.settings["truth"]["estimands"] if name in there]

    @property
    def kinds(self) -> list[str]:
        """The kinds of networks that there are."""
        return [kind for kind in FORMS if kind in set(self.means["networks"])]

    def title(self, kind: str) -> str:
        """Return a kind's name and how many networks, or seeds, its means are over."""
        return f"{FORMS[kind]}, n = {where(self.means, networks=kind)['n'].max()}"
