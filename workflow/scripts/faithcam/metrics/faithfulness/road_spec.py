"""ROAD: how far the class probability falls when cells are removed without leaving a trace."""

from collections.abc import Iterator
from typing import Any

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import CLEAN, Config, Evaluation, Passes, Role, both_draws
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield MoRF, most relevant cells first, in both streams of noise; then LeRF and their gap.

    Controls are scored by MoRF alone, unless all evaluations are judged. ``output=accuracy`` is the
    share of removals that change the prediction.
    """
    shares, judged = len(config["road"]["shares"]), network.judged_methods(config)
    morf = {s: _passes(network, network.everything, shares, "morf", s) for s in (0, 1)}
    lerf = _passes(network, judged, shares, "lerf", 0)
    for output in ("probability", "accuracy"):
        base = Setting.of(order="morf", output=output)
        role: Role = "primary" if output == "probability" else "variant"
        evaluation = Evaluation("road", "strict", base, network.everything, role)
        yield from both_draws(evaluation, morf.__getitem__)
        backwards = base.replace(order="lerf", replicate=0)
        yield Evaluation("road", "strict", backwards, judged, reversed=True, passes=lerf)
        gap = base.replace(order="srg", replicate=0)
        yield Evaluation("road", "strict", gap, judged, passes=(*morf[0], *lerf))


def _passes(
    network: NetworkSpec, methods: tuple[str, ...], shares: int, order: str, replicate: int
) -> tuple[Passes, ...]:
    """Return the image, and for each map one with every share of its cells imputed."""
    maps = network.orders_of(methods)
    return CLEAN, *(Passes((order, replicate, name), shares) for name in maps)


def options(config: Config, network: NetworkSpec) -> dict[str, Any]:
    """Return the shares of cells that are removed, growing."""
    return {"shares": sorted(config["road"]["shares"])}


def imputation(config: Config, network: NetworkSpec) -> float:
    """Return what imputing an image costs, in a network's multiply-adds per pixel: measured.

    The iterations grow with the side of the image.
    """
    return 350 * network.channels * network.size


METRIC = Metric(
    "ROAD",
    larger_is_better=True,
    source="arXiv 2202.00449",
    range=(-1, 1),
    evaluations=evaluations,
    options=options,
    handling=imputation,
)
