"""Sparseness: the Gini index of a map's cells."""

from faithcam.metrics.spec import Metric, of_all_maps

METRIC = Metric(
    "Sparseness",
    larger_is_better=True,
    source="arXiv 1810.06583",
    range=(0, 1),
    evaluations=of_all_maps("sparseness", view="signed"),
    volumes=True,
    multi_label=True,
)
