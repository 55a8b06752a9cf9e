"""Rows of scores: by setting, as wide tables, means over the images of a network."""

from typing import Any

import pandas as pd

from faithcam.core.setting import Setting

IMAGE = ["network", "image_id"]
LABEL = "label"  # of a finding, where images have several


def expanded(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with a column per key of their settings (categories; "" if missing)."""
    settings = rows["setting"].astype("category").cat.remove_unused_categories().cat
    known = [Setting.parse(str(text)) for text in settings.categories]
    rows = rows.drop(columns=["setting", "metric"])
    for name in sorted({name for pairs in known for name in pairs}):
        texts = pd.Categorical([pairs.get(name, "") for pairs in known])
        rows[name] = texts.take(settings.codes.to_numpy())
    return rows


def where(rows: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    """Return the rows with these facts; none if no row has such a fact."""
    for name, value in wanted.items():
        rows = rows[rows[name] == value] if name in rows else rows.iloc[:0]
    return rows


def wide(rows: pd.DataFrame, columns: str | list[str] = "method") -> pd.DataFrame:
    """Return a row per network and image, a column per method (or other ``columns``).

    With several labels per image there is a row per network, image and label.
    """
    names = [columns] if isinstance(columns, str) else columns
    rows = rows.astype({name: str for name in names if rows[name].dtype == "category"})
    return rows.pivot(index=key_of(rows), columns=columns, values="value")


def key_of(rows: pd.DataFrame) -> list[str]:
    """Return the columns that name what a score is of: network, image and, if it has one, label."""
    return [*IMAGE, LABEL] if LABEL in rows else IMAGE


def of_images(values: Any) -> Any:
    """Return the mean over each image's findings; numbers of images stay as they are."""
    return values.groupby(level=IMAGE).mean() if LABEL in values.index.names else values


def network_means(values: Any) -> Any:
    """Return each network's mean over images of a series with the index of :func:`wide`."""
    return of_images(values.dropna()).groupby(level="network").mean()


def ok(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose status is ok."""
    return rows[rows["status"] == "ok"]


def counted(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of images that count: all of them for HAAS, else the usable ones."""
    return rows if metric == "haas" else rows[rows["usable"]]
