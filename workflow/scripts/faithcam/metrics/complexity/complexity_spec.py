"""Complexity: the entropy of a map's cells."""

from faithcam.metrics.spec import Metric, of_all_maps

METRIC = Metric(
    "Complexity",
    larger_is_better=False,
    source="arXiv 2005.00631",
    range=(0, float("inf")),
    evaluations=of_all_maps("complexity", view="signed"),
    volumes=True,
    multi_label=True,
)
