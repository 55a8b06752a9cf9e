"""Does a removal metric find the truth of another reference: estimands by references."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgba

from faithcam.core.setting import Setting
from faithcam.figures import style
from faithcam.figures.judged import FAMILIES, Shown, estimands, mean_of, networks, shown, without
from faithcam.figures.subject import Subject
from faithcam.results.declared import STRICT
from faithcam.statistics.settings import MODEL, where
from faithcam.truth.estimands import ESTIMANDS

COLOURS, OWN = "Blues", "#d4d4d4"
LOWEST = 0.4  # of the colours
VARIED = ("draws", "imputer", "order", "output")  # what settings of AOPC differ in


def draw(concordance: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a matrix per family: rows are estimands, columns what metrics remove with."""
    rows = subject.rows(concordance)
    columns = removing(subject, rows)
    families = [name for name in FAMILIES if any(len(_part(c, rows, name)) for c in columns)]
    of = {name: estimands(where(rows, family=name)) for name in families}
    title = (
        f"C of removal metrics on {subject.dataset}: what they remove with against what the truth "
        "removes with"
    )
    height = 2.6 + sum(0.6 + 0.33 * len(names) for names in of.values())
    with style.figure(path, 3.6 + 0.75 * max(8, len(columns)), height, title) as fig:
        if not columns:
            style.nothing(fig, "no concordance of a metric that removes, of an included network")
            return
        ratios = [0.3 + len(of[name]) for name in families]
        axes = fig.subplots(len(families), 1, squeeze=False, height_ratios=ratios)[:, 0]
        for ax, family in zip(axes, families, strict=True):
            _matrix(ax, [_part(c, rows, family) for c in columns], of[family], subject)
            ax.set_title(FAMILIES[family])
            ax.set_xticks(range(len(columns)), [c.name for c in columns], rotation=40, ha="right")
            ax.tick_params(labelbottom=family == families[-1])
        axes[-1].set_xlabel(
            f"mean over {networks(rows)}; grey: the metric's own reference, a check of "
            "the code\n\N{DOWNWARDS ARROW} not above the best blind metric",
            loc="left",
        )
        fig.colorbar(
            ScalarMappable(Normalize(LOWEST, 1), COLOURS), ax=list(axes), shrink=0.8, aspect=20,
            label="C", extend="min",
        )  # fmt: skip


def removing(subject: Subject, rows: pd.DataFrame) -> list[Shown]:
    """Return the evaluations that remove, named by what with.

    Of AOPC and its like all imputers: as judged, in another output, and as SRG.
    """
    judged = subject.evaluations.judged(subject.dataset)
    strict = where(rows, protocol=STRICT)[["metric", "setting"]].drop_duplicates()
    wanted = []
    for metric, text in sorted(strict.itertuples(index=False, name=None)):
        reference = subject.evaluations.references.get((metric, text))
        if not reference or metric not in judged:
            continue
        setting, own = Setting.parse(text), judged[metric]
        if without(setting, VARIED) == without(own, VARIED):
            other = [
                setting.get(n, "") for n in ("order", "output") if setting.get(n) != own.get(n)
            ]
            if len(other) > 1 or "lerf" in other:
                continue
            kind = "".join(f" {'SRG' if each == 'srg' else each}" for each in other)
            name = f"{subject.title(metric)}{kind}, {reference.replace('_', ' ')}"
            wanted.append((metric, kind, Shown(metric, text, name, primary=False)))
    order = {m: i for i, m in enumerate(dict.fromkeys(s.metric for s in shown(subject, rows)))}
    wanted.sort(key=lambda each: (order.get(each[0], len(order)), each[1]))
    return [each for *_, each in wanted]


def _part(column: Shown, rows: pd.DataFrame, family: str) -> pd.DataFrame:
    return where(column.of(rows), family=family)


def _matrix(ax: Any, columns: list[pd.DataFrame], names: list[str], subject: Subject) -> None:
    shape = (len(names), len(columns))
    colours = np.full((*shape, 4), 1.0)
    scale = ScalarMappable(Normalize(LOWEST, 1), COLOURS)
    for (row, column), _ in np.ndenumerate(np.empty(shape)):
        part = where(columns[column], estimand=names[row])
        if part.empty:
            continue
        c = mean_of(subject, part, "concordance")["value"]
        own = bool(part["own_reference"].any())
        colours[row, column] = to_rgba(OWN) if own else scale.to_rgba(np.array(c))
        above = part.drop_duplicates(MODEL).assign(above=lambda p: p["concordance"] - p["floor"])
        below = not own and not mean_of(subject, above, "above")["value"] > 0
        text = f"{c:.2f}".replace("0.", ".") + ("\N{DOWNWARDS ARROW}" if below else "")
        dark = not own and c > 0.78
        ax.text(
            column, row, text, ha="center", va="center", fontsize=8,
            color="white" if dark else "#4d4d4d" if own else "black",
        )  # fmt: skip
    ax.imshow(colours, aspect="auto")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    ax.set_yticks(range(len(names)), [ESTIMANDS[name].title for name in names])
    ax.spines[:].set_visible(False)
