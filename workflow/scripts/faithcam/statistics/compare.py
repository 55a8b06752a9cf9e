"""The rows of ``results/statistics.parquet``.

The unit of inference is the independently trained network. Scores are compared image by image
(every method saw the same noise), averaged per network, and tested over networks. Tests within one
network, whose unit is the image, stand beside them and say nothing about other networks. Networks
of all architectures together are called architecture ``all``.

Networks of a data set explain the same images: they are crossed, and intervals over networks are
about training again, not about other images; rows ``two-way`` are about both. Where each training
seed draws its own images (phantoms with a ``task``), images are nested in seeds: intervals over
networks are about both, there is no ``two-way``, and as the networks of one seed share its images
the unit of architecture ``all`` is the seed: the mean over its architectures, n = number of seeds.

With several labels per image methods are compared finding by finding (image and label), and an
image's value is the mean over its findings: images, not findings, are what means, tests and
resamples within a network are made of. Only the ratio of HAAS adds up findings, and the mixed
model's classes have each its own.

Rows of the result are told apart by ``level`` and ``effect_name``:

=========================  ================================================================
effect_name                estimate
=========================  ================================================================
Cohen dz                   mean over networks of the mean paired difference; t interval
BCa                        the same with a bootstrap interval, from 20 networks on
two-way                    the same with an interval for other networks and other images
rank-biserial              mean paired difference over the images of one network
discordant                 the same for HAAS; effect = (only a right - only b right) / (either)
images that differ         GAP heads, HiResCAM - Grad-CAM: effect counts unequal scores; no p;
                           level image: n counts all images' scores, as effect does
floor of one image         95 % quantile over one network's images of how far the paired
                           difference moves when only the noise replicate changes
equivalence                of a primary comparison: low and high are the interval of level
                           1 - 2 alpha, effect = margin, p that of a difference beyond it (TOST)
power                      of a primary comparison: smallest mean difference detected with 80 %
                           power by the t test at alpha; effect = units that detect the margin
mixed model                of a primary comparison: mean with all classes and architectures of
                           equal weight, from 6 networks on; effect = share of the variance
                           that is between networks
mixed model, architecture  largest - smallest effect; p of all being equal, effect = F
mixed model, class         the same of the true class
mean                       mean score of method_a (method_b is empty)
ratio                      HAAS: accuracy over heatmap-assisted images / clean accuracy, on
                           all images
blank share                share of explained images whose map of method_a is blank
undefined share            share of explained images without a score
empty mask share           localisation: share of explained images with nothing to find
=========================  ================================================================

alpha = 1 - ``statistics.confidence``. HAAS, feature-space AOPC and agreement use all images, the
other metrics the correctly classified ones (``all_images`` of an evaluation); exempt networks
(MODELS) all, always. In the strict
protocol a paired comparison leaves out an image whose row is not ok for either method; the means
and ratios of HAAS keep it. Compared are HiResCAM with all other methods and all others with
Grad-CAM, in all settings that both have. Floors are in :mod:`faithcam.statistics.floor`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from statsmodels.stats.multitest import multipletests

from faithcam.results import io as tables
from faithcam.results.declared import Declared, Evaluations
from faithcam.statistics import scores
from faithcam.statistics.design import Design, groups_of
from faithcam.statistics.rows import Row, SettingRows
from faithcam.statistics.scores import Scores
from faithcam.statistics.tables import STATISTICS


def compute(
    table: pa.Table | Path | str,
    models: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    images: Mapping[str, pa.Table] | None = None,
) -> pa.Table:
    """Compare the methods of an experiment.

    Args:
        table: rows of ``SCORES``, or the path of their Parquet file.
        models: rows of ``MODELS``; only included and exempt networks are used.
        evaluations: all that were declared.
        settings: ``seed`` and ``statistics`` of the config, and ``data``
            (:func:`faithcam.experiment.datasets.specs`).
        images: rows of ``DATA_TABLE`` by data set: images of one ``group`` are resampled
            together. Without them each image is a group.

    Returns:
        Rows of ``STATISTICS``, sorted.

    Source: Holm 1979.
    """
    frame = scores.of_networks(scores.read(table), models)
    frame = frame[frame["metric"].isin(evaluations.metrics(compared=True))]
    rows: list[Row] = []
    for dataset, part in frame.groupby("dataset", observed=True):
        ids = np.unique(part["image_id"])
        groups = groups_of(ids, (images or {}).get(str(dataset)))
        spec = settings["data"][dataset]
        design = Design.of(str(dataset), groups, settings, nested=spec["nested"])
        counted = evaluations.metrics(all_images=True)
        by_setting: dict[Any, tuple[Declared, Scores]] = {}
        for chosen in scores.settings_of(part, ids, counted, multi_label=spec["multi_label"]):
            declared = evaluations.at(**chosen.known)
            key = (declared.head, declared.protocol, declared.metric)
            by_setting[*key, declared.setting] = declared, chosen
        for (*key, setting), (declared, chosen) in by_setting.items():
            if declared.replicate_of is None:
                _, protocol, metric = key
                second = evaluations.replicate(str(dataset), protocol, metric, setting)
                replicate = by_setting.get((*key, second))
                rows += SettingRows(chosen, replicate and replicate[1], design, declared).all()
    _adjust(rows)
    columns = {name: [row[name] for row in rows] for name in STATISTICS.names}
    return tables.concatenate(
        [pa.table(columns, schema=STATISTICS)],
        STATISTICS,
        [*STATISTICS.names[:10], "effect_name"],
    )


def _adjust(rows: list[Row]) -> None:
    """Adjust the p-values of the primary comparisons, per data set (Holm)."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        if row["primary"]:
            families.setdefault(row["dataset"], []).append(row)
    for family in families.values():
        adjusted = multipletests([row["p"] for row in family], method="holm")[1]
        for row, p in zip(family, adjusted, strict=True):
            row["p_holm"] = float(p)
