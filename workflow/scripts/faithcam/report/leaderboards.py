"""The two leaderboards: which map is right, and which metric finds it.

What decides is one rule: a difference is one whose interval leaves out 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from faithcam.core.setting import Setting
from faithcam.figures.style import look, percent
from faithcam.report.table import NONE, Table, decimals, interval, number
from faithcam.report.wording import lean
from faithcam.results.declared import STRICT, THESIS, Evaluations
from faithcam.statistics.agreement import OCCLUSION, OVERLAPPING, PATCHES
from faithcam.statistics.intervals import t_interval
from faithcam.statistics.settings import PAIR, where
from faithcam.truth.estimands import ESTIMANDS
from faithcam.validity import verdict as words
from faithcam.validity.judgement import ESTIMANDS as DECIDED
from faithcam.validity.verdict import FAMILIES, METHODS

FORMS = {OVERLAPPING: "overlapping networks", PATCHES: "patch networks"}
BESIDE = "mean_truth_of_others"  # what no map needs to be better than by chance
LAW = "follows from the definition"
WORDS = {
    words.USABLE: "better than blind",
    words.BLIND: "no better than blind",
    words.UNDECIDED: "undecided",
    words.NO_INFORMATION: "no information: ties",
    words.OWN_REFERENCE: "its own reference",
    words.TOO_FEW: NONE,
}
MEASURES = {"spearman": "Spearman", "pearson": "Pearson", "top10": "overlap of the top tenth"}
RECOMMENDED = "recommended"
SIDES = {
    "hirescam": "HiResCAM",
    "gradcam": "Grad-CAM",
    "zero": "undecided",
    "single": "undecided, one unit",
}


def map_name(method: str) -> str:
    """Return a map's name in texts."""
    if method.startswith(OCCLUSION):
        return f"occlusion, {estimand_name(method.removeprefix(OCCLUSION))}"
    return look(method).name


def estimand_name(name: str) -> str:
    """Return an estimand's name in the heads of tables."""
    return name.replace("_", " ")


def _in_order(estimands: Any) -> list[str]:
    rank = {name: place for place, name in enumerate(ESTIMANDS)}
    return sorted(set(estimands), key=lambda name: (rank.get(name, len(rank)), name))


def maps(
    agreement: pd.DataFrame,
    dataset: str,
    networks: str,
    settings: Mapping[str, Any],
    measure: str = "spearman",
    only: int | None = None,
) -> Table:
    """Return how near each map is to the truth on one kind of networks, nearest first.

    Args:
        agreement: rows of ``AGREEMENT``.
        dataset: name of the data set.
        networks: ``overlapping`` or ``patches``.
        settings: the config.
        measure: of agreement.
        only: how many maps at most: HiResCAM, Grad-CAM, the truth of other images, the best
            occlusion, and the best of the rest; the first estimand's interval stands beside it.
    """
    rows = where(agreement, dataset=dataset, networks=networks, measure=measure)
    estimands = _in_order(rows["estimand"])
    means = where(rows, method_b="")
    wide = means.pivot(index="method_a", columns="estimand", values="estimate")[estimands]
    wide = wide.sort_values(estimands, ascending=False, kind="stable", na_position="last")
    level = percent(settings["statistics"]["confidence"])
    ns = sorted(set(means["n"]))
    units = _units(dataset, settings)[: -1 if ns == [1] else None]
    table = Table(
        f"Which map is right? {dataset}, {FORMS[networks]}, {MEASURES[measure]}",
        ["map"],
        [estimand_name(name) for name in estimands],
        (
            f"Agreement with the truth ({MEASURES[measure]}"
            + (", divided by the root of the truth's reliability" * (measure == "spearman"))
            + f") of the signed map, mean over {_span(ns)} {units} ({level} t interval), Flatten "
            "heads. Columns: what an absent cell shows instead, each a truth of its own: "
            + "; ".join(f"{estimand_name(e)}: {ESTIMANDS[e].title}" for e in estimands if e in
                        ESTIMANDS)
            + f". {_unresolved(rows, estimands)}"
        ),
        folded=measure != "spearman",
    )  # fmt: skip
    chosen = [str(name) for name in wide.index]
    if only is not None:
        chosen = _chosen(chosen, only)
    starred = ""
    for method in chosen:
        cells = []
        for place, estimand in enumerate(estimands):
            cell = where(means, method_a=method, estimand=estimand)
            if cell.empty:
                cells.append(NONE)
                continue
            row = cell.iloc[0]
            text = decimals(row["estimate"])
            if (only is None or not place) and row["n"] > 1:
                text += f" ({decimals(row['low'])} to {decimals(row['high'])})"
            if row["law"]:
                text += " *"
                starred = f" *: {LAW}."
            cells.append(text)
        table.add(map_name(method), *cells, strong=method in PAIR)
    table.note += starred
    return table


def _units(dataset: str, settings: Mapping[str, Any]) -> str:
    return "seeds" if settings["data"][dataset]["nested"] else "networks"


def _span(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _unresolved(rows: pd.DataFrame, estimands: Sequence[str]) -> str:
    texts = []
    for name in estimands:
        of = where(rows, estimand=name)
        if of["unresolved"].max():
            counts = f"{of['unresolved'].max()} of {of['images'].max()}"
            texts.append(f"{counts} ({estimand_name(name)})")
    if not texts:
        return "No image was left out."
    return f"Images left out because their truth is not resolved: {', '.join(texts)}."


def _chosen(nearest: Sequence[str], count: int) -> list[str]:
    """Return the maps of a short table, in the order of ``nearest``."""
    occlusions = [name for name in nearest if name.startswith(OCCLUSION)]
    fixed = [*(n for n in (*PAIR, BESIDE) if n in nearest), *occlusions[:1]]
    rest = [name for name in nearest if name not in fixed and name not in occlusions]
    kept = {*fixed, *rest[: max(0, count - len(fixed))]}
    return [name for name in nearest if name in kept]


def nearer(agreement: pd.DataFrame, settings: Mapping[str, Any]) -> Table:
    """Return HiResCAM - Grad-CAM in agreement with each estimand."""
    level = percent(settings["statistics"]["confidence"])
    table = Table(
        "HiResCAM - Grad-CAM in agreement with the truth",
        ["data set", "networks", "estimand"],
        ["n", "difference", f"{level} interval", "p", "nearer to the truth"],
        (
            "Positive: HiResCAM is nearer. Spearman, Flatten heads; t interval and exact sign-flip "
            "test over n units; no p is adjusted. The first estimand on overlapping networks is "
            "the declared endpoint. On patch networks the difference follows from the definition "
            "of the truth and is no evidence."
        ),
    )
    rows = where(agreement, measure="spearman", method_a=PAIR[0], method_b=PAIR[1])
    for dataset in settings["datasets"]:
        for networks, form in FORMS.items():
            of = where(rows, dataset=dataset, networks=networks)
            for place, name in enumerate(_in_order(of["estimand"])):
                row = where(of, estimand=name).iloc[0]
                table.add(
                    dataset, form, estimand_name(name), row["n"],
                    number(row["estimate"], sign=True), interval(row, sign=True),
                    NONE if row["law"] or row["n"] < 2 else number(row["p"], 2),
                    LAW if row["law"] else side(row),
                    strong=networks == OVERLAPPING and not place,
                )  # fmt: skip
    return table


def side(row: "pd.Series[Any]") -> str:
    """Return which map a row of ``AGREEMENT``, a difference, favours; undecided if neither."""
    return SIDES[lean(pd.Series({**row, "floor": np.nan}), sign=1)]


def metrics(
    validity: pd.DataFrame,
    concordance: pd.DataFrame,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    dataset: str,
) -> Table:
    """Return which metrics find the truth on a data set, best first.

    Args:
        validity: rows of ``VERDICTS``.
        concordance: rows of ``CONCORDANCE``: of the published settings, which get no verdict.
        evaluations: all that were declared.
        settings: the config.
        dataset: its name, or all.
    """
    table = Table(
        f"Which metric finds it? {dataset}",
        ["metric", "estimand", "verdict"],
        ["n", *(f"{name}: {of}" for name in FAMILIES for of in ("C / floor", "C - floor"))],
        (
            "C: share of the pairs of maps of an image in which the metric prefers the one nearer "
            "to the truth, ties 1/2. damaged: the truth itself, rearranged towards noise; methods: "
            "the maps of all methods and controls. Floor: C of the best metric that never asks the "
            "network (edges, centre, ...), per network. Intervals of C - floor are simultaneous "
            f"over an estimand's metrics and families (Holm); below {words.FEWEST} networks there "
            "are numbers alone. Best first: smallest C over estimands and families, the metric's "
            "own reference left out: agreement with that (grey) checks the code. Bold: "
            "recommended. As published: described, no verdict. n: networks, or images of a network "
            "alone."
        ),
    )  # fmt: skip
    rows = where(validity, dataset=dataset)
    rows = rows.assign(place=[_in_order(ESTIMANDS).index(e) for e in rows["estimand"]])
    chosen = {}
    for _, row in _best_first(rows).iterrows():
        word = WORDS.get(row["word"], row["word"] or NONE)
        asked = [name for name in FAMILIES if not np.isnan(row[f"{name}_difference"])]
        if len(asked) == 1 and word != NONE:
            word = f"{word}, {asked[0]} alone"
        if row["recommended"]:
            word = f"{word}; {RECOMMENDED}"
        cells = [cell for name in FAMILIES for cell in _family(row, name)]
        title = evaluations.title(row["metric"])
        chosen[title] = row["setting"]
        table.add(
            title, estimand_name(row["estimand"]), word, row["networks"], *cells,
            strong=bool(row["recommended"]) and not row["own_reference"],
            faint=bool(row["own_reference"]),
        )  # fmt: skip
    for setting, *cells in _published(concordance, evaluations, settings, dataset):
        chosen[cells[0]] = setting
        table.add(*cells)
    texts = [f"{name}: {text.replace(';', ', ')}" for name, text in chosen.items() if text]
    table.note += f" Settings. {'; '.join(texts)}." if texts else ""
    return table


def _best_first(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(last=rows["lowest"].isna(), first=~rows["recommended"])
    order = ["first", "last", "lowest", "metric", "own_reference", "place"]
    ascending = [True, True, False, True, True, True]
    return rows.sort_values(order, ascending=ascending, kind="stable")


def _family(row: "pd.Series[Any]", name: str) -> list[str]:
    """Return C / floor, and C - floor with its interval, in one family of candidates."""
    c, floor = (decimals(row[f"{name}_{of}"]) for of in ("concordance", "floor"))
    return [NONE if c == floor == NONE else f"{c} / {floor}", _gain(row, name)]


def _gain(row: "pd.Series[Any]", name: str) -> str:
    text = decimals(row[f"{name}_difference"], sign=True)
    if np.isnan(row[f"{name}_low"]):
        return text
    ends = (max(-1.0, min(1.0, row[f"{name}_{end}"])) for end in ("low", "high"))  # C is a share
    low, high = (decimals(end, sign=True) for end in ends)
    return f"{text} ({low} to {high})"


def _published(
    concordance: pd.DataFrame,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    dataset: str,
) -> list[list[str]]:
    """Return the published settings, each with its row: means and t intervals over networks."""
    published = []
    chosen = evaluations.published_settings(settings["plan"]["metrics"], THESIS, dataset)
    rows = where(concordance, dataset=dataset, protocol=THESIS)
    for metric, setting in chosen.items():
        of_metric = where(rows, metric=metric, setting=str(setting))
        for estimand in _in_order(of_metric["estimand"]):
            cells, n = [], 0
            for name in FAMILIES:
                each = where(of_metric, estimand=estimand, family=name)
                gain = (each["concordance"] - each["floor"]).dropna().to_numpy(np.float64)
                low, high = t_interval(gain, settings["statistics"]["confidence"])
                row = pd.Series({
                    f"{name}_concordance": each["concordance"].mean(),
                    f"{name}_floor": each["floor"].mean(),
                    f"{name}_difference": gain.mean() if len(gain) else np.nan,
                    f"{name}_low": low, f"{name}_high": high,
                })  # fmt: skip
                cells += _family(row, name)
                n = max(n, len(each))
            title = f"{evaluations.title(metric)}, as published"
            name = estimand_name(estimand)
            published.append([str(setting), title, name, "described", str(n), *cells])
    return published


def metrics_in_short(validity: pd.DataFrame, evaluations: Evaluations, dataset: str) -> Table:
    """Return a row per metric for the first estimand: C - floor of its weaker family.

    Args:
        validity: rows of ``VERDICTS``.
        evaluations: all that were declared.
        dataset: its name.
    """
    rows = where(validity, dataset=dataset)
    first = _in_order(rows["estimand"])[0]
    rows = where(rows, estimand=first)
    few = bool(len(rows)) and int(rows["networks"].max()) < words.FEWEST
    table = Table(
        f"Which metric finds it? {dataset}, in short",
        ["metric"],
        ["C damaged", "C methods", "floors", "smaller C - floor", *([] if few else ["verdict"])],
    )
    for _, row in _best_first(rows.assign(place=0)).iterrows():
        known = [name for name in FAMILIES if not np.isnan(row[f"{name}_difference"])]
        weaker = min(known, key=lambda name: row[f"{name}_difference"], default=METHODS)
        c = [decimals(row[f"{name}_concordance"]) for name in FAMILIES]
        floors = " / ".join(decimals(row[f"{name}_floor"]) for name in FAMILIES)
        word = RECOMMENDED if row["recommended"] else WORDS.get(row["word"], NONE)
        table.add(
            evaluations.title(row["metric"]), *c, floors, _gain(row, weaker),
            *([] if few else [word]),
            strong=bool(row["recommended"]), faint=bool(row["own_reference"]),
        )  # fmt: skip
    return table


def imputers(
    concordance: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]
) -> Table:
    """Return C of metrics that remove cells, by estimand and what they remove with."""
    table = Table("Estimand and imputer", ["data set", "estimand"], [])
    columns = _removing(concordance, evaluations)
    table.numbers += [name for name, *_ in columns]
    table.note = (
        "C over the maps of all methods and controls, mean over networks. A metric that removes "
        "with the estimand's own reference agrees with it by construction: such cells (grey) check "
        "the code and are ranked nowhere. Choose a metric by the other cells of its column."
    )
    rows = where(concordance, family=METHODS)
    for dataset in settings["datasets"]:
        of = where(rows, dataset=dataset)
        for estimand in _in_order(of["estimand"]):
            cells = []
            for place, (_, metric, setting) in enumerate(columns):
                cell = where(of, estimand=estimand, metric=metric, setting=setting)
                cells.append(decimals(cell["concordance"].mean()))
                if cell["own_reference"].any():
                    table.grey.add((len(table.rows), 2 + place))
            table.add(dataset, estimand_name(estimand), *cells)
    return table


def _removing(concordance: pd.DataFrame, evaluations: Evaluations) -> list[tuple[str, str, str]]:
    """Return (name, metric, setting) of evaluations that remove with a named reference.

    Of AOPC and its like all imputers, the rest of the setting as in the primary one, for each
    output; of others, the primary one.
    """
    columns = []
    primary = evaluations.primary(STRICT)
    rows = where(concordance, family=METHODS, protocol=STRICT)
    for metric, text in sorted(set(zip(rows["metric"], rows["setting"], strict=True))):
        setting, known = Setting.parse(text), primary.get(metric)
        title, reference = evaluations.title(metric), evaluations.references.get((metric, text))
        if reference and "imputer" not in setting and setting == known:
            columns.append((f"{title}, {reference}", metric, text))
        elif known and "imputer" in known and _rest(setting) == _rest(known):
            parts = [title, setting["imputer"], setting.get("output", "")]
            columns.append((", ".join(filter(None, parts)), metric, text))
    return columns


def _rest(setting: Setting) -> dict[str, str]:
    return {k: v for k, v in setting.items() if k not in ("imputer", "draws", "output")}


def admission(rows: pd.DataFrame, settings: Mapping[str, Any]) -> Table:
    """Return how well each estimand foretells what re-rendering shows, over networks."""
    table = Table(
        "Admission of estimands",
        ["data set", "estimand", "in the declared set"],
        ["networks", "parts", "correlation", "lowest", "relative error", "highest"],
        (
            "Planted parts: sum of the truth over a part's cells against the real fall of the "
            "score when the part is rendered away; mean over networks, and the worst of them. An "
            "estimand that fails here answers its own question, not that of re-rendering."
        ),
    )
    for dataset in settings["datasets"]:
        of = where(rows, dataset=dataset)
        for estimand in _in_order(of["estimand"]):
            each = where(of, estimand=estimand)
            table.add(
                dataset, estimand_name(estimand), "yes" if estimand in DECIDED else "no",
                len(each), each["parts"].sum(), number(each["correlation"].mean()),
                number(each["correlation"].min()), number(each["relative_error"].mean()),
                number(each["relative_error"].max()),
            )  # fmt: skip
    return table


def recommended(validity: pd.DataFrame, evaluations: Evaluations, dataset: str) -> str:
    """Return which metric is recommended on a data set, in a sentence."""
    rows = where(validity, dataset=dataset)
    units = "images" if "this network" in set(rows["scope"]) else "networks"
    n = int(rows["networks"].min())
    if words.TOO_FEW in set(rows["word"]):
        return f"Fewer than {words.FEWEST} {units} ({n}): numbers alone, no verdict."
    scope = "" if units == "networks" else " All of this is about this network alone."
    best = rows[rows["recommended"]]
    kept = sorted({evaluations.title(m) for m in rows.loc[rows["in_confidence_set"], "metric"]})
    if best.empty:
        text = "No metric is recommended: none is better than blind for every estimand"
        return (f"{text}; nearest: {', '.join(kept)}." if kept else f"{text}.") + scope
    title = evaluations.title(best.iloc[0]["metric"])
    others = [name for name in kept if name != title]
    also = f"; not surely worse: {', '.join(others)}" if others else ""
    least = decimals(best.iloc[0]["lowest"])
    return f"Recommended: {title} (C at least {least} for every estimand){also}.{scope}"
