"""The declared evaluations of a run: what scores stand for, and which are better.

Statistics, validity, figures and report ask it what they know of a metric.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from faithcam.core.errors import FaithcamError
from faithcam.core.setting import Setting

THESIS, STRICT = PROTOCOLS = "thesis", "strict"
PRIMARY, REPLICATE, FACT = "primary", "replicate", "fact"


@dataclass(frozen=True)
class Declared:
    """One row of ``EVALUATIONS``; attributes are its columns, which a notebook may leave out."""

    dataset: str
    architecture: str
    head: str
    protocol: str
    metric: str
    setting: Setting
    role: str
    replicate_of: Setting | None = None
    methods: tuple[str, ...] = ()
    passes: float = 0.0
    title: str = ""
    larger_is_better: bool = True
    lowest: float = -math.inf
    highest: float = math.inf
    compared: bool = True
    judged: bool = False
    published: bool = False
    reference: str = ""
    binary: bool = False
    all_images: bool = False
    drawn_per_network: bool = False
    needs_masks: bool = False

    @property
    def sign(self) -> int:
        """1 if a higher score is better, -1 if a lower one is."""
        return 1 if self.larger_is_better else -1


class Evaluations(Sequence[Declared]):
    """All declared evaluations of a run.

    Args:
        table: rows of ``EVALUATIONS``.
    """

    def __init__(self, table: pa.Table) -> None:
        self._rows = [_of(row) for row in table.to_pylist()]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        return self._rows[place]

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str, str, str], Declared]:
        return {(r.dataset, r.head, r.protocol, r.metric, str(r.setting)): r for r in self._rows}

    @cached_property
    def _by_metric(self) -> dict[str, Declared]:
        rows: dict[str, Declared] = {}
        for row in self._rows:  # a primary one, if there is any: others may be reversed
            known = rows.setdefault(row.metric, row)
            if row.role == PRIMARY and known.role != PRIMARY:
                rows[row.metric] = row
        return rows

    @cached_property
    def references(self) -> dict[tuple[str, str], str]:
        """What each metric and setting (as text) removes with; "" where nothing is removed."""
        return {(r.metric, str(r.setting)): r.reference for r in self._rows}

    def at(self, dataset: str, head: str, protocol: str, metric: str, setting: str) -> Declared:
        """Return the evaluation behind some scores, of any architecture.

        Raises:
            FaithcamError: if nobody declared it.
        """
        key = (dataset, head, protocol, metric, setting)
        if key not in self._by_key:
            raise FaithcamError(
                f"scores of {', '.join(key)}: no evaluation declares them; run again, so that "
                "evaluations.parquet and scores.parquet are of one config"
            )
        return self._by_key[key]

    def metrics(self, **wanted: bool) -> list[str]:
        """Return the names of all metrics, or of those with such columns: ``published=True``."""
        return [
            metric
            for metric, row in self._by_metric.items()
            if all(getattr(row, name) == value for name, value in wanted.items())
        ]

    def title(self, metric: str) -> str:
        """Return a metric's name in texts and figures; in the config if it has no evaluation."""
        return self._by_metric[metric].title if metric in self._by_metric else metric

    def sign(self, metric: str) -> int:
        """Return 1 if a higher score is better in a metric's primary setting, -1 if a lower is."""
        return self._by_metric[metric].sign

    def signs(self, metric: str) -> dict[str, int]:
        """Return :attr:`Declared.sign` of each setting of a metric."""
        return {str(row.setting): row.sign for row in self._rows if row.metric == metric}

    def judged(self, dataset: str) -> dict[str, Setting]:
        """Return the setting that stands for each metric where metrics are judged."""
        return {r.metric: r.setting for r in self._rows if r.judged and r.dataset == dataset}

    def published(self, metrics: Iterable[str]) -> list[str]:
        """Return those of some metrics by which the published study compared maps."""
        known = self.metrics(published=True)
        return [metric for metric in metrics if metric in known]

    def primary(self, protocol: str = STRICT, dataset: str | None = None) -> dict[str, Setting]:
        """Return the primary setting of each metric in a protocol, on a data set or on any."""
        return dict(self._primary.get((protocol, dataset), {}))

    @cached_property
    def _primary(self) -> dict[tuple[str, str | None], dict[str, Setting]]:
        settings: dict[tuple[str, str | None], dict[str, Setting]] = {}
        for row in self._rows:
            for dataset in (row.dataset, None) if row.role == PRIMARY else ():
                known = settings.setdefault((row.protocol, dataset), {})
                known.setdefault(row.metric, row.setting)
        return settings

    def published_settings(
        self, metrics: Iterable[str], protocol: str = STRICT, dataset: str | None = None
    ) -> dict[str, Setting]:
        """Return the primary settings of the published ones of some metrics, in their order."""
        return self._chosen(metrics, protocol, dataset, published=True)

    def published_by_protocol(
        self, metrics: Sequence[str], dataset: str | None = None
    ) -> dict[str, dict[str, Setting]]:
        """Return :meth:`published_settings` of each protocol that there is, strict first."""
        protocols = {
            name: self.published_settings(metrics, name, dataset) for name in (STRICT, THESIS)
        }
        return {name: settings for name, settings in protocols.items() if settings}

    def further_settings(
        self, metrics: Iterable[str], dataset: str | None = None
    ) -> dict[str, Setting]:
        """Return the strict primary settings of the other compared ones, in their order."""
        return self._chosen(metrics, STRICT, dataset, published=False)

    def _chosen(
        self, metrics: Iterable[str], protocol: str, dataset: str | None, *, published: bool
    ) -> dict[str, Setting]:
        primary, wanted = self.primary(protocol, dataset), self.metrics(published=published)
        compared = self.metrics(compared=True)
        return {m: primary[m] for m in metrics if m in primary and m in wanted and m in compared}

    def replicate(
        self, dataset: str, protocol: str, metric: str, setting: Setting
    ) -> Setting | None:
        """Return the setting of the second draw of an evaluation's noise, if there is one.

        Whatever the network's head.
        """
        return self._replicates.get((dataset, protocol, metric, setting))

    @cached_property
    def _replicates(self) -> dict[tuple[str, str, str, Setting], Setting]:
        return {
            (r.dataset, r.protocol, r.metric, r.replicate_of): r.setting
            for r in self._rows
            if r.replicate_of is not None
        }

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield what names the scores of each evaluation: network, evaluation and method."""
        for row in self._rows:
            for method in row.methods:
                yield (
                    *(row.dataset, row.architecture, row.head, row.protocol, row.metric),
                    *(str(row.setting), method),
                )


def _of(row: dict[str, object]) -> Declared:
    text = str(row.pop("replicate_of"))
    setting, methods = Setting.parse(str(row.pop("setting"))), row.pop("methods")
    return Declared(
        setting=setting,
        replicate_of=Setting.parse(text) if text else None,
        methods=tuple(methods),  # type: ignore[arg-type]
        **row,  # type: ignore[arg-type]
    )
