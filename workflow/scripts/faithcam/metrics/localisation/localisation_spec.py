"""Localisation: how much of a map lies in a mask."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield all evaluations: of the lesion, and of the marker that a label may depend on."""
    for mask in ("lesion", "marker") if network.task == "shortcut" else ("lesion",):
        for kind in ("pointing", "mass", "rank"):
            yield Evaluation(
                "localisation",
                "strict",
                Setting.of(kind=kind, mask=mask),
                network.everything,
                "primary" if (kind, mask) == ("mass", "lesion") else "variant",
            )


METRIC = Metric(
    "Localisation",
    larger_is_better=True,
    source="arXiv 1608.00507, 2003.07258",
    range=(0, 1),
    evaluations=evaluations,
    needs=("masks",),
    volumes=True,
    multi_label=True,
)
