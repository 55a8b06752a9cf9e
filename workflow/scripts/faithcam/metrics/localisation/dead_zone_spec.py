"""Dead zone: how much of a map lies in cells that no class score depends on."""

from faithcam.metrics.spec import Metric, of_all_maps

METRIC = Metric(
    "Dead zone",
    larger_is_better=False,
    source="arXiv 2404.01964",
    range=(0, 1),
    evaluations=of_all_maps("dead_zone", view="signed"),
    heads=("flatten",),
)
