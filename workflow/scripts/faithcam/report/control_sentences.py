"""The verdicts of the controls and the multiverse, in sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.report.wording import lean, listed
from faithcam.results.declared import STRICT, THESIS, Evaluations
from faithcam.validity.verdicts import ALL, Verdict, preferred, verdicts

AHEAD = "HiResCAM - Grad-CAM, turned so that more is better:"


class Verdicts:
    """The verdicts of the controls, in sentences; none without controls."""

    def __init__(
        self,
        statistics: pa.Table,
        validity: pa.Table | None,
        evaluations: Evaluations,
        settings: Mapping[str, Any],
    ) -> None:
        self.title = evaluations.title
        frame = pd.DataFrame() if validity is None else validity.to_pandas()
        self.verdicts = list(verdicts(frame, settings)) if len(frame) else []
        self.preferences = (
            preferred(statistics, evaluations, settings) if self.verdicts else pd.DataFrame()
        )

    def sentences(self, dataset: str) -> list[str]:
        """Return the verdicts on one data set, or on all of them together."""
        where = "all data sets together" if dataset == ALL else dataset
        strict, thesis = (
            [v for v in self.verdicts if (v.dataset, v.protocol) == (dataset, protocol)]
            for protocol in (STRICT, THESIS)
        )
        texts = []
        if strict:
            texts.append(f"Validity on {where}, strict protocol: {self._outcomes(strict)}.")
        if dataset == ALL:
            texts += [f"{self.title(verdict.metric)}: {verdict.reason}." for verdict in strict]
        else:
            texts += [self._because(verdict) for verdict in strict]
        if thesis:
            outcomes = self._outcomes(thesis)
            texts.append(f"Validity in the published protocol on {where}: {outcomes}.")
        return texts

    def _because(self, verdict: Verdict) -> str:
        """Say whether a preference is evidence of faithfulness, and on which evidence."""
        verbs = {"fail": "fails", "inconclusive": "leaves open", "pass": "passes"}
        groups = {outcome: verdict.names(outcome) for outcome in verbs}
        evidence = [f"{verbs[name]} {listed(names)}" for name, names in groups.items() if names]
        if groups["fail"]:
            evidence[0] += f" ({_observed(verdict.first('fail'))})"
        missing = verdict.missing()
        without = f"; not run: {listed(missing)}" if missing else ""
        preference, decided = self._preference(verdict)
        end = {
            "valid": "this is evidence of faithfulness"
            if decided
            else "it passed the controls, and prefers neither map beyond doubt",
            "not valid": "its preferences are no evidence of faithfulness",
            "inconclusive": "whether its preferences are evidence of faithfulness stays open",
        }[verdict.outcome]
        if verdict.outcome == "inconclusive" and groups["fail"]:
            end += f" ({verdict.reason})"
        controls = listed(evidence) if evidence else "has no control"
        return f"{self.title(verdict.metric)} {preference}; it {controls}{without}: {end}."

    def _preference(self, verdict: Verdict) -> tuple[str, bool]:
        """Return what a metric prefers by how much, and whether it prefers anything surely."""
        key = (verdict.dataset, verdict.protocol, verdict.metric)
        if key not in self.preferences.index:
            return "was judged", False
        row = self.preferences.loc[[key]].iloc[0]
        side = lean(row, 1)  # these numbers are turned so that more is better
        words, sign = {
            "hirescam": ("prefers HiResCAM by", 1),
            "gradcam": ("prefers Grad-CAM by", -1),
            "floor": (f"prefers neither map beyond its noise floor: {AHEAD}", 1),
            "zero": (f"cannot tell the two maps apart: {AHEAD}", 1),
            "single": (f"cannot be judged from a single network or seed: {AHEAD}", 1),
        }[side]
        low, high = sorted(sign * row[end] for end in ("low", "high"))
        floor = "no noise floor" if np.isnan(row["floor"]) else f"noise floor {row['floor']:.2g}"
        interval = f"interval {low:#.3g} to {high:#.3g}, " if row["n"] > 1 else ""
        number = f"{sign * row['estimate']:{'' if side in ('hirescam', 'gradcam') else '+'}#.3g}"
        return f"{words} {number} ({interval}{floor})", side in ("hirescam", "gradcam")

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
                texts.append(f"{listed(names)} {'is' if len(names) == 1 else 'are'} {text}")
        return "; ".join(texts)


def _observed(row: "pd.Series[Any] | None") -> str:
    """Return what was predicted of a control, and what was observed."""
    if row is None:
        return ""
    interval = "" if np.isnan(row["low"]) else f" [{row['low']:+#.3g}, {row['high']:+#.3g}]"
    name = str(row["control"]).replace("_", " ")
    return f"{name}, predicted: {row['prediction']}; observed: {row['estimate']:+#.3g}{interval}"


def multiverse(table: pa.Table | None, dataset: str, evaluations: Evaluations) -> list[str]:
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
