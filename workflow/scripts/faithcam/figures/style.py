"""Looks of all figures: colours, names, sizes, and bytes that depend on nothing but the data."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.figure import Figure

from faithcam.results.files import recorded

DPI = 200
HEADS = {"flatten": "Flatten", "other": "other", "gap": "GAP"}
GREY = "#6b6b6b"


@dataclass(frozen=True)
class Look:
    """Name, colour (Okabe-Ito), marker and line of a method; print survives without colour."""

    name: str
    colour: str
    marker: str
    line: Any = "-"


LOOKS = {
    "truth": Look("truth", "#000000", "o"),
    "hirescam": Look("HiResCAM", "#0072B2", "o"),
    "gradcam": Look("Grad-CAM", "#D55E00", "s", (0, (5, 1.5))),
    "cam": Look("CAM", "#009E73", "^", (0, (3, 1, 1, 1))),
    "sham": Look("sham HiResCAM", "#E69F00", "D", (0, (4, 1.5))),
    "sham_permuted": Look("sham, cells permuted", "#b07700", "d"),
    "centre": Look("centre Gaussian", "#CC79A7", "v", (0, (1, 1))),
    "sobel": Look("Sobel edges", "#56B4E9", "D", (0, (4, 1, 1, 1, 1, 1))),
    "random": Look("random map", "#4d4d4d", "x", (0, (1, 1.5))),
    "random_order": Look("random order", "#a0a0a0", "+", (0, (6, 3))),
    "completed_gradcam": Look("completed Grad-CAM", "#D55E00", "h"),
    "inverse": Look("inverse HiResCAM", "#000000", "1"),
    "other_image": Look("other image's HiResCAM", "#0072B2", "p"),
    "spectrum_random": Look("random of its spectrum", "#4d4d4d", "2"),
    "template": Look("template", "#CC79A7", "H"),
    "expected_hirescam": Look("expected HiResCAM", "#0072B2", "8"),
    "expected_gradcam": Look("expected Grad-CAM", "#D55E00", "8"),
    "hirescam_as_smooth_as_gradcam": Look("HiResCAM, as smooth as Grad-CAM", "#0072B2", "<"),
    "gradcam_as_smooth_as_hirescam": Look("Grad-CAM, as smooth as HiResCAM", "#D55E00", ">"),
    "mean_truth_of_others": Look("truth of other images", "#CC79A7", "*"),
    "hirescam_shifted": Look("HiResCAM, shifted", "#0072B2", "d"),
    "gradcam_shifted": Look("Grad-CAM, shifted", "#D55E00", "d"),
    "expected_hirescam_shifted": Look("expected HiResCAM, shifted", "#0072B2", "P"),
    "expected_gradcam_shifted": Look("expected Grad-CAM, shifted", "#D55E00", "P"),
    "intensity": Look("intensity", "#56B4E9", "3"),
    "constant": Look("constant", "#E69F00", "4"),
    "gradcamplusplus": Look("Grad-CAM++", "#D55E00", "^", (0, (2, 1))),
    "xgradcam": Look("XGrad-CAM", "#D55E00", "v", (0, (6, 1, 1, 1))),
    "gradcam_elementwise": Look("Grad-CAM, elementwise", "#D55E00", "D", (0, (1, 2))),
    "layercam": Look("LayerCAM", "#0072B2", "^", (0, (3, 1))),
    "eigencam": Look("Eigen-CAM", "#009E73", "s"),
    "eigengradcam": Look("Eigen-Grad-CAM", "#009E73", "D", (0, (4, 2))),
    "ablationcam": Look("Ablation-CAM", "#CC79A7", "s", (0, (5, 1, 1, 1))),
    "scorecam": Look("Score-CAM", "#CC79A7", "o"),
    "gradient_x_input": Look("Gradient x Input", "#56B4E9", "o", (0, (1, 1))),
    "integrated_gradients": Look("Integrated Gradients", "#56B4E9", "s", (0, (6, 2))),
    "smoothgrad": Look("SmoothGrad", "#56B4E9", "^"),
    "shapley_4": Look("Shapley, 4 permutations", "#000000", "v"),
    "shapley_16": Look("Shapley, 16 permutations", "#000000", "s"),
    "shapley_64": Look("Shapley, 64 permutations", "#000000", "^"),
    "occlusion": Look("Occlusion", "#E69F00", "o", (0, (2, 1, 1, 1))),
    "prediction": Look("prediction", "#4d4d4d", "o"),
    "null_shuffled": Look("HiResCAM, cells shuffled", "#000000", "P"),
    "null_constant": Look("constant map", "#E69F00", "X"),
    "null_blank": Look("blank map", "#a0a0a0", "d"),
}

# after DejaVu Sans, for letters that it lacks: the first of them that is installed has each
FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Micro Hei", "PingFang SC",
    "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
    "Noto Sans Devanagari", "Noto Sans Thai", "Arial Unicode MS",
)  # fmt: skip
_RC = {
    "text.parse_math": False,  # names of classes are no formulas
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "figure.titlesize": 10.5,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
}


def look(method: str) -> Look:
    """Return the look of a method; an unknown one is black under its own name."""
    return LOOKS.get(method, Look(method, "#000000", "*"))


def ordered(methods: Any) -> list[str]:
    """Return methods in the order of ``LOOKS``."""
    rank = {name: i for i, name in enumerate(LOOKS)}
    return sorted(set(methods), key=lambda name: (rank.get(name, len(rank)), name))


@contextmanager
def figure(path: Path | str, width: float, height: float, title: str) -> Iterator[Figure]:
    """Yield an empty figure (inches) and write it as PNG when the block ends without error."""
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever matplotlibrc the user has
        there = set(font_manager.get_font_names())
        fonts = ["DejaVu Sans", *(name for name in FONTS if name in there)]
        mpl.rcParams.update({**_RC, "font.family": fonts})
        fig = Figure(figsize=(width, height), layout="constrained")
        fig.suptitle(title, x=0.01, ha="left", fontweight="bold")
        yield fig
        with recorded(path) as temporary:
            fig.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def note(ax: Any, text: str, corner: str = "lower right") -> None:
    """Write a small note inside a corner of a panel."""
    vertical, horizontal = corner.split()
    ax.text(
        0.97 if horizontal == "right" else 0.03,
        0.03 if vertical == "lower" else 0.97,
        text,
        transform=ax.transAxes,
        ha=horizontal,
        va="bottom" if vertical == "lower" else "top",
        fontsize=7.5,
        color=GREY,
    )


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.3g} %"


def one_head(frame: pd.DataFrame) -> str:
    """Return a head whose maps differ: flatten, or the first of ``HEADS`` that there is."""
    heads = set(frame["head"])
    return next((head for head in HEADS if head in heads), "flatten")


def region_text(setting: Mapping[str, str]) -> str:
    """Return the region of an AOPC setting in words."""
    region = setting["region"]
    return "native cells" if region == "native" else f"{region} px"


@dataclass(frozen=True)
class Panels:
    """A grid of panels: a row and a column for each of some keys.

    Args:
        rows: what the rows are of.
        columns: what the columns are of.
        axes: of matplotlib, (rows, columns).
    """

    rows: Sequence[Any]
    columns: Sequence[Any]
    axes: Any

    @classmethod
    def of(
        cls, fig: Figure, rows: Sequence[Any], columns: Sequence[Any], **shared: Any
    ) -> "Panels":
        """Make the panels of a figure; ``shared`` as in matplotlib's ``subplots``."""
        return cls(rows, columns, fig.subplots(len(rows), len(columns), squeeze=False, **shared))

    def __iter__(self) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the keys of each panel and the panel, row by row."""
        for row, panels in zip(self.rows, self.axes, strict=True):
            for column, ax in zip(self.columns, panels, strict=True):
                yield row, column, ax

    def first(self) -> Iterator[tuple[Any, Any]]:
        """Yield each row's key and its first panel."""
        yield from zip(self.rows, self.axes[:, 0], strict=True)

    def label_x(self, text: str) -> None:
        """Label the horizontal axis below the lowest panels."""
        for ax in self.axes[-1]:
            ax.set_xlabel(text)


def centre(ax: Any) -> None:
    """Put zero in the middle of the horizontal axis."""
    reach = max(1e-12, *np.abs(ax.get_xlim()))
    ax.set_xlim(-reach, reach)
    ax.locator_params(axis="x", nbins=4)


def nothing(fig: Figure, text: str) -> None:
    """Say on an otherwise empty figure why there is nothing to show."""
    fig.text(0.5, 0.45, text, ha="center", va="center", color=GREY)


def scale_passes(ax: Any) -> None:
    """Scale an axis of passes: evenly from 0 to 1, then by powers of ten, in plain numbers."""
    ax.set_xscale("symlog", linthresh=1, linscale=0.9)
    ax.xaxis.set_major_formatter("{x:,.0f}")


def label_points(
    ax: Any, x: Sequence[float], y: Sequence[float], names: Sequence[str], size: float = 7.5
) -> None:
    """Write names to the right of points, moved up or down until no two of them overlap.

    The limits of both axes and everything else in the figure must be final.
    """
    fig = ax.get_figure()
    fig.draw_without_rendering()  # places the axes
    width, height = (side / fig.dpi for side in (ax.bbox.width, ax.bbox.height))  # inches
    transform = ax.transData - ax.transAxes
    places = np.array([transform.transform(point) for point in zip(x, y, strict=True)])
    longest = 0.6 * size / 72 * max(map(len, names), default=0) + 0.2
    clusters: list[list[int]] = []
    for i in sorted(range(len(places)), key=lambda i: float(places[i, 0])):
        # a label reaches no further than the longest
        near = clusters and width * (places[i, 0] - places[clusters[-1][-1], 0]) < longest
        clusters.append([*clusters.pop(), i] if near else [i])
    for cluster in clusters:
        ranked = sorted(cluster, key=lambda i: (places[i, 1], i))
        free = spread(places[ranked, 1], 1.3 * size / 72 / height)
        for i, at in zip(ranked, free, strict=True):
            text = ax.annotate(
                names[i], (x[i], y[i]), (14, 72 * height * (at - places[i, 1])),
                textcoords="offset points", va="center", fontsize=size, color="#333333", zorder=2,
                arrowprops={"arrowstyle": "-", "color": "#b0b0b0", "linewidth": 0.6, "shrinkB": 3},
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            )  # fmt: skip
            text.set_in_layout(False)


def spread(places: np.ndarray[Any, Any], least: float) -> np.ndarray[Any, Any]:
    """Return ascending places moved as little as needed to be ``least`` apart, within 0 to 1."""
    moved = np.array(places, np.float64)
    for _ in range(200):
        gaps = least - np.diff(moved)
        if (gaps <= 1e-9).all():
            break
        push = np.where(gaps > 0, gaps / 2, 0)
        moved[1:] += push
        moved[:-1] -= push
    over = max(0.0, moved[-1] - 1) if len(moved) else 0.0
    return moved - over
