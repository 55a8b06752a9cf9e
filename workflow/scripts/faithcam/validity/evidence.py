"""The scores that the judgments need, and means over networks.

The unit of inference is the trained network. Where every training seed draws images of its own,
the networks of a seed share them: architectures are averaged first, and the unit is the seed.
Only networks with a Flatten head are judged by: with GAP all maps of a network are the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from faithcam.core.setting import Setting
from faithcam.metrics.tables import PART_SHAPLEY
from faithcam.results import io as tables
from faithcam.results.declared import PROTOCOLS, STRICT, Evaluations
from faithcam.statistics import floor
from faithcam.statistics.intervals import t_interval
from faithcam.statistics.settings import PAIR
from faithcam.validity import asked
from faithcam.validity.frames import IMAGE, LABEL, expanded, network_means, of_images, ok, wide
from faithcam.validity.outcomes import Estimate

Array = np.ndarray[Any, np.dtype[np.float64]]
# truths that are scores of maps, too; all rows of these and of what is not compared are read
TRUTHS = ("feature_aopc", "agreement")
NETWORK = ["architecture", "head", "seed"]
TEXT = ["architecture", "head", "protocol", "metric", "setting", "method", "status"]
COLUMNS = [*NETWORK, *TEXT[2:], "image_id", "correct", "value"]


def _wanted(dataset: str, evaluations: Evaluations, *, exempt: bool) -> pc.Expression:
    """Return which rows of scores.parquet are needed."""
    judged, strict = evaluations.metrics(judged=True), evaluations.primary(STRICT, dataset)
    chosen = {
        (metric, protocol): setting
        for protocol in PROTOCOLS
        for metric, setting in asked.judged(evaluations, protocol, dataset, exempt=exempt).items()
    }
    again = {
        evaluations.replicate(dataset, protocol, metric, setting)
        for (metric, protocol), setting in chosen.items()
    }
    field = pc.field
    wanted = asked.texts(s for s in {*chosen.values(), *again} if s is not None)
    primary = _among("metric", judged) & _among("setting", wanted)
    unjudged = _among("metric", [*TRUTHS, *evaluations.metrics(compared=False)])
    perfect = blank = pc.scalar(False)
    if "aopc" in strict:
        rerendered = asked.rerendered(strict["aopc"])
        truths = asked.texts(asked.of_gauge(rerendered, name) for name in PROTOCOLS)
        perfect = (field("metric") == "aopc") & _among("setting", truths)
    if "haas" in strict:
        kept = str(asked.kept(strict["haas"]))
        blank = (field("setting") == kept) & (field("method") == "null_blank")
    pair = field("metric").isin(["max_sensitivity", "haas"]) & field("method").isin(PAIR)
    flatten = field("head") == "flatten"
    return (field("dataset") == dataset) & (
        primary | blank | (flatten & (unjudged | perfect | pair))
    )


def _among(column: str, names: Iterable[str]) -> pc.Expression:
    """Return which rows have one of some names, of which there may be none."""
    return pc.field(column).isin(pa.array(list(names), pa.string()))


class Evidence:
    """All that the judgments on one data set are made from.

    Args:
        frame: rows of scores.parquet (columns ``COLUMNS``, and ``LABEL`` where images have several
            labels).
        networks: the included networks: ``NETWORK``, ``exempt`` and ``unit``, by number.
        settings: see :func:`read`.
        parts: rows of part_shapley.parquet, if there are any.
        dataset: name of the data set.
        evaluations: all that were declared.

    Attributes:
        orders: of each image with Shapley values of parts (index ``IMAGE``): how many planted
            ``parts`` it has, and whether the three orders of them are ``consistent``.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        networks: pd.DataFrame,
        settings: Mapping[str, Any],
        parts: pd.DataFrame,
        dataset: str,
        evaluations: Evaluations,
    ) -> None:
        self.settings, self.dataset, self.evaluations = settings, dataset, evaluations
        self._units = networks["unit"]
        frame = _numbered(frame, networks)
        exempt = networks["exempt"].reindex(frame["network"]).to_numpy(bool)
        frame = frame.assign(usable=frame["correct"].to_numpy(bool) | exempt)
        self._parts = {str(name): part for name, part in frame.groupby("metric", observed=True)}
        self._nothing = frame.iloc[:0]
        self._expanded: dict[str, pd.DataFrame] = {}
        self._part_shapley: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
        planted = (
            parts["shapley"].notna() & (parts["replicate"] == 0) & (parts["head"] == "flatten")
        )
        images = _numbered(parts[planted], networks).groupby(IMAGE)["consistent"]
        self.orders = images.agg(consistent="all", parts="size")

    def rows(
        self,
        metric: str,
        protocol: str = STRICT,
        settings: Iterable[Setting] | None = None,
        head: str = "flatten",
    ) -> pd.DataFrame:
        """Return a metric's rows: columns ``COLUMNS``, ``network`` and ``usable``.

        ``usable`` says whether the image counts where wrongly classified ones do not: always for
        networks that are exempt.
        """
        part = self._parts.get(metric, self._nothing)
        part = part[(part["protocol"] == protocol) & (part["head"] == head)]
        return part if settings is None else part[part["setting"].isin(list(map(str, settings)))]

    @property
    def rerendered(self) -> Setting | None:
        """The setting of AOPC with the perfect imputer, if there is AOPC."""
        aopc = self.evaluations.primary(STRICT, self.dataset).get("aopc")
        return None if aopc is None else asked.rerendered(aopc)

    def expanded(self, metric: str) -> pd.DataFrame:
        """Return a metric's strict rows, see :func:`~faithcam.validity.frames.expanded`."""
        if metric not in self._expanded:
            self._expanded[metric] = expanded(self.rows(metric))
        return self._expanded[metric]

    def over_units(self, means: Any, changes: Any = None) -> Estimate:
        """Return the mean over units with its t interval, and its noise floor.

        Args:
            means: a number per network (index: its number); NaN ones are left out.
            changes: by how much each image's number (index: network, image_id) changes with the
                noise replicate.
        """
        means = means.dropna()
        _, unit = np.unique(self._units.reindex(means.index), return_inverse=True)
        size = np.bincount(unit)
        values = np.bincount(unit, means) / size
        noise = np.nan
        if changes is not None and len(means):
            table = of_images(changes).unstack("image_id").reindex(means.index)
            floors = floor.of_networks(table.to_numpy(), table.notna().sum(axis=1).to_numpy())
            noise = floor.of_mean(floors, 1 / (size[unit] * len(values)))
        low, high = t_interval(values, self.settings["statistics"]["confidence"])
        mean = float(values.mean()) if len(values) else np.nan
        return Estimate(len(values), mean, low, high, noise)

    def difference(self, scores: pd.DataFrame, a: str, b: str) -> Estimate:
        """Return the mean paired difference a - b of a wide table; of nothing without both."""
        if not {a, b} <= set(scores):
            return Estimate(0, np.nan)
        return self.over_units(network_means(scores[a] - scores[b]))

    def part_shapley(self, protocol: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return how the maps of a protocol agree with the parts, by the decoys' texture."""
        if protocol not in self._part_shapley:
            first, second = (
                wide(ok(self.rows("agreement", settings=[asked.part_shapley(replicate, protocol)])))
                for replicate in (0, 1)
            )
            self._part_shapley[protocol] = first, second
        return self._part_shapley[protocol]


def _numbered(rows: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the networks, with a column ``network``: their numbers."""
    keys = networks[NETWORK].itertuples(index=False, name=None)
    known = dict(zip(keys, networks.index, strict=True))
    groups = rows.groupby(NETWORK, observed=True)
    numbers = np.array([known.get(tuple(key), -1) for key in groups.size().index], int)
    rows = rows.assign(network=numbers[groups.ngroup().to_numpy()])
    return rows[rows["network"] >= 0]


def read(
    path: Path | str,
    models: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    part_shapley: pa.Table | None = None,
) -> Iterator[tuple[str, Evidence]]:
    """Yield the evidence on each data set, reading only the rows that are needed of it.

    Args:
        path: of scores.parquet.
        models: rows of ``MODELS``; only included networks are used.
        evaluations: all that were declared.
        settings: ``statistics`` and ``validity`` of the config, and ``data``
            (:func:`faithcam.experiment.datasets.specs`).
        part_shapley: rows of ``PART_SHAPLEY``.
    """
    parts = (PART_SHAPLEY.empty_table() if part_shapley is None else part_shapley).to_pandas()
    networks = models.select([*tables.IDENTITY, "included", "exempt"]).to_pandas()
    networks = networks[networks["included"]]
    for dataset, chosen in networks.groupby("dataset"):
        name, data = str(dataset), settings["data"][dataset]
        columns = [*COLUMNS, LABEL] if data["multi_label"] else COLUMNS
        chosen = chosen.reset_index(drop=True)
        chosen["unit"] = chosen["seed"] if data["nested"] else chosen.index
        wanted = _wanted(name, evaluations, exempt=data["exempt"])
        frame = tables.read(path, TEXT, columns, wanted).unify_dictionaries().to_pandas()
        of_dataset = parts[parts["dataset"] == name]
        yield name, Evidence(frame, chosen, settings, of_dataset, name, evaluations)
