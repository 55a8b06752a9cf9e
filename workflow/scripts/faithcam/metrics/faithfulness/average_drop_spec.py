"""Average drop: what share of its confidence the network loses when it sees a map's part alone."""

from faithcam.metrics.spec import Metric, of_all_maps

METRIC = Metric(
    "Average drop",
    larger_is_better=False,
    source="arXiv 1710.11063",
    range=(0, 1),
    reference="grey",
    evaluations=of_all_maps("average_drop", lambda network: 1, clean=True, view="scaled"),
    volumes=True,
    multi_label=True,
)
