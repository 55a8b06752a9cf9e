"""Deletion: how low the class probability is while relevant cells turn grey."""

from faithcam.metrics.regions import NATIVE, cells_of
from faithcam.metrics.spec import Metric, of_all_maps

METRIC = Metric(
    "Deletion",
    larger_is_better=False,
    source="arXiv 1806.07421",
    range=(0, 1),
    reference="grey",
    evaluations=of_all_maps("deletion", cells_of, region=NATIVE),
    removes=True,
    volumes=True,
    multi_label=True,
)
