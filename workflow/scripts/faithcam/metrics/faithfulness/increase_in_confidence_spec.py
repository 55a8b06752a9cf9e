"""Increase in confidence: whether the network is surer when it sees a map's part alone."""

from faithcam.metrics.spec import Metric, of_all_maps

METRIC = Metric(
    "Increase in confidence",
    larger_is_better=True,
    source="arXiv 1710.11063",
    range=(0, 1),
    reference="grey",
    evaluations=of_all_maps("increase_in_confidence", lambda network: 1, clean=True, view="scaled"),
    binary=True,
    volumes=True,
    multi_label=True,
)
