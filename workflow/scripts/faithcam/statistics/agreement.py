"""Agreement of maps with the truth, over networks: which map is right, what do corrections bring?

Asked of networks with a Flatten head; with GAP all maps of the network are one. Networks whose
cells see their own pixels alone stand apart: what holds there by the network's form is marked.
The unit is the network, or the seed where each draws its own images.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.metrics.accuracy.names import OCCLUSION, SHIFTED
from faithcam.results import io as tables
from faithcam.statistics.intervals import t_interval
from faithcam.statistics.settings import MODEL, PAIR, columns_of, where
from faithcam.statistics.tables import AGREEMENT, AGREEMENT_KEY
from faithcam.statistics.tests import sign_flip

METRIC = "truth_agreement"
OVERLAPPING, PATCHES = "overlapping", "patches"
SAMPLED = "shapley_"  # before a number of permutations
# less the mean over training images, read at the centres of receptive fields: of which map
CORRECTED = {"expected_hirescam": "hirescam", "expected_gradcam": "gradcam", **SHIFTED}
Row = dict[str, Any]


def compute(statistics: pa.Table, settings: Mapping[str, Any]) -> pa.Table:
    """Return the mean agreement of each map, and of some pairs the difference.

    The pairs are HiResCAM and Grad-CAM, and each map that is corrected and that as it is; all per
    estimand and measure.

    Args:
        statistics: rows of ``STATISTICS``, those of single networks among them.
        settings: ``seed`` and ``statistics`` (``confidence``) of the config, ``data``
            (:func:`faithcam.experiment.datasets.specs`), and ``additive``: data set and
            architecture, [name, name] each, of the networks whose score is a sum over cells.

    Returns:
        Rows of ``AGREEMENT``, sorted.
    """
    frame = where(statistics.to_pandas(), metric=METRIC, head="flatten", level="image")
    rows = list(_rows(frame, settings)) if len(frame) else []
    table = pa.Table.from_pylist(rows, AGREEMENT)
    return tables.concatenate([table], AGREEMENT, AGREEMENT_KEY)


def _rows(frame: pd.DataFrame, settings: Mapping[str, Any]) -> Iterator[Row]:
    additive = {tuple(names) for names in settings["additive"]}
    pairs = zip(frame["dataset"], frame["architecture"], strict=True)
    form = [PATCHES if pair in additive else OVERLAPPING for pair in pairs]
    named = columns_of(frame["setting"]).reindex(columns=["estimand", "measure", "half"])
    frame = frame.assign(networks=form).join(named)
    by = ["dataset", "networks", "estimand", "measure"]
    for key, part in frame[frame["half"].isna()].groupby(by):
        known: Row = dict(zip(by, map(str, key), strict=True))
        stream = (settings["seed"], METRIC, *map(str, key))
        unit = ["seed"] if settings["data"][known["dataset"]]["nested"] else MODEL
        known |= _counts(part)
        for a, b, networks in _of_networks(part):
            units = np.asarray(networks.groupby(unit).mean(), np.float64)
            low, high = t_interval(units, settings["statistics"]["confidence"])
            yield known | {
                "method_a": a,
                "method_b": b,
                "n": len(units),
                "estimate": float(units.mean()),
                "low": low,
                "high": high,
                "p": sign_flip(units, *stream) if b else np.nan,
                "law": is_law(known["networks"], known["estimand"], a, b),
            }


def _of_networks(part: pd.DataFrame) -> Iterator[tuple[str, str, "pd.Series[float]"]]:
    """Yield each map's mean in every network, then the pairs' differences, by ``MODEL``."""
    rows = part.set_index(MODEL)
    pair = where(rows, effect_name="rank-biserial", method_a=PAIR[0], method_b=PAIR[1])
    means = {
        str(a): each["estimate"] for a, each in where(rows, effect_name="mean").groupby("method_a")
    }
    for a, networks in means.items():
        yield a, "", networks
    if len(pair):
        yield *PAIR, pair["estimate"]
    for a, b in CORRECTED.items():
        if a in means and b in means:
            difference = (means[a] - means[b]).dropna()  # where there are both
            if len(difference):
                yield a, b, difference


def _counts(part: pd.DataFrame) -> Row:
    """Return how many images were asked about, and of how many the truth is not resolved."""
    shares = where(part, effect_name="undefined share", method_a=PAIR[0])
    images = shares["n"].to_numpy(np.float64)
    unresolved = float((shares["estimate"].to_numpy() * images).sum())
    return {"images": int(images.sum()), "unresolved": round(unresolved)}


def is_law(networks: str, estimand: str, method_a: str, method_b: str = "") -> bool:
    """Return whether a map's agreement follows from the definitions, so that it is no evidence.

    A head that is linear in A makes HiResCAM the truth of absent activations. On patch networks
    the score is a sum over cells: HiResCAM less its mean is the truth of training images in their
    place, occlusion that of its own reference, and HiResCAM's lead over Grad-CAM follows. Sampled
    Shapley values estimate the truth of training images on all networks.
    """
    if (method_a, method_b) == PAIR:
        return networks == PATCHES or estimand == "features_zero"
    if method_b:
        return any(is_law(networks, estimand, method) for method in (method_a, method_b))
    if method_a.startswith(SAMPLED) and estimand == "background":
        return True
    if (method_a, estimand) in (("hirescam", "features_zero"), ("expected_hirescam", "features")):
        return True
    truths = {("expected_hirescam", "background"), (f"{OCCLUSION}{estimand}", estimand)}
    return networks == PATCHES and (method_a, estimand) in truths
