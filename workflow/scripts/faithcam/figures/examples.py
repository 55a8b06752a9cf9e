"""Example maps: every method's signed map on the same images, with the lesions outlined."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from faithcam.core.views import normalised
from faithcam.data.dataset import open_dataset
from faithcam.figures import slices, style
from faithcam.figures.overlay import COLOURS, outline, overlay
from faithcam.results import io as tables


def draw(
    images: np.ndarray[Any, Any],
    masks: np.ndarray[Any, Any],
    maps: Mapping[str, np.ndarray[Any, Any]],
    classes: Sequence[str],
    predicted: Sequence[int],
    labels: Sequence[int],
    title: str,
    path: Path | str,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Draw a row per image: the image, then each method's map over it.

    Maps are bilinearly upsampled (half-pixel centres) and divided by their largest absolute
    value, which is written below each; zero keeps the neutral middle of the colours.

    Args:
        images: uint8 (n, H, W) or (n, H, W, C), C = 1 or 3.
        masks: {0, 1}, (n, H, W).
        maps: method -> raw maps (n, h, w).
        classes: class names.
        predicted: predicted class of each image (n,).
        labels: true class of each image (n,).
        title: what is explained and by which network.
        path: PNG file to write.
        notes: method -> a line below its map of each image.
    """
    methods, count = style.ordered(maps), len(images)
    columns = 1 + len(methods)
    grey = images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images
    height = 1.95 if notes else 2.05  # the notes make images smaller
    with style.figure(path, 1.0 + 1.75 * columns, 0.5 + height * count, title) as fig:
        axes = fig.subplots(count, columns, squeeze=False)
        for row, image, mask, guess, label in zip(
            axes, grey, masks, predicted, labels, strict=True
        ):
            row[0].imshow(image, cmap="gray", vmin=0, vmax=255)
            outline(row[0], mask)
            verdict = "correct" if guess == label else f"predicted {classes[guess]}"
            row[0].set_xlabel(f"{classes[label]}\n({verdict})", fontsize=7.5)
        axes[0][0].set_title("image")
        for k, method in enumerate(methods, start=1):
            raw = torch.from_numpy(np.asarray(maps[method], np.float32))
            large = normalised(raw, (grey.shape[1], grey.shape[2])).numpy()
            axes[0][k].set_title(style.look(method).name)
            below = [f"\n{note}" for note in notes[method]] if notes else [""] * count
            peaks = raw.abs().amax((1, 2)).tolist()
            for ax, image, mask, view, peak, note in zip(
                axes[:, k], grey, masks, large, peaks, below, strict=True
            ):
                ax.imshow(overlay(image, view))
                outline(ax, mask)
                ax.set_xlabel(f"max |map| {peak:.2g}{note}", fontsize=7.5)
        for ax in axes.flat:
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            ax.spines[:].set_visible(False)
        fig.colorbar(
            ScalarMappable(Normalize(-1, 1), COLOURS),
            ax=list(axes.flat),
            location="right",
            shrink=min(1, 2.2 / count) if count > 1 else 1,
            aspect=25,
            ticks=[-1, 0, 1],
            label="map / its largest absolute value\n(red: for the class, blue: against it)",
        )


def draw_stored(
    data: Path | str, files: Sequence[Path | str], title: str, path: Path | str, count: int = 6
) -> None:
    """Draw stored maps: of the predicted class, centred logit (the strict protocol's).

    The images are the first explained ones of each class in turn: nobody picked them. Of volumes
    slices are drawn; with several labels per image the maps are those of the label's logit.

    Args:
        data: folder of the prepared data set.
        files: one network's stored maps (``MAPS``), all methods and shards.
        title: which network this is.
        path: PNG file to write.
        count: how many images to show.
    """
    dataset = open_dataset(Path(data))
    frame = pd.concat([tables.read_of_network(file).to_pandas() for file in files])
    if dataset.slices or dataset.multi_label:
        slices.draw_stored(dataset, frame, title, path, count)
        return
    frame = frame[frame["explained_score"] == "centred"].set_index("image_id")
    stored = dict(list(frame.groupby("method")))
    rows = next(iter(stored.values()))
    classes = {t: rows.loc[rows["explained_class"] == t, "class"] for t in ("predicted", "label")}
    labels = classes["label"].sort_index()
    chosen = labels.groupby(labels).cumcount().sort_values(kind="stable").index[:count]
    maps = {}
    for name, rows in stored.items():
        stored_rows = rows[rows["explained_class"] == "predicted"].loc[chosen]
        shape = (-1, int(stored_rows["height"].iloc[0]), int(stored_rows["width"].iloc[0]))
        maps[str(name)] = np.stack(stored_rows["map"].tolist()).reshape(shape)
    draw(
        dataset.images[chosen],
        dataset.masks[chosen],
        maps,
        dataset.classes,
        classes["predicted"].loc[chosen].tolist(),
        classes["label"].loc[chosen].tolist(),
        title,
        path,
    )
