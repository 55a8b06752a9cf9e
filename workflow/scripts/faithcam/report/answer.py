"""What an experiment says, in words and numbers computed from its tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from faithcam.figures.style import percent
from faithcam.report import published
from faithcam.results.declared import STRICT, THESIS, Evaluations
from faithcam.statistics.settings import MODEL, PAIR
from faithcam.statistics.tests import smallest_p
from faithcam.validity.verdicts import ALL, Verdict, preferred, verdicts

SHORT = 2  # data sets of which everything is said in a paragraph
AHEAD = "HiResCAM - Grad-CAM, turned so that more is better:"


@dataclass(frozen=True)
class Counts:
    """In how many cases a claim holds, fails, or cannot be decided because of a tie."""

    holds: int
    fails: int
    tied: int = 0

    @property
    def cases(self) -> int:
        """Number of cases."""
        return self.holds + self.fails + self.tied

    def p(self, ties: str) -> float:
        """Return the two-sided exact sign-test p-value, with ties ``dropped`` or ``against``."""
        cases = self.cases - (self.tied if ties == "dropped" else 0)
        return float(stats.binomtest(self.holds, cases).pvalue) if cases else np.nan


@dataclass(frozen=True)
class Claim:
    """A claim of the published study with its counts and ours."""

    text: str
    unit: str
    published: Counts
    ours: Counts


def published_claims(statistics: pa.Table) -> list[Claim]:
    """Restate the published claims with the counts of this run.

    Thesis protocol, Flatten heads, networks of all data sets together; per network the mean over
    region sizes or radii. A tie is exact equality (published values have two decimals).

    Args:
        statistics: rows of ``STATISTICS``.

    Source: doi 10.1016/j.cmpb.2024.108238.
    """
    frame = statistics.to_pandas()
    frame = frame[
        (frame["protocol"] == THESIS) & (frame["head"] == "flatten") & (frame["level"] == "image")
    ]

    def counts(metric: str, sign: int) -> Counts:
        pair = (frame["method_a"] == PAIR[0]) & (frame["method_b"] == PAIR[1])
        chosen = frame[(frame["metric"] == metric) & pair]
        gains = sign * chosen.groupby(MODEL)["estimate"].mean().to_numpy()
        return Counts(int((gains > 0).sum()), int((gains < 0).sum()), int((gains == 0).sum()))

    ratio = frame[(frame["effect_name"] == "ratio") & frame["method_a"].isin(PAIR)]
    ratios = ratio["estimate"].to_numpy()
    below = Counts(int((ratios < 1).sum()), int((ratios > 1).sum()), int((ratios == 1).sum()))
    said = {metric: Counts(**cases) for metric, cases in published.claims().items()}
    return [
        Claim("AOPC is higher for HiResCAM", "networks", said["aopc"], counts("aopc", 1)),
        Claim(
            "Max-Sensitivity is lower for HiResCAM",
            "networks",
            said["max_sensitivity"],
            counts("max_sensitivity", -1),
        ),
        Claim("HAAS is below 1", "networks x maps", said["haas"], below),
    ]


@dataclass(frozen=True)
class Answer:
    """The answer of a run in words and numbers, ASCII.

    Args:
        question: what was asked, and what the controls say on all data sets together.
        datasets: what is found on each data set; the first sentence is the answer in short.
        basis: what it rests on, and what it does not show.
    """

    question: list[str]
    datasets: dict[str, list[str]]
    basis: list[str]

    def sentences(self) -> list[str]:
        """Return everything, in order."""
        return [*self.question, *(text for f in self.datasets.values() for text in f), *self.basis]

    def text(self) -> str:
        """Return it as paragraphs: of more than two data sets, their short answers in one."""
        found = list(self.datasets.values())
        parts = found if len(found) <= SHORT else [[sentences[0] for sentences in found]]
        return "\n\n".join(" ".join(part) for part in (self.question, *parts, self.basis))


def answer(
    statistics: pa.Table,
    models: pa.Table,
    checks: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    validity: pa.Table | None = None,
    multiverse: pa.Table | None = None,
) -> Answer:
    """Return the answer of a run.

    Args:
        statistics: rows of ``STATISTICS``.
        models: rows of ``MODELS``, of the networks that there are.
        checks: rows of ``CHECKS``.
        evaluations: all that were declared.
        settings: of the config: ``datasets``, ``methods``, ``metrics``, ``protocols`` and
            ``statistics``; ``data`` (:func:`faithcam.experiment.datasets.facts`) and ``plan``
            (:func:`faithcam.experiment.datasets.plan`).
        validity: rows of ``validity.parquet``, if controls were run.
        multiverse: rows of ``multiverse.parquet``, if it was run.
    """
    frame = statistics.to_pandas()
    judged = _Judged(statistics, validity, evaluations, settings)
    plan = settings["plan"]
    names = [evaluations.title(name) for name in evaluations.judged(plan["metrics"])]
    because = ", and because it is faithful" if judged.found else ""
    asked = (
        f"Asked: {'do ' + _list(names) if names else 'does a metric'} prefer HiResCAM, which is "
        f"provably faithful on a Flatten head, to Grad-CAM, which is not{because}?"
    )
    found = {}
    for dataset in settings["datasets"]:
        own = {"heads": plan["heads"][dataset], "metrics": plan["metrics_of"][dataset]}
        found[dataset] = [
            *_verdict(frame, dataset, evaluations, {**settings, **own}),
            *judged.sentences(dataset),
            *_multiverse(multiverse, dataset, evaluations),
        ]
    basis = [
        _published(statistics),
        _grid(models, settings),
        _axioms(models, checks),
        _twins(frame),
        _blank(frame, evaluations.metrics(judged=True)),
        _not_shown(judged.found),
    ]
    simulated = [name for name in settings["datasets"] if settings["data"][name]["simulated"]]
    if simulated:
        basis.append(f"The images of {_list(simulated)} are simulated, not patients'.")
    question = [asked, *judged.sentences(ALL)]
    return Answer(question, found, [text for text in basis if text])


class _Judged:
    """What the controls say, in sentences."""

    def __init__(
        self,
        statistics: pa.Table,
        validity: pa.Table | None,
        evaluations: Evaluations,
        settings: Mapping[str, Any],
    ) -> None:
        self.title = evaluations.title
        frame = pd.DataFrame() if validity is None else validity.to_pandas()
        self.found = list(verdicts(frame, settings)) if len(frame) else []
        preferences = preferred(statistics, evaluations, settings) if self.found else None
        self.preferences = pd.DataFrame() if preferences is None else preferences

    def sentences(self, dataset: str) -> list[str]:
        """Return the verdicts on one data set, or on all of them together."""
        ours = [verdict for verdict in self.found if verdict.dataset == dataset]
        where = "all data sets together" if dataset == ALL else dataset
        strict, thesis = (
            [verdict for verdict in ours if verdict.protocol == protocol]
            for protocol in (STRICT, THESIS)
        )
        found = (
            [f"Validity on {where}, strict protocol: {self._outcomes(strict)}."] if strict else []
        )
        if dataset == ALL:
            found += [f"{self.title(verdict.metric)}: {verdict.reason}." for verdict in strict]
        else:
            found += [self._because(verdict) for verdict in strict]
        if thesis:
            found.append(
                f"Validity in the published protocol on {where}: {self._outcomes(thesis)}."
            )
        return found

    def _because(self, verdict: Verdict) -> str:
        """Say whether a preference is evidence of faithfulness, and on which evidence."""
        found = {name: verdict.names(name) for name in ("fail", "inconclusive", "pass")}
        verbs = {"fail": "fails", "inconclusive": "leaves open", "pass": "passes"}
        evidence = [f"{verbs[name]} {_list(groups)}" for name, groups in found.items() if groups]
        if found["fail"]:
            evidence[0] += f" ({_observed(verdict.first('fail'))})"
        missing = verdict.missing()
        without = f"; not run: {_list(missing)}" if missing else ""
        preference, decided = self._preference(verdict)
        end = {
            "valid": "this is evidence of faithfulness"
            if decided
            else "it passed the controls, and prefers neither map beyond doubt",
            "not valid": "its preferences are no evidence of faithfulness",
            "inconclusive": "whether its preferences are evidence of faithfulness stays open",
        }[verdict.outcome]
        if verdict.outcome == "inconclusive" and found["fail"]:
            end += f" ({verdict.reason})"
        controls = _list(evidence) if evidence else "has no control"
        return f"{self.title(verdict.metric)} {preference}; it {controls}{without}: {end}."

    def _preference(self, verdict: Verdict) -> tuple[str, bool]:
        """Return what a metric prefers by how much, and whether it prefers anything surely."""
        key = (verdict.dataset, verdict.protocol, verdict.metric)
        if key not in self.preferences.index:
            return "was judged", False
        row = self.preferences.loc[[key]].iloc[0]
        lean = _lean(row, 1)  # these numbers are turned so that more is better
        words, sign = {
            "hirescam": ("prefers HiResCAM by", 1),
            "gradcam": ("prefers Grad-CAM by", -1),
            "floor": (f"prefers neither map beyond its noise floor: {AHEAD}", 1),
            "zero": (f"cannot tell the two maps apart: {AHEAD}", 1),
            "single": (f"cannot be judged from a single network or seed: {AHEAD}", 1),
        }[lean]
        low, high = sorted(sign * row[end] for end in ("low", "high"))
        floor = "no noise floor" if np.isnan(row["floor"]) else f"noise floor {row['floor']:.2g}"
        interval = f"interval {low:#.3g} to {high:#.3g}, " if row["n"] > 1 else ""
        number = f"{sign * row['estimate']:{'' if lean in ('hirescam', 'gradcam') else '+'}#.3g}"
        return f"{words} {number} ({interval}{floor})", lean in ("hirescam", "gradcam")

    def _outcomes(self, chosen: list[Verdict]) -> str:
        """Return which metrics are valid, which are not, which cannot be decided."""
        words = {
            "valid": "valid (no control failed, all required ones passed)",
            "not valid": "not valid (a control failed)",
            "inconclusive": "undecided",
        }
        texts = []
        for outcome, text in words.items():
            names = [self.title(v.metric) for v in chosen if v.outcome == outcome]
            if names:
                texts.append(f"{_list(names)} {'is' if len(names) == 1 else 'are'} {text}")
        return "; ".join(texts)


def _observed(row: "pd.Series[Any] | None") -> str:
    """Return what was predicted of a control, and what was observed."""
    if row is None:
        return ""
    interval = "" if np.isnan(row["low"]) else f" [{row['low']:+#.3g}, {row['high']:+#.3g}]"
    name = str(row["control"]).replace("_", " ")
    return f"{name}, predicted: {row['prediction']}; observed: {row['estimate']:+#.3g}{interval}"


def _multiverse(table: pa.Table | None, dataset: str, evaluations: Evaluations) -> list[str]:
    """Return in how many specifications HiResCAM wins on a data set."""
    if table is None:
        return []
    rows = table.to_pandas()
    texts = []
    for metric, chosen in rows[rows["dataset"] == dataset].groupby("metric", sort=False):
        counts = chosen["outcome"].value_counts()
        texts.append(
            f"{evaluations.title(str(metric))} prefers HiResCAM in {counts.get('win', 0)} of "
            f"{len(chosen)} specifications, Grad-CAM in {counts.get('loss', 0)}"
        )
    if not texts:
        return []
    return [f"Multiverse (all declared ways to compute a metric): {'; '.join(texts)}."]


def _not_shown(judged: list[Verdict]) -> str:
    again = (
        "the networks of a data set share its test images, so the intervals speak of training "
        "again, not of other images."
    )
    if not judged:
        return (
            "Not shown: preference is not validity. No control with a known true explanation was "
            "run, so these numbers cannot tell whether a metric prefers a map because it is "
            f"faithful; and {again}"
        )
    return (
        "Not shown: that a valid metric is so elsewhere. A verdict is about these data sets, "
        "networks and settings; valid means that no control failed here, not that none could; "
        f"and where images are not drawn anew for each seed, {again}"
    )


def _verdict(
    frame: pd.DataFrame, dataset: str, evaluations: Evaluations, settings: Mapping[str, Any]
) -> list[str]:
    """Return the sentences on the primary comparisons of one data set."""
    alpha = 1 - settings["statistics"]["confidence"]
    rows = frame[frame["primary"] & (frame["dataset"] == dataset)].set_index("metric")
    found = [name for name in settings["metrics"] if name in rows.index]
    if not found:
        return [f"Answer on {dataset}: none; {_why_nothing(evaluations, settings)}."]
    title = evaluations.title
    clear = [title(name) for name in found if rows.loc[name, "p_holm"] < alpha]
    details = "; ".join(_detail(rows.loc[name], name, evaluations, settings) for name in found)
    verb = "is" if len(clear) < 2 else "are"
    level = percent(settings["statistics"]["confidence"])
    floored = [name for name in found if not np.isnan(rows.loc[name, "floor"])]
    basis = f"{level} interval" + (" and noise floor" if floored else "")
    without = [title(name) for name in found if name not in floored]
    if without:
        basis += f" ({_list(without)}: no noise floor)"
    sentences = [
        f"Answer on {dataset}, judged by {basis}: "
        f"{_headline({name: rows.loc[name] for name in found}, evaluations)}; "
        f"{_list(clear) if clear else 'none'} {verb} significant at {alpha:.2g} after Holm.",
        f"Mean differences HiResCAM - Grad-CAM over the Flatten networks (strict protocol, "
        f"{_images(frame, dataset)} explained test images): {details}.",
    ]
    published = _published_rows(frame, dataset, evaluations, settings)
    if published:
        headline = _headline(published, evaluations)
        sentences.append(f"In the published protocol, by interval: {headline}.")
    expected = evaluations.judged(settings["metrics"])
    missing = [title(name) for name in expected if name not in found]
    if missing:
        sentences.append(f"There is no comparison for {_list(missing)}.")
    n = int(rows.loc[found, "n"].max())
    least, family = smallest_p(n), len(found)
    nested = settings["data"][dataset]["nested"]
    unit = "seed" if nested else "network"
    units = f"With {n} {unit}{'s' if n > 1 else ''}" + (", each with its own images," * nested)
    if min(1.0, family * least) >= alpha:
        needed = next(k for k in range(1, 99) if family * smallest_p(k) < alpha)
        sentences.append(
            f"{units} the exact sign-flip test cannot reach a p below {least:.2g} "
            f"({min(1.0, family * least):.2g} after Holm over {family} metrics): whatever the "
            f"data, no metric can be significant here; that takes at least {needed} {unit}s."
        )
    else:
        sentences.append(
            f"{units} the smallest p that the sign-flip test can reach is {least:.2g}."
        )
    return sentences


_SIDES = {
    "hirescam": "favour{s} HiResCAM",
    "gradcam": "favour{s} Grad-CAM",
    "floor": "differ{s} by no more than the noise floor",
    "zero": "cannot tell them apart",
    "single": "cannot be judged from a single network or seed",
}


def _headline(rows: Mapping[str, "pd.Series[Any]"], evaluations: Evaluations) -> str:
    """Return which map each metric favours, given its row over networks."""
    leans = {metric: _lean(row, evaluations.sign(metric)) for metric, row in rows.items()}
    sides = {side: [evaluations.title(m) for m in rows if leans[m] == side] for side in _SIDES}
    return "; ".join(
        f"{_list(chosen)} {_SIDES[side].format(s='' if len(chosen) > 1 else 's')}"
        for side, chosen in sides.items()
        if chosen
    )


def _published_rows(
    frame: pd.DataFrame, dataset: str, evaluations: Evaluations, settings: Mapping[str, Any]
) -> dict[str, "pd.Series[Any]"]:
    """Return the thesis protocol's row of each metric over all Flatten networks."""
    rows = frame[(frame["dataset"] == dataset) & (frame["protocol"] == THESIS)]
    rows = rows[(rows["method_a"] == PAIR[0]) & (rows["method_b"] == PAIR[1])]
    rows = rows[(rows["effect_name"] == "Cohen dz") & (rows["head"] == "flatten")]
    rows = rows[rows["architecture"] == "all"]
    found = {}
    for metric, setting in evaluations.shown(settings["metrics"], THESIS, dataset).items():
        chosen = rows[(rows["metric"] == metric) & (rows["setting"] == str(setting))]
        if len(chosen):
            found[metric] = chosen.iloc[0]
    return found


def _lean(row: "pd.Series[Any]", sign: int) -> str:
    """Return which map a comparison favours, or why it does not say (a key of ``_SIDES``)."""
    if row["n"] < 2:
        return "single"
    if row["low"] <= 0 <= row["high"]:
        return "zero"
    if abs(row["estimate"]) <= row["floor"]:
        return "floor"
    return "hirescam" if sign * row["estimate"] > 0 else "gradcam"


_MEANINGS = {
    "max_sensitivity": "relative; lower is more stable, which is not more faithful",
    "haas": "accuracy on heatmap-assisted images; higher is better",
}


def _detail(
    row: "pd.Series[Any]", metric: str, evaluations: Evaluations, settings: Mapping[str, Any]
) -> str:
    """Return one comparison in numbers."""
    better = "higher is better" if evaluations.sign(metric) > 0 else "lower is better"
    meaning = _MEANINGS.get(metric, better)
    level = percent(settings["statistics"]["confidence"])
    parts = [f"{level} interval {row['low']:+#.3g} to {row['high']:+#.3g}"] if row["n"] > 1 else []
    floor = row["floor"]
    parts.append("no noise floor" if np.isnan(floor) else f"noise floor {floor:.2g}")
    parts.append(f"p = {row['p']:.2g}, Holm {row['p_holm']:.2g}, n = {row['n']}")
    return f"{evaluations.title(metric)} ({meaning}) {row['estimate']:+#.3g} ({', '.join(parts)})"


def _why_nothing(evaluations: Evaluations, settings: Mapping[str, Any]) -> str:
    if not evaluations.judged(settings["metrics"]):
        return (
            "none of the metrics that are judged was computed; other metrics are in the table of "
            "further metrics"
        )
    if "flatten" not in settings["heads"]:
        return "no Flatten head was run, and with GAP both maps are the same"
    if STRICT not in settings["protocols"]:
        return "the strict protocol, which holds the primary comparisons, was not run"
    if not set(PAIR) <= set(settings["methods"]):
        return "the two maps were not both run"
    return "there are no scores of an included Flatten network"


def _images(frame: pd.DataFrame, dataset: str) -> int:
    shares = frame[(frame["effect_name"] == "blank share") & (frame["level"] == "image")]
    return int(shares.loc[shares["dataset"] == dataset, "n"].max())


def _grid(models: pa.Table, settings: Mapping[str, Any]) -> str:
    """Return what was planned, what is missing and what was left out."""
    planned = planned_networks(settings)
    rows = {network(*(row[name] for name in MODEL)): row for row in models.to_pylist()}
    missing = [name for name in planned if name not in rows]
    excluded = [f"{name}: {row['reason']}" for name, row in rows.items() if not row["included"]]
    there = len(planned) - len(missing)
    text = f"Grid: {there} of {len(planned)} planned networks are there"
    if missing:
        text += f" (INCOMPLETE, missing: {_some(missing)})"
    left = f"{len(excluded)} left out ({_some(excluded)})" if excluded else "none was left out"
    return f"{text}, {left}."


def _axioms(models: pa.Table, checks: pa.Table) -> str:
    rows = checks.to_pylist()
    failed = [f"{network(*(r[k] for k in MODEL))} {r['check']}" for r in rows if not r["passed"]]
    checked = {network(*(row[name] for name in MODEL)) for row in rows}
    unchecked = [
        name
        for name in (network(*(row[k] for k in MODEL)) for row in models.to_pylist())
        if name not in checked
    ]
    if failed:
        return f"AXIOMS VIOLATED, trust nothing here: {_some(failed)}."
    text = f"Axioms: all {len(rows)} checks of {len(checked)} networks passed"
    if unchecked:
        text += f"; not checked: {_some(unchecked)}"
    return (text if rows else "Axioms: no check was run") + "."


def _twins(frame: pd.DataFrame) -> str:
    """Say how many scores differ, of all scores of both maps."""
    rows = frame[(frame["effect_name"] == "images that differ") & (frame["level"] == "image")]
    if rows.empty:
        return "GAP twins: not run, so the control of exactly zero difference is missing."
    networks = len(rows[MODEL].drop_duplicates())
    unequal, pairs = int(rows["effect"].sum()), int(rows["n"].sum())
    if unequal:
        return (
            f"GAP TWINS DIFFER in {unequal} of {pairs} pairs of scores although both maps are the "
            "same: a defect."
        )
    return (
        f"GAP twins: exactly zero difference in all {pairs} pairs of scores of {networks} networks."
    )


def _blank(frame: pd.DataFrame, judged: list[str]) -> str:
    """Return the largest mean share of blank maps over metrics and data sets."""
    rows = frame[(frame["effect_name"] == "blank share") & (frame["architecture"] == "all")]
    # another metric's maps may be blank in a view of its own
    rows = rows[(rows["head"] == "flatten") & (rows["level"] == "model")]
    rows = rows[rows["metric"].isin(judged)]
    texts = []
    for protocol, view in ((THESIS, "after ReLU"), (STRICT, "signed")):
        worst = rows[rows["protocol"] == protocol].groupby("method_a")["estimate"].max()
        if set(PAIR) <= set(worst.index):
            shares = (f"{percent(worst[m])} {n}" for m, n in zip(PAIR, _MAP_NAMES, strict=True))
            texts.append(f"{_list(list(shares))} ({protocol}, {view})")
    return f"Blank maps on Flatten heads: {'; '.join(texts)}." if texts else ""


_MAP_NAMES = ("HiResCAM", "Grad-CAM")


def _published(statistics: pa.Table) -> str:
    """Return the counts of the published claims."""
    texts = [
        f"{claim.text} in {claim.ours.holds} of {claim.ours.cases} {claim.unit}"
        + (f" ({claim.ours.tied} tied)" if claim.ours.tied else "")
        for claim in published_claims(statistics)
        if claim.ours.cases
    ]
    return f"Published claims in the thesis protocol: {'; '.join(texts)}." if texts else ""


def planned_networks(settings: Mapping[str, Any]) -> list[str]:
    """Return the names of all planned networks."""
    return [network(*point) for point in settings["plan"]["networks"]]


def network(dataset: object, architecture: object, head: object, seed: object) -> str:
    """Return a network's name, as in the paths of results/models."""
    return f"{dataset}/{architecture}-{head}/seed{seed}"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _some(names: list[str], most: int = 4) -> str:
    rest = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
