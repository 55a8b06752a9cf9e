"""Insertion: how high the class probability is while relevant cells come out of a blur."""

from faithcam.metrics.regions import NATIVE, cells_of
from faithcam.metrics.spec import Metric, of_all_maps

METRIC = Metric(
    "Insertion",
    larger_is_better=True,
    source="arXiv 1806.07421",
    range=(0, 1),
    reference="blur",
    evaluations=of_all_maps("insertion", cells_of, region=NATIVE),
    removes=True,
    volumes=True,
    multi_label=True,
)
