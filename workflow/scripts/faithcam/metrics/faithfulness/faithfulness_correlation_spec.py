"""Faithfulness correlation: whether a map's sums over sets of cells say how far the score falls."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes, both_draws
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield an evaluation for each share of the cells that is replaced; the first is primary."""
    section = config["faithfulness_correlation"]
    for share in section["shares"]:
        key = (share, section["subsets"])
        evaluation = Evaluation(
            "faithfulness_correlation",
            "strict",
            Setting.of(share=share, subsets=section["subsets"]),
            network.everything,
            "primary" if share == section["shares"][0] else "variant",
        )
        yield from both_draws(
            evaluation,
            lambda replicate, key=key: (CLEAN, Passes((*key, replicate), key[1])),  # type: ignore[misc]
        )


METRIC = Metric(
    "Faithfulness correlation",
    larger_is_better=True,
    source="arXiv 2005.00631",
    range=(-1, 1),
    reference="grey",
    evaluations=evaluations,
)
