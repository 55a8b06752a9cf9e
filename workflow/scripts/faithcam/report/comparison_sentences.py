"""The primary comparisons of a data set, in sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.figures.style import percent
from faithcam.report.table import ascii_text, interval, number, oriented
from faithcam.report.wording import lean, listed
from faithcam.results.declared import STRICT, THESIS, Evaluations
from faithcam.statistics.settings import PAIR, where
from faithcam.statistics.tests import smallest_p

_SIDES = {
    "hirescam": "favour{s} HiResCAM",
    "gradcam": "favour{s} Grad-CAM",
    "floor": "differ{s} by no more than the noise floor",
    "zero": "cannot tell them apart",
    "single": "cannot be judged from a single network or seed",
}


_MEANINGS = {
    "max_sensitivity": "relative; lower is more stable, which is not more faithful",
    "haas": "accuracy on heatmap-assisted images; higher is better",
}


def sentences(
    frame: pd.DataFrame, dataset: str, evaluations: Evaluations, settings: Mapping[str, Any]
) -> list[str]:
    """Return the sentences on the primary comparisons of one data set."""
    alpha = 1 - settings["statistics"]["confidence"]
    rows = frame[frame["primary"] & (frame["dataset"] == dataset)].set_index("metric")
    metrics = [name for name in settings["metrics"] if name in rows.index]
    if not metrics:
        return [f"Answer on {dataset}: none; {_why_nothing(evaluations, settings)}."]
    title = evaluations.title
    clear = [title(name) for name in metrics if rows.loc[name, "p_holm"] < alpha]
    details = "; ".join(_detail(rows.loc[name], name, evaluations, settings) for name in metrics)
    verb = "is" if len(clear) < 2 else "are"
    level = percent(settings["statistics"]["confidence"])
    floored = [name for name in metrics if not np.isnan(rows.loc[name, "floor"])]
    basis = f"{level} interval" + (" and noise floor" if floored else "")
    without = [title(name) for name in metrics if name not in floored]
    if without:
        basis += f" ({listed(without)}: no noise floor)"
    sentences = [
        f"Answer on {dataset}, judged by {basis}: "
        f"{_headline({name: rows.loc[name] for name in metrics}, evaluations)}; "
        f"{listed(clear) if clear else 'none'} {verb} significant at {alpha:.2g} after Holm.",
        f"Mean differences HiResCAM - Grad-CAM (positive: better for HiResCAM) over the Flatten "
        f"networks (strict protocol, "
        f"{_images(frame, dataset)} explained test images): {details}.",
    ]
    published = _published_rows(frame, dataset, evaluations, settings)
    if published:
        headline = _headline(published, evaluations)
        sentences.append(f"In the published protocol, by interval: {headline}.")
    expected = evaluations.published(settings["metrics"])
    missing = [title(name) for name in expected if name not in metrics]
    if missing:
        sentences.append(f"There is no comparison for {listed(missing)}.")
    n = int(rows.loc[metrics, "n"].max())
    least, family = smallest_p(n), len(metrics)
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


def _headline(rows: Mapping[str, "pd.Series[Any]"], evaluations: Evaluations) -> str:
    """Return which map each metric favours, given its row over networks."""
    leans = {metric: lean(row, evaluations.sign(metric)) for metric, row in rows.items()}
    sides = {side: [evaluations.title(m) for m in rows if leans[m] == side] for side in _SIDES}
    return "; ".join(
        f"{listed(chosen)} {_SIDES[side].format(s='' if len(chosen) > 1 else 's')}"
        for side, chosen in sides.items()
        if chosen
    )


def _published_rows(
    frame: pd.DataFrame, dataset: str, evaluations: Evaluations, settings: Mapping[str, Any]
) -> dict[str, "pd.Series[Any]"]:
    """Return the thesis protocol's row of each metric over all Flatten networks."""
    pair = where(
        frame, dataset=dataset, protocol=THESIS, head="flatten", architecture="all",
        method_a=PAIR[0], method_b=PAIR[1], effect_name="Cohen dz",
    )  # fmt: skip
    published = {}
    settings_of = evaluations.published_settings(settings["metrics"], THESIS, dataset)
    for metric, setting in settings_of.items():
        rows = where(pair, metric=metric, setting=str(setting))
        if len(rows):
            published[metric] = rows.iloc[0]
    return published


def _detail(
    row: "pd.Series[Any]", metric: str, evaluations: Evaluations, settings: Mapping[str, Any]
) -> str:
    """Return one comparison in numbers."""
    sign = evaluations.sign(metric)
    row = oriented(row, sign)
    better = "higher is better" if sign > 0 else "lower is better"
    meaning = _MEANINGS.get(metric, better)
    level = percent(settings["statistics"]["confidence"])
    parts = [f"{level} interval {ascii_text(interval(row, sign=True))}"] if row["n"] > 1 else []
    floor = row["floor"]
    parts.append("no noise floor" if np.isnan(floor) else f"noise floor {floor:.2g}")
    parts.append(f"p = {row['p']:.2g}, Holm {row['p_holm']:.2g}, n = {row['n']}")
    difference = ascii_text(number(row["estimate"], sign=True))
    return f"{evaluations.title(metric)} ({meaning}) {difference} ({', '.join(parts)})"


def _why_nothing(evaluations: Evaluations, settings: Mapping[str, Any]) -> str:
    if not evaluations.published(settings["metrics"]):
        return (
            "none of the published metrics was computed; other metrics are in the table of "
            "further metrics"
        )
    if "flatten" not in settings["heads"] and "other" in settings["heads"]:
        return (
            "no Flatten head was run; the tables have what metrics say of networks with head other"
        )
    if "flatten" not in settings["heads"]:
        return "no Flatten head was run, and with GAP both maps are the same"
    if STRICT not in settings["protocols"]:
        return "the strict protocol, which holds the primary comparisons, was not run"
    if not set(PAIR) <= set(settings["methods"]):
        return "the two maps were not both run"
    return "there are no scores of an included Flatten network"


def _images(frame: pd.DataFrame, dataset: str) -> int:
    shares = where(frame, effect_name="blank share", level="image")
    return int(shares.loc[shares["dataset"] == dataset, "n"].max())


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
