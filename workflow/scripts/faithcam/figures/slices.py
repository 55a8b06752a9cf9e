"""A sheet of slices: every method's signed maps of volumes, with the finding outlined."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from faithcam.core.views import upsampled
from faithcam.data.dataset import Dataset
from faithcam.figures import style
from faithcam.figures.overlay import COLOURS, outline, overlay
from faithcam.statistics.settings import where

Array = np.ndarray[Any, Any]
SHOWN = 8  # slices of a volume
CASES = 4  # volumes of a sheet, at most


@dataclass(frozen=True)
class Case:
    """One explained volume.

    Args:
        volume: uint8 (S, H, W) or (S, H, W, 3).
        mask: of what is explained, {0, 1} (S, H, W); empty if unknown.
        maps: method -> raw map (S, h, w).
        text: what is explained, and what the network said.
    """

    volume: Array
    mask: Array
    maps: Mapping[str, Array]
    text: str


def chosen_slices(mask: Array, count: int = SHOWN) -> list[int]:
    """Return the slices to show: evenly spaced, the one with most of the mask among them.

    Args:
        mask: {0, 1}, (S, H, W).
        count: how many, if there are so many.
    """
    slices = len(mask)
    if slices <= count:
        return list(range(slices))
    even = ((np.arange(count) + 0.5) * slices / count).astype(int)
    if mask.any():
        most = int(mask.sum((1, 2)).argmax())
        even[np.abs(even - most).argmin()] = most
    return sorted({int(s) for s in even})


def draw(cases: list[Case], title: str, path: Path | str) -> None:
    """Draw a block per case: a row of slices, then a row with each method's map over them.

    Maps are upsampled bilinearly within each slice (half-pixel centres) and divided by their
    largest absolute value in the whole volume, which is written at the row; so slices compare.

    Args:
        cases: all with the same methods.
        title: what is explained and by which network.
        path: PNG file to write.
    """
    methods = style.ordered(cases[0].maps)
    slices_of = [chosen_slices(case.mask) for case in cases]
    columns, rows = max(map(len, slices_of)), len(cases) * (1 + len(methods))
    with style.figure(path, 1.6 + 1.15 * columns, 0.6 + 1.2 * rows, title) as fig:
        axes = fig.subplots(rows, columns, squeeze=False)
        for ax in axes.flat:
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            ax.spines[:].set_visible(False)
        for k, (case, picked) in enumerate(zip(cases, slices_of, strict=True)):
            block = axes[k * (1 + len(methods)) : (k + 1) * (1 + len(methods))]
            size = case.volume.shape[1:3]
            views = {}
            for row, method in zip(block[1:], methods, strict=True):
                raw = torch.from_numpy(np.array(case.maps[method], np.float32))
                large = upsampled(raw, (size[0], size[1]))
                peak = float(large.abs().max())
                views[method] = (large / peak if peak else large).numpy()
                name = style.look(method).name
                row[0].set_ylabel(f"{name}\nmax |map| {float(raw.abs().max()):.2g}", fontsize=7)
            block[0][0].set_ylabel(case.text, fontsize=7)
            for column, s in enumerate(picked):
                image, mask = case.volume[s], case.mask[s]
                block[0][column].set_title(f"slice {s}", fontsize=7)
                block[0][column].imshow(image, cmap="gray", vmin=0, vmax=255)
                for row, method in zip(block[1:], methods, strict=True):
                    row[column].imshow(overlay(image, views[method][s]))
                for row in block:
                    outline(row[column], mask)
        fig.colorbar(
            ScalarMappable(Normalize(-1, 1), COLOURS),
            ax=list(axes.flat),
            location="right",
            shrink=min(1, 2.2 / rows),
            aspect=25,
            ticks=[-1, 0, 1],
            label="map / its largest absolute value\n(red: for the class, blue: against it)",
        )


def draw_stored(
    data: Dataset, stored: pd.DataFrame, title: str, path: Path | str, count: int
) -> None:
    """Draw the first explained volumes of each class in turn; images are volumes of one slice.

    Args:
        data: the prepared data set.
        stored: one network's maps, all methods and shards: rows of ``VOLUME_MAPS``, or
            ``MAPS``.
        title: which network this is.
        path: PNG file to write.
        count: how many volumes to show, at most ``CASES``.
    """
    explained_class, explained_score = (
        ("label", "logit") if data.multi_label else ("predicted", "centred")
    )
    rows = where(stored, explained_class=explained_class, explained_score=explained_score)
    by_case = dict(list(rows.groupby(["image_id", "class"])))
    order = pd.DataFrame(sorted(by_case), columns=["image_id", "class"])
    truth = "class" if data.multi_label else "label"
    if not data.multi_label:
        order["label"] = data.labels[order["image_id"]]
    order["turn"] = order.groupby(truth).cumcount()
    first = order.sort_values(["turn", truth], kind="stable").head(min(count, CASES))
    cases = []
    for image_id, finding in first[["image_id", "class"]].itertuples(index=False):
        volume, mask = data.images[image_id], data.masks[image_id]
        if data.finding_masks is not None:
            mask = data.finding_masks[image_id, finding]
        volume = volume[..., 0] if data.channels == 1 else volume
        if not data.slices:
            volume, mask = volume[None], mask[None]
        maps = {
            str(row["method"]): np.reshape(
                row["map"], (int(row.get("slices", 1)), int(row["height"]), int(row["width"]))
            )
            for _, row in by_case[image_id, finding].iterrows()
        }
        text = f"volume {image_id}\n{data.classes[finding]}"
        if not data.multi_label:
            label = data.labels[image_id]
            text += " (correct)" if label == finding else f"\n(is {data.classes[label]})"
        cases.append(Case(volume, mask, maps, text))
    draw(cases, title, path)
