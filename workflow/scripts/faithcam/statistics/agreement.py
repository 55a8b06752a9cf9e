"""Agreement of maps with the truth, over networks: which map is right, what do corrections bring?

Asked of all networks that have a truth, which GAP twins have not. With a GAP head HiResCAM and
Grad-CAM are one map: such networks have no difference of the two. Networks whose cells see their
own pixels alone stand apart: what holds there by the network's form is marked. So do networks with
a head other than Flatten or GAP and one linear layer (``other``): completeness is not proven there,
but measured. The unit is the network, or the seed where each draws its own images; of a data set's
only network the image, or the group of images (patient).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from faithcam.metrics.accuracy.names import OCCLUSION, SHIFTED
from faithcam.results import io as tables
from faithcam.results.declared import STRICT
from faithcam.statistics.design import groups_of
from faithcam.statistics.intervals import t_interval
from faithcam.statistics.settings import MODEL, PAIR, columns_of, where
from faithcam.statistics.tables import AGREEMENT, AGREEMENT_KEY
from faithcam.statistics.tests import sign_flip

METRIC = "truth_agreement"
OVERLAPPING, PATCHES, OTHER = "overlapping", "patches", "other heads"
FORMS = {  # kinds of networks, and their titles
    OVERLAPPING: "overlapping networks",
    PATCHES: "patch networks",
    OTHER: "networks with head other",
}
NETWORKS, SEEDS, IMAGES, GROUPS = "networks", "seeds", "images", "groups of images"
OF_ONE_NETWORK = (IMAGES, GROUPS)
SAMPLED = "shapley_"  # before a number of permutations
# less the mean over training images, read at the centres of receptive fields: of which map
CORRECTED = {"expected_hirescam": "hirescam", "expected_gradcam": "gradcam", **SHIFTED}
SAME_WITH_GAP = {"cam": "hirescam", "gradcam": "hirescam", "expected_gradcam": "expected_hirescam"}
Array = np.ndarray[Any, np.dtype[np.float64]]
Row = dict[str, Any]


def compute(
    statistics: pa.Table,
    settings: Mapping[str, Any],
    scores: Path | str | None = None,
    images: Mapping[str, pa.Table] | None = None,
) -> pa.Table:
    """Return the mean agreement of each map, and of some pairs the difference.

    The pairs are HiResCAM and Grad-CAM, and each map that is corrected and that as it is; all per
    estimand and measure.

    Args:
        statistics: rows of ``STATISTICS``, those of single networks among them.
        settings: ``seed`` and ``statistics`` (``confidence``) of the config, ``data``
            (:func:`faithcam.experiment.datasets.specs`), and ``additive``: data set and
            architecture, [name, name] each, of the networks whose score is a sum over cells.
        scores: path of rows of ``SCORES``: the images of networks that are alone. Without them the
            unit is the network there, too.
        images: rows of ``DATA_TABLE`` by data set: images of one ``group`` count as one unit.
            Without them each image is a group.

    Returns:
        Rows of ``AGREEMENT``, sorted.
    """
    frame = where(statistics.to_pandas(), metric=METRIC, level="image")
    rows: list[Row] = []
    for dataset, part in frame.groupby("dataset"):
        alone = None
        if scores is not None and len(part[MODEL].drop_duplicates()) == 1:
            alone = _Alone.of(scores, part.iloc[0], (images or {}).get(str(dataset)))
        rows += _rows(part, settings, alone)
    table = pa.Table.from_pylist(rows, AGREEMENT)
    return tables.concatenate([table], AGREEMENT, AGREEMENT_KEY)


def form_of(head: str, *, additive: bool) -> str:
    """Return the kind of a network, a key of ``FORMS``.

    Args:
        head: of the network.
        additive: whether its score is a sum over cells.
    """
    return OTHER if head == "other" else PATCHES if additive else OVERLAPPING


@dataclass(frozen=True)
class _Alone:
    """The agreement of a data set's only network, image by image.

    Args:
        values: a row per setting, image and finding, a column per map; NaN where there is none.
        groups: of the images, by image_id.
    """

    values: pd.DataFrame
    groups: "pd.Series[Any]"

    @classmethod
    def of(cls, scores: Path | str, network: "pd.Series[Any]", table: pa.Table | None) -> "_Alone":
        """Return it from the scores of a network, a row of ``STATISTICS``."""
        wanted = (pc.field("metric") == METRIC) & (pc.field("seed") == int(network["seed"]))
        wanted &= (pc.field("protocol") == STRICT) & (pc.field("status") == "ok")
        for name in ("dataset", "architecture", "head"):
            wanted &= pc.field(name) == network[name]
        key = ["setting", "image_id", "label"]
        read = tables.read(scores, columns=[*key, "method", "value"], filters=wanted).to_pandas()
        values = read.pivot(index=key, columns="method", values="value")
        ids = np.unique(read["image_id"])
        return cls(values, pd.Series(groups_of(ids, table), ids))

    @property
    def unit(self) -> str:
        """What the units are."""
        return IMAGES if self.groups.is_unique else GROUPS

    def units(self, setting: str, a: str, b: str) -> Array:
        """Return the means over groups of their images' means of a map, or of a difference."""
        of = self.values.loc[setting]
        found = (of[a] - of[b] if b else of[a]).dropna().groupby("image_id").mean()
        return found.groupby(self.groups[found.index].to_numpy()).mean().to_numpy(np.float64)


def _rows(frame: pd.DataFrame, settings: Mapping[str, Any], alone: _Alone | None) -> Iterator[Row]:
    """Yield the rows of a data set."""
    additive = {tuple(names) for names in settings["additive"]}
    pairs = zip(frame["dataset"], frame["architecture"], strict=True)
    form = [
        form_of(head, additive=pair in additive)
        for pair, head in zip(pairs, frame["head"], strict=True)
    ]
    named = columns_of(frame["setting"]).reindex(columns=["estimand", "measure", "half"])
    frame = frame.assign(networks=form).join(named)
    nested = settings["data"][str(frame["dataset"].iloc[0])]["nested"]
    unit = alone.unit if alone else SEEDS if nested else NETWORKS
    by = ["dataset", "networks", "estimand", "measure"]
    for key, part in frame[frame["half"].isna()].groupby(by):
        known: Row = dict(zip(by, map(str, key), strict=True))
        stream = (settings["seed"], METRIC, *map(str, key))
        known |= {"unit": unit, **_counts(part)}
        for a, b, networks in _of_networks(part):
            if alone:
                units = alone.units(part["setting"].iloc[0], a, b)
            else:
                of_unit = networks.groupby(["seed"] if nested else MODEL)
                units = np.asarray(of_unit.mean(), np.float64)
            low, high = t_interval(units, settings["statistics"]["confidence"])
            yield known | {
                "method_a": a,
                "method_b": b,
                "n": len(units),
                "estimate": float(units.mean()),
                "low": low,
                "high": high,
                "p": sign_flip(units, *stream) if b else np.nan,
                "law": all(
                    is_law(known["networks"], known["estimand"], a, b, head)
                    for head in networks.index.unique("head")
                ),
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


def is_law(
    networks: str, estimand: str, method_a: str, method_b: str = "", head: str = "flatten"
) -> bool:
    """Return whether a map's agreement follows from the definitions, so that it is no evidence.

    A head that is linear in A makes HiResCAM the truth of absent activations. On patch networks
    the score is a sum over cells: HiResCAM less its mean is the truth of training images in their
    place, occlusion that of its own reference, and HiResCAM's lead over Grad-CAM follows. Sampled
    Shapley values estimate the truth of training images on all networks. With GAP CAM and Grad-CAM
    are HiResCAM.
    """
    if (method_a, method_b) == PAIR:
        return networks == PATCHES or estimand == "features_zero"
    if method_b:
        return any(is_law(networks, estimand, each, head=head) for each in (method_a, method_b))
    if head == "gap":
        method_a = SAME_WITH_GAP.get(method_a, method_a)
    if method_a.startswith(SAMPLED) and estimand == "background":
        return True
    if (method_a, estimand) in (("hirescam", "features_zero"), ("expected_hirescam", "features")):
        return True
    truths = {("expected_hirescam", "background"), (f"{OCCLUSION}{estimand}", estimand)}
    return networks == PATCHES and (method_a, estimand) in truths
