"""All maps under all metrics: mean scores, ranks, and how far the metrics rank maps alike."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib import colormaps
from scipy import stats

from faithcam.core.setting import Setting
from faithcam.figures import style
from faithcam.figures.subject import Subject
from faithcam.results.declared import STRICT
from faithcam.statistics.settings import MODEL, where

LEAST = 4  # maps that two metrics must both rank, for a correlation of their ranks


def draw(statistics: pa.Table, subject: Subject, path: Path | str) -> None:
    """Draw a table of scores, coloured by rank, and the correlations of the metrics' ranks."""
    frame = subject.rows(statistics)
    head = style.one_head(frame)
    settings = subject.evaluations.published_settings(
        subject.settings["metrics"], STRICT, subject.dataset
    )
    settings |= subject.evaluations.further_settings(subject.settings["metrics"], subject.dataset)
    means, counts = _means(frame[frame["head"] == head], settings)
    metrics, maps = list(means), _maps(means, subject.settings)
    networks = len(set().union(*(part.index for part in means.values())))
    title = (
        f"All maps under all metrics on {subject.dataset}, {style.HEADS[head]} head, {networks} "
        f"network{'s'[: networks != 1]}"
    )
    signs = {metric: subject.evaluations.sign(metric) for metric in metrics}
    titles = [subject.title(metric) for metric in metrics]
    ranks = {m: _ranks(means[m].reindex(columns=maps), signs[m]) for m in metrics}
    ranked = [name for name in maps if name in subject.settings["methods"]]
    together = _together(ranks, ranked)
    wide = 2.4 + 0.66 * max(len(metrics), 8)
    height = 2.1 + 0.235 * len(maps)
    if together is not None:
        height += 0.5 + 0.36 * len(metrics)
    with style.figure(path, wide, height, title) as fig:
        if not maps:
            style.nothing(fig, "no scores of an included network")
            return
        if together is None:
            axes = [fig.subplots()]
        else:
            axes = list(fig.subplots(2, 1, height_ratios=[len(maps) + 1, 1.5 * len(metrics) + 1]))
            _draw_correlations(axes[1], together, titles, len(ranked))
        scores = pd.DataFrame({m: means[m].reindex(columns=maps).mean() for m in metrics})
        shares = pd.DataFrame({m: ranks[m].mean() for m in metrics})
        images = pd.DataFrame({m: counts[m].reindex(maps) for m in metrics})
        fewer = (images < images.max()).to_numpy()
        methods = sum(name in subject.settings["methods"] for name in maps)
        arrows = ["↑" if signs[metric] > 0 else "↓" for metric in metrics]
        names = [f"{title} {arrow}" for title, arrow in zip(titles, arrows, strict=True)]
        _draw_scores(axes[0], scores, shares, fewer, methods, names)


def _means(
    frame: pd.DataFrame, settings: Mapping[str, Setting]
) -> tuple[dict[str, pd.DataFrame], dict[str, "pd.Series[Any]"]]:
    """Return each metric's mean scores, networks x methods, and the images of each method.

    Args:
        frame: rows of ``STATISTICS``.
        settings: the metrics, and the setting of each.
    """
    frame = frame[
        (frame["effect_name"] == "mean")
        & (frame["level"] == "image")
        & (frame["protocol"] == STRICT)
        & ~frame["method_a"].str.startswith("null_")
        & (frame["method_a"] != "random_order")  # no map
    ]
    means, counts = {}, {}
    for metric, setting in settings.items():
        part = where(frame, metric=metric, setting=str(setting))
        wide = part.pivot(index=MODEL, columns="method_a", values="estimate")
        if wide.notna().to_numpy().any():
            means[metric] = wide
            counts[metric] = part.groupby("method_a")["n"].sum()
    return means, counts


def _maps(means: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> list[str]:
    """Return the maps that have a score, the methods before the controls."""
    scored = {name for part in means.values() for name in part.columns[part.notna().any()]}
    controls = style.ordered(scored - set(settings["methods"]))
    return [*style.ordered(scored & set(settings["methods"])), *controls]


def _ranks(scores: pd.DataFrame, sign: int) -> pd.DataFrame:
    """Return each network's ranks of its maps as a share: 0 for the best, 1 for the worst."""
    ranks = (-sign * scores).rank(axis=1) - 1
    return ranks.div(ranks.notna().sum(axis=1) - 1, axis=0)


def _together(
    ranks: Mapping[str, pd.DataFrame], maps: list[str]
) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return Kendall's tau-b of each pair of metrics over maps, mean over networks; or None."""
    metrics = list(ranks)
    correlations = np.full((len(metrics), len(metrics)), np.nan)
    for i, first in enumerate(metrics):
        for j, second in enumerate(metrics[:i]):
            taus = []
            for network in ranks[first].index.intersection(ranks[second].index):
                pair = pd.concat(
                    [ranks[name].loc[network].reindex(maps) for name in (first, second)], axis=1
                ).dropna()
                if len(pair) >= LEAST:
                    taus.append(stats.kendalltau(*pair.to_numpy().T).statistic)
            if taus and np.isfinite(taus).any():
                correlations[i, j] = np.nanmean(taus)
    return None if np.isnan(correlations).all() else correlations


def _draw_scores(
    ax: Any,
    scores: pd.DataFrame,
    shares: pd.DataFrame,
    fewer: Any,
    methods: int,
    names: list[str],
) -> None:
    ax.imshow(shares, cmap="Blues_r", vmin=0, vmax=1.4, aspect="auto")
    high = shares.to_numpy(np.float64)
    for (row, column), value in np.ndenumerate(scores.to_numpy(np.float64)):
        if np.isfinite(value):
            colour = "white" if high[row, column] < 0.45 else "black"
            text = _short(value) + ("°" if fewer[row, column] else "")
            ax.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    if 0 < methods < len(scores):
        ax.axhline(methods - 0.5, color="black", linewidth=1.2)
    _ticks(ax, names, top=True)
    ax.set_yticks(range(len(scores)), [style.look(name).name for name in scores.index])
    text = "strict protocol, means over networks; dark: ranked first; ↑ higher is better"
    if fewer.any():
        text += "\n° mean over fewer images: without blank maps and undefined scores"
    ax.set_xlabel(text)


def _draw_correlations(ax: Any, correlations: Any, names: list[str], maps: int) -> None:
    ax.imshow(correlations, cmap=colormaps["RdBu"], vmin=-1, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(correlations):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.7 else "black"
            text = f"{value:+.2f}".replace("0.", ".")
            ax.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    _ticks(ax, names[:-1], top=False)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_ylim(len(names) - 0.5, 0.5)
    ax.set_yticks(range(1, len(names)), names[1:])
    title = f"Kendall's tau of two metrics over the {maps} methods (no controls)"
    if np.isnan(correlations[np.tril_indices(len(correlations), -1)]).any():
        title += f"\nblank: fewer than {LEAST} methods have both scores, or all are equal"
    ax.set_title(title)


def _ticks(ax: Any, names: list[str], top: bool) -> None:
    ax.grid(visible=False)
    ax.tick_params(length=0, top=False, labeltop=top, labelbottom=not top)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="left" if top else "right")
    for side in ax.spines.values():
        side.set_visible(False)


def _short(value: float) -> str:
    """Return a score in few characters."""
    size = abs(value)
    if size and (size < 0.001 or size >= 1e5):
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}" if size >= 1 else f"{value:.3f}".replace("0.", ".", 1)
