"""What figures of agreement with the truth share: whose maps, on which networks, in which order."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import pyarrow as pa

from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.statistics.agreement import of_networks
from faithcam.statistics.settings import MODEL, where
from faithcam.truth.estimands import ESTIMANDS

OVERLAPPING, PATCHES = KINDS = "overlapping receptive fields", "patch networks"
OCCLUSION = "occlusion_"  # before an estimand
BY = {"background": "training images", "mean": "image mean", "train_mean": "training mean"}


def is_law(estimand: str, method: str, kind: str) -> bool:
    """Return whether a map is the truth by definition, so that its agreement says nothing of it."""
    laws = [("features", "expected_hirescam"), ("features_zero", "hirescam")]
    if kind == PATCHES:
        laws += [("background", "expected_hirescam"), (estimand, f"{OCCLUSION}{estimand}")]
    return (estimand, method) in laws


def short_name(method: str) -> str:
    """Return a map's name in these figures."""
    if method.startswith(OCCLUSION):
        estimand = method.removeprefix(OCCLUSION)
        return f"Occlusion, {BY.get(estimand, ESTIMANDS[estimand].title)}"
    return style.look(method).name


@dataclass(frozen=True)
class Agreements:
    """Agreement of all maps of a data set with the truth.

    Args:
        scores: rows of ``SCORES``.
        models: rows of ``MODELS``.
        subject: of the figure; its settings have ``truth`` of the config and ``networks``: of each
            architecture whether its score is a sum over cells (``additive``), the forward passes
            per image of each map (``passes``) and of the truth, at most (``truth``).
    """

    scores: pa.Table
    models: pa.Table
    subject: Subject

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Rows of :func:`of_networks` and ``kind``; of Flatten networks alone if there are any."""
        rows = where(of_networks(self.scores, self.models), dataset=self.subject.dataset)
        rows = where(rows, head=style.one_head(rows))
        networks = self.subject.settings["networks"]
        kinds = [KINDS[bool(networks[name]["additive"])] for name in rows["architecture"]]
        return rows.assign(kind=pd.Series(kinds, rows.index, dtype=object))

    @property
    def estimands(self) -> list[str]:
        """The declared estimands with rows, in the order of the config."""
        there = set(self.rows["estimand"])
        return [name for name in self.subject.settings["truth"]["estimands"] if name in there]

    @property
    def kinds(self) -> list[str]:
        """The kinds of networks that there are."""
        return [kind for kind in KINDS if kind in set(self.rows["kind"])]

    def means(self, kind: str) -> pd.DataFrame:
        """Return means over the networks of a kind, with t intervals, per estimand and method."""
        rows = where(self.rows, kind=kind)
        return self.subject.over_units(rows, ["estimand", "method"], ["agreement"])

    def dots(self, kind: str, estimand: str) -> Iterator[tuple[str, list[float]]]:
        """Yield each method and its agreement on every network of a kind."""
        rows = where(self.rows, kind=kind, estimand=estimand).sort_values(MODEL)
        for method, part in rows.groupby("method"):
            yield str(method), part["agreement"].tolist()

    def count(self, kind: str) -> int:
        """Return how many networks of a kind there are."""
        return len(where(self.rows, kind=kind)[MODEL].drop_duplicates())
