"""Average drop: what share of its confidence the network loses when it sees a map's part alone."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the one evaluation: of all maps, as masks."""
    maps = sorted({network.map_of(name) for name in network.everything})
    yield Evaluation(
        "average_drop",
        "strict",
        Setting.of(view="scaled"),
        network.everything,
        "primary",
        passes=(Passes(("clean",), 1), *(Passes((name,), 1) for name in maps)),
    )


METRIC = Metric(
    "Average drop",
    larger_is_better=False,
    source="arXiv 1710.11063",
    range=(0, 1),
    evaluations=evaluations,
    volumes=True,
    several_labels=True,
)
