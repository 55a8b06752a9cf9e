"""Which map does each metric prefer, by how much, and how surely?

The unit of inference is the independently trained network. Scores are compared image by image
(every method saw the same noise), averaged per network, and tested over networks. Tests within one
network, whose unit is the image, stand beside them and say nothing about other networks. Networks
of all architectures together are called architecture ``all``. All networks of a data set explain
the same images: an interval is about training again, not about other images.

Rows of the result are told apart by ``level`` and ``effect_name``:

====================  =====================================================================
effect_name           estimate
====================  =====================================================================
Cohen dz              mean over networks of the mean paired difference
BCa                   the same with a bootstrap interval, from 15 networks on
rank-biserial         mean paired difference over the images of one network
discordant            the same for HAAS; effect = (only a right - only b right) / (either)
images that differ    GAP heads, HiResCAM - Grad-CAM: effect counts unequal scores; no p;
                      level image: n counts all images' scores, as effect does
mean                  mean score of method_a (method_b is empty)
ratio                 HAAS: accuracy over heatmap-assisted images / clean accuracy, on all images
blank share           share of explained images whose map of method_a is blank
undefined share       share of explained images without a score
====================  =====================================================================

AOPC and Max-Sensitivity use correctly classified images, HAAS all images. In the strict protocol a
paired comparison leaves out an image whose row is not ok for either method; the means and ratios
of HAAS keep it.

Noise floor: how much an estimate changes, typically, when only the noise stream changes. Of one
network: |change| of its mean paired difference between the two streams; of a mean over n networks,
whose changes are independent: sqrt(sum of change^2) / n. NaN where a setting has no second stream.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from faithcam import seeding, tables

Array = np.ndarray[Any, np.dtype[np.float64]]
Row = dict[str, Any]

MODEL = [*tables.IDENTITY]
TEXT = ["dataset", "architecture", "head", "protocol", "metric", "setting", "method", "status"]
IMAGE = ["setting", "model", "image_id"]
MAPS = ("hirescam", "gradcam", "cam")
PAIR = ("hirescam", "gradcam")
METRICS = {"aopc": "AOPC", "max_sensitivity": "Max-Sensitivity", "haas": "HAAS"}
MOST_ENUMERATED = 40
MONTE_CARLO = 99_999
BCA_FROM = 15


def better(metric: str, setting: str = "") -> int:
    """Return 1 if a higher score is better, -1 if a lower one is."""
    lower = metric == "max_sensitivity" or "order=lerf" in setting.split(";")
    return -1 if lower else 1


def primary_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the one setting of each metric that is primary, all of the strict protocol."""
    aopc, sensitivity = settings["aopc"]["strict"], settings["max_sensitivity"]["strict"]
    imputer = aopc["imputers"][0]
    return {
        "aopc": tables.setting(
            draws=aopc["draws"] if imputer == "noise" else 1,
            imputer=imputer,
            order="morf",
            output="probability",
            region=aopc["regions"][0],
            stream=0,
        ),
        "max_sensitivity": tables.setting(
            radius=float(sensitivity["primary_radius"]),
            samples=sensitivity["samples"],
            stream=0,
            version="relative",
        ),
        "haas": "class=predicted",
    }


def thesis_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of the thesis protocol to show beside the primary ones.

    The first region size; the primary radius, or the first one if the protocol lacks it.
    """
    thesis = settings["max_sensitivity"]["thesis"]
    samples = dict(zip(thesis["radii"], thesis["samples"], strict=True))
    radius = float(settings["max_sensitivity"]["strict"]["primary_radius"])
    radius = radius if radius in samples else float(thesis["radii"][0])
    return {
        "aopc": tables.setting(
            draws=1,
            imputer="noise",
            order="morf",
            output="probability",
            region=settings["aopc"]["thesis"]["regions"][0],
        ),
        "max_sensitivity": tables.setting(
            radius=radius, samples=samples[radius], version="absolute"
        ),
        "haas": "class=label",
    }


def smallest_p(n: int) -> float:
    """Return the smallest p-value that the sign-flip test of ``n`` differences can reach."""
    return 2.0 ** (1 - n) if n <= MOST_ENUMERATED else 1 / (MONTE_CARLO + 1)


def sign_flip(differences: Array, *stream: str | int) -> float:
    """Return the two-sided p-value of mean zero when every sign is as likely as its opposite.

    All 2^n sign patterns are counted up to n = 40 (each sum is one of 2^(n/2) sums of the first
    half plus one of the second), beyond that ``MONTE_CARLO`` keyed ones are drawn.

    Args:
        differences: (n,), one independent difference per network.
        stream: key of the random stream, used beyond 40 differences only.
    """
    n = len(differences)
    reached = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    if reached <= 0:
        return 1.0
    if n > MOST_ENUMERATED:
        generator = seeding.generator(*stream)
        signs = generator.integers(0, 2, (MONTE_CARLO, n), dtype=np.int8) * 2 - 1
        extreme = np.count_nonzero(np.abs(signs @ differences) >= reached)
        return float((extreme + 1) / (MONTE_CARLO + 1))
    first, second = _signed_sums(differences[: n // 2]), _signed_sums(differences[n // 2 :])
    below = np.searchsorted(np.sort(second), reached - first)
    return float(2 * np.sum(len(second) - below) / 2.0**n)


def _signed_sums(values: Array) -> Array:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def compute(
    scores: pa.Table | Path | str, models: pa.Table, settings: Mapping[str, Any]
) -> pa.Table:
    """Compare the methods of an experiment.

    Args:
        scores: rows of ``tables.SCORES``, or the path of their Parquet file.
        models: rows of ``tables.MODELS``; only included networks are used.
        settings: of the config: ``seed``, ``statistics`` (confidence, resamples), ``aopc`` and
            ``max_sensitivity`` (they name the primary settings).

    Returns:
        Rows of ``tables.STATISTICS``, sorted.

    Source: Holm 1979; Pratt 1959 (zeros in the signed-rank test); Kerby 2014 (rank-biserial).
    """
    frame, networks = _included(_frame(scores), models)
    primary = primary_settings(settings)
    rows: list[Row] = []
    for (protocol, metric), part in frame.groupby(["protocol", "metric"], observed=True):
        task = _Task(str(protocol), str(metric), part, networks, settings)
        rows += task.comparisons() + task.means()
        rows += task.shares(primary[task.metric] if task.protocol == "strict" else None)
        if task.metric == "haas":
            rows += task.ratios()
    _adjust(rows, primary)
    columns = {name: [row[name] for row in rows] for name in tables.STATISTICS.names}
    return tables.concatenate(
        [pa.table(columns, schema=tables.STATISTICS)],
        tables.STATISTICS,
        [*tables.STATISTICS.names[:10], "effect_name"],
    )


def _frame(scores: pa.Table | Path | str) -> pd.DataFrame:
    table = scores if isinstance(scores, pa.Table) else tables.read(scores, dictionary=TEXT)
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(categories=TEXT)
    for name in TEXT:
        frame[name] = frame[name].cat.reorder_categories(sorted(frame[name].cat.categories))
    return frame


def _included(frame: pd.DataFrame, models: pa.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number the networks, keep the included ones: (scores with ``model``, networks by number)."""
    groups = frame.groupby(MODEL, observed=True)
    networks = groups.size().reset_index()[MODEL].astype(dict.fromkeys(MODEL, str))
    included = {
        tuple(str(row[name]) for name in MODEL) for row in models.to_pylist() if row["included"]
    }
    keep = np.array([tuple(row) in included for row in networks.to_numpy()], bool)
    number = groups.ngroup().to_numpy()
    return frame.assign(model=number)[keep[number]], networks


def _row(**known: Any) -> Row:
    nothing = dict.fromkeys(("estimate", "low", "high", "p", "p_holm", "effect", "floor"), np.nan)
    return {**nothing, "method_b": "", "test": "", "effect_name": "", "primary": False, **known}


class _Task:
    """All comparisons of one metric in one protocol."""

    def __init__(
        self,
        protocol: str,
        metric: str,
        part: pd.DataFrame,
        networks: pd.DataFrame,
        settings: Mapping[str, Any],
    ) -> None:
        part = part.assign(setting=part["setting"].cat.remove_unused_categories())
        self.protocol, self.metric, self.part, self.networks = protocol, metric, part, networks
        self.seed, self.confidence = settings["seed"], settings["statistics"]["confidence"]
        self.resamples = settings["statistics"]["resamples"]
        keep = part["value"].notna()
        if metric != "haas":
            keep &= part["correct"]
        ok = keep & (part["status"] == "ok") if protocol == "strict" else keep
        self.paired = _wide(part, ok)
        self.wide = _wide(part, keep) if metric == "haas" else self.paired
        self.settings = list(part["setting"].cat.categories)
        self.twin = {
            name: name.replace("stream=1", "stream=0")
            for name in self.settings
            if tables.parse_setting(name).get("stream") == "1"
        }

    def comparisons(self) -> list[Row]:
        """Return the paired differences HiResCAM - Grad-CAM and maps - baselines."""
        methods = list(self.paired.columns)
        baselines = [name for name in methods if name not in (*MAPS, "prediction")]
        pairs = [PAIR, *((a, b) for a in MAPS for b in baselines)]
        return [row for a, b in pairs if a in methods and b in methods for row in self._pair(a, b)]

    def _pair(self, a: str, b: str) -> list[Row]:
        # the share of tied cells describes a map and is no score to compare
        shares = [name for name in self.settings if "output=tied_share" in name]
        difference = (self.paired[a] - self.paired[b]).drop(shares, level="setting").dropna()
        unequal = self._unequal() if (a, b) == PAIR else None
        rows: list[Row] = []
        for base, table in self._per_network(difference):
            base |= {"method_a": a, "method_b": b}
            if base["head"] == "gap" and unequal is not None:
                rows += self._twins(base, table, unequal)
                continue
            for architecture, chosen in _pools(table):
                rows += self._over_models(base | {"architecture": architecture}, chosen)
            if (a, b) == PAIR:
                for row in table.to_dict("records"):
                    values = difference.loc[(row["setting"], row["model"])].to_numpy()
                    known = {name: row[name] for name in (*MODEL, "floor")}
                    rows.append(self._within(base | known, values))
        return rows

    def _per_network(self, values: "pd.Series[float]") -> Iterator[tuple[Row, pd.DataFrame]]:
        """Yield (setting, dataset, head) and their networks' mean, count and floor."""
        table = values.groupby(level=["setting", "model"], observed=True).agg(["mean", "count"])
        table = table.reset_index().astype({"setting": str})
        second = table["setting"].isin(list(self.twin))
        other = table[second].assign(setting=table["setting"][second].map(self.twin))
        table = table[~second].merge(
            other[["setting", "model", "mean"]],
            on=["setting", "model"],
            how="left",
            suffixes=("", "_other"),
        )
        table["floor"] = (table["mean"] - table["mean_other"]).abs()
        table = table.join(self.networks, on="model")
        names = ["setting", "dataset", "head"]
        for found, chosen in table.groupby(names):
            yield dict(zip(names, found, strict=True)), chosen

    def _known(self, level: str, base: Row, **known: Any) -> Row:
        fixed = {"protocol": self.protocol, "metric": self.metric, "level": level, "seed": "all"}
        return _row(**{**fixed, **base, **known})

    def _over_models(self, base: Row, table: pd.DataFrame) -> list[Row]:
        values = table["mean"].to_numpy()
        n, mean, stream = len(values), float(values.mean()), self._stream(base)
        spread = float(values.std(ddof=1)) if n > 1 else np.nan
        kind = "exact" if n <= MOST_ENUMERATED else "Monte Carlo"
        low, high = self._t_interval(values)
        known = {"n": n, "estimate": mean, "floor": _floor(table["floor"])}
        row = self._known(
            "model",
            base,
            **known,
            low=low,
            high=high,
            test=f"{kind} sign flip (p >= {smallest_p(n):.2g})",
            p=sign_flip(values, *stream),
            effect=mean / spread if spread > 1e-9 * abs(mean) else np.nan,
            effect_name="Cohen dz",
        )
        if n < BCA_FROM:
            return [row]
        low, high = self._bootstrap((values,), np.mean, stream, "BCa")
        interval = {"low": low, "high": high, "test": "BCa interval", "effect_name": "BCa"}
        return [row, self._known("model", base, **known, **interval)]

    def _within(self, base: Row, values: Array) -> Row:
        low, high = self._bootstrap((values,), np.mean, self._stream(base), "percentile")
        test = _mcnemar if self.metric == "haas" else _wilcoxon
        name, p, effect, effect_name = test(values)
        return self._known(
            "image",
            base,
            n=len(values),
            estimate=float(values.mean()),
            low=low,
            high=high,
            test=name,
            p=p,
            effect=effect,
            effect_name=effect_name,
        )

    def _unequal(self) -> pd.DataFrame:
        """Return how many scores of ``PAIR`` there are and differ: by setting and model."""
        part = self.part[self.part["method"].isin(PAIR)]
        wide = part.pivot(index=IMAGE, columns="method", values=["value", "status"])
        a, b = (wide.xs(name, axis=1, level="method") for name in PAIR)
        same = (a["value"] == b["value"]) | (a["value"].isna() & b["value"].isna())
        unequal = ~(same & (a["status"] == b["status"]))
        groups = unequal.astype(float).groupby(level=["setting", "model"], observed=True)
        return pd.DataFrame({"unequal": groups.sum(), "scores": groups.size()})

    def _twins(self, base: Row, table: pd.DataFrame, unequal: pd.DataFrame) -> list[Row]:
        """Return the rows of GAP heads: the scores of both maps must be the same numbers."""
        table = table.join(unequal, on=["setting", "model"])
        base = base | {"test": "exact equality", "effect_name": "images that differ"}
        rows = []
        for architecture, chosen in _pools(table):
            known = {
                "architecture": architecture,
                "n": len(chosen),
                "estimate": float(chosen["mean"].mean()),
                "effect": float(chosen["unequal"].sum()),
                "floor": _floor(chosen["floor"]),
            }
            rows.append(self._known("model", base, **known))
        for row in table.to_dict("records"):
            known = {name: row[name] for name in (*MODEL, "floor")}
            known |= {"n": row["scores"], "estimate": row["mean"], "effect": row["unequal"]}
            rows.append(self._known("image", base, **known))
        return rows

    def _summaries(self, base: Row, table: pd.DataFrame, interval: bool = True) -> Iterator[Row]:
        """Yield a row per network (its mean, low, high) and their mean over networks."""
        for architecture, chosen in _pools(table):
            values = chosen["mean"].to_numpy()
            low, high = self._t_interval(values) if interval else (np.nan, np.nan)
            known = {"architecture": architecture, "n": len(values), "low": low, "high": high}
            yield self._known("model", base, **known, estimate=float(values.mean()))
        for row in table.to_dict("records"):
            known = {name: row[name] for name in MODEL}
            known |= {name: row[name] for name in ("low", "high") if name in row}
            yield self._known("image", base, **known, n=row["count"], estimate=row["mean"])

    def means(self) -> list[Row]:
        """Return the mean score of each method."""
        rows: list[Row] = []
        for method in self.wide.columns:
            for base, table in self._per_network(self.wide[method].dropna()):
                base |= {"method_a": method, "effect_name": "mean"}
                rows += self._summaries(base, table)
        return rows

    def ratios(self) -> list[Row]:
        """Return HAAS: accuracy over heatmap-assisted images / accuracy over the same images.

        All images count, blank maps too: they leave the image as it is.
        """
        clean = self.part.drop_duplicates(IMAGE).set_index(IMAGE)["correct"].astype(float)
        rows: list[Row] = []
        for method in self.wide.columns:
            both = pd.DataFrame({"assisted": self.wide[method], "clean": clean}).dropna()
            for base, table in self._per_network(both["assisted"]):
                if "outcome=" in base["setting"]:
                    continue
                base |= {"method_a": method, "method_b": "clean", "effect_name": "ratio"}
                found = []
                for row in table.to_dict("records"):
                    images = both.loc[(row["setting"], row["model"])]
                    pair = images["assisted"].to_numpy(), images["clean"].to_numpy()
                    low, high = self._bootstrap(
                        pair, _ratio, self._stream(base | {n: row[n] for n in MODEL}), "percentile"
                    )
                    found.append(row | {"mean": float(_ratio(*pair)), "low": low, "high": high})
                rows += self._summaries(base, pd.DataFrame(found))
        return rows

    def shares(self, setting: str | None) -> list[Row]:
        """Return the shares of blank maps and of undefined scores, in one setting or in all."""
        part = self.part[~self.part["method"].isin(["random_order", "prediction"])]
        part = part[~part["method"].astype(str).str.startswith("null_")]
        if setting is not None:
            part = part[part["setting"] == setting]
        rows: list[Row] = []
        for name, status in (("blank share", "blank_map"), ("undefined share", "undefined")):
            flags = part.assign(share=(part["status"] == status).astype(float))
            for method, chosen in flags.groupby("method", observed=True):
                for base, table in self._per_network(chosen.set_index(IMAGE)["share"]):
                    base |= {"method_a": method, "effect_name": name}
                    rows += self._summaries(base, table, interval=False)
        return rows

    def _stream(self, base: Row) -> tuple[str | int, ...]:
        names = [*MODEL, "setting", "method_a", "method_b"]
        parts = [str(base.get(name, "all")) for name in names]
        return (self.seed, "statistics", self.protocol, self.metric, *parts)

    def _t_interval(self, values: Array) -> tuple[float, float]:
        n = len(values)
        if n < 2:
            return np.nan, np.nan
        half = stats.t.ppf((1 + self.confidence) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
        return float(values.mean() - half), float(values.mean() + half)

    def _bootstrap(
        self,
        samples: tuple[Array, ...],
        statistic: Callable[..., Any],
        stream: tuple[str | int, ...],
        method: Any,
    ) -> tuple[float, float]:
        n = len(samples[0])
        if n < 2:
            return np.nan, np.nan
        with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            interval = stats.bootstrap(
                samples,
                statistic,
                paired=True,
                vectorized=True,
                n_resamples=self.resamples,
                batch=max(1, 10**7 // n),
                confidence_level=self.confidence,
                method=method,
                rng=seeding.generator(*stream),
            ).confidence_interval
        return float(interval.low), float(interval.high)


def _wide(part: pd.DataFrame, keep: "pd.Series[bool]") -> pd.DataFrame:
    """Return a row per image and setting, a column per method; NaN where ``keep`` is false."""
    values = part.assign(value=part["value"].where(keep))
    return values.pivot(index=IMAGE, columns="method", values="value")


def _pools(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    pools = [(str(name), chosen) for name, chosen in table.groupby("architecture")]
    return [*pools, ("all", table)]


def _floor(changes: "pd.Series[float]") -> float:
    """Return by how much the mean changes, typically: sqrt(sum of squares) / n, or NaN."""
    return float(np.sqrt((changes.to_numpy() ** 2).sum()) / len(changes))


def _ratio(assisted: Array, clean: Array, axis: int = -1) -> Array:
    right = np.asarray(clean.sum(axis=axis))
    return np.where(right > 0, assisted.sum(axis=axis) / np.maximum(right, 1), np.nan)


def _wilcoxon(values: Array) -> tuple[str, float, float, str]:
    ranks = stats.rankdata(np.abs(values)) * np.sign(values)
    effect = float(ranks.sum() / np.abs(ranks).sum()) if ranks.any() else 0.0
    if len(values) <= MOST_ENUMERATED:  # ties and zeros keep the enumeration exact
        p = sign_flip(ranks)
    else:
        p = float(stats.wilcoxon(values, zero_method="pratt", method="approx").pvalue)
    return "Wilcoxon signed-rank (Pratt)", p if ranks.any() else 1.0, effect, "rank-biserial"


def _mcnemar(values: Array) -> tuple[str, float, float, str]:
    only_a, only_b = int((values > 0).sum()), int((values < 0).sum())
    p = float(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)
    effect = (only_a - only_b) / (only_a + only_b) if only_a + only_b else 0.0
    return "McNemar (exact)", p, effect, "discordant"


def _adjust(rows: list[Row], primary: Mapping[str, str]) -> None:
    """Mark the primary comparisons and adjust their p-values, per data set (Holm)."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        row["primary"] = (
            (row["method_a"], row["method_b"]) == PAIR
            and row["effect_name"] == "Cohen dz"
            and (row["head"], row["architecture"]) == ("flatten", "all")
            and row["protocol"] == "strict"
            and row["setting"] == primary[row["metric"]]
        )
        if row["primary"]:
            families.setdefault(row["dataset"], []).append(row)
    for family in families.values():
        adjusted = multipletests([row["p"] for row in family], method="holm")[1]
        for row, p in zip(family, adjusted, strict=True):
            row["p_holm"] = float(p)
