"""Patch net: AOPC's code and each imputer, judged where the best order of removal is known."""

from collections.abc import Iterator
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes
from faithcam.metrics.faithfulness.aopc_spec import OUTPUTS, imputers_of
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric
from faithcam.removal.imputers_spec import NEEDS, draws_of

METHODS = ("oracle", "hirescam", "gradcam", "sham")


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the best order's and the maps' scores under every imputer."""
    strict = config["aopc"]["strict"]
    for imputer in imputers_of(strict["imputers"], network):
        draws = draws_of(imputer, strict["draws"])
        orders = [Passes((imputer, name), network.cells**2 * draws) for name in METHODS]
        passes = (CLEAN, Passes((imputer,), draws), *orders)
        for output in OUTPUTS:
            setting = Setting.of(imputer=imputer, output=output)
            yield Evaluation("patch_net", "strict", setting, METHODS, passes=passes)


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the draws of noise."""
    return {"draws": config["aopc"]["strict"]["draws"]}


METRIC = Metric(
    "Patch net",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    evaluations=evaluations,
    options=options,
    maps="made",
    uses=NEEDS,
    tables=("checks",),
    removes=True,
    exact=True,
    compared=False,
    heads=("flatten",),
    architectures=("patch_small",),
)
