"""Single deletion: whether a map orders cells by what the score loses when one is replaced."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.regions import cells_of
from faithcam.metrics.spec import Metric

IMPUTERS = ("grey", "noise", "blur")  # those of the source


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield an evaluation by each imputer; the first one is primary."""
    for imputer in IMPUTERS:
        yield Evaluation(
            "single_deletion",
            "strict",
            Setting.of(imputer=imputer),
            network.everything,
            "primary" if imputer == IMPUTERS[0] else "variant",
            passes=(Passes((imputer,), cells_of(network)),),
        )


METRIC = Metric(
    "Single deletion",
    larger_is_better=True,
    source="arXiv 2407.11910",
    range=(-1, 1),
    evaluations=evaluations,
    removes=True,
    volumes=True,
    multi_label=True,
)
