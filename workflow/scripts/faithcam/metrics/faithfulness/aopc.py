"""AOPC: how fast the class score falls when regions are removed in the order of a map.

Source: arXiv 1509.06321, eq. 12; docs/metrics.md describes the two protocols.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from faithcam.core.explained import probabilities
from faithcam.core.views import scaled, size_of, statuses
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.faithfulness.curves import (
    Output,
    aopc_of,
    area_of,
    mean_drops,
    perturbation_drops,
    srg,
)
from faithcam.metrics.inputs import Inputs, Schemas, Scores
from faithcam.removal.grid import grid, region_means, region_values
from faithcam.removal.orders import order_of, tied_share
from faithcam.results.laws import Check

RANDOM, PREDICTION = "random_order", "prediction"  # in place of a map's name
R_OMS = "r_oms"  # the fact of this output
Order = tuple[str, str]  # method, and morf, lerf or explained score


def aopc(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    maps: Tensor,
    region: int,
    replacement: Tensor,
) -> Tensor:
    """Return AOPC of the class probability, thesis protocol: (N,) float64.

    Args:
        model: see :func:`faithcam.metrics.faithfulness.curves.perturbation_drops`, as all others.
        images: see there.
        classes: see there.
        maps: see there.
        region: see there.
        replacement: see there.
    """
    return aopc_of(perturbation_drops(model, images, classes, maps, region, replacement))


def schemas() -> Schemas:
    """Return the schema of the further table, which needs pyarrow, and what names its rows."""
    from faithcam.metrics.tables import IMAGE_CURVES, IMAGE_CURVES_KEY

    return {"curves": (IMAGE_CURVES, IMAGE_CURVES_KEY)}


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods, in both protocols.

    Args:
        inputs: images, maps and noise; ``renderings`` for the imputer ``rerendered``.
        evaluations: what is asked.

    Beside them stand facts of each imputer, in the first regions: the probability when all is
    replaced, and R-OMS (reference out of model scope, arXiv 2401.06654), the area under the
    probability over the share of regions that are replaced in a random order.

    Returns:
        Scores, curves f(x0) - f(xk) (rows of the table ``curves``), and of the first images of all
        the check of SRG's sign.
    """
    scores = Scores()
    if inputs.first:  # curves are expensive
        scores.checks.append(_reversal(inputs, methods_of(evaluations)))
    _score_thesis(inputs, evaluations, scores)
    random: dict[str, Tensor] = {}
    by_region = grouped(evaluations, "region", protocol="strict")
    diagnostics = by_region.pop(("",), [])
    for (region,), asked in by_region.items():
        _Region(inputs, region, asked, scores).score(random)
    for evaluation in diagnostics:
        clean = probabilities(inputs.network(inputs.images), multi_label=inputs.multi_label)
        chosen = clean.gather(1, inputs.classes[:, None])[:, 0]
        drop = random[evaluation.setting["imputer"]]
        lost = area_of(drop) if evaluation.setting["output"] == R_OMS else drop[:, -1]
        scores.add(evaluation, PREDICTION, chosen - lost)
    return scores


def _add(
    scores: Scores,
    evaluation: Evaluation,
    method: str,
    curve: Tensor,
    status: list[str],
) -> None:
    """Add a curve's score (N,), and the curve (N, L + 1) where it is kept."""
    scores.add(evaluation, method, aopc_of(curve, _fraction(evaluation)), status)
    if method in evaluation.curves:
        scores.add_rows(
            "curves",
            range(len(curve)),
            protocol=evaluation.protocol,
            setting=str(evaluation.setting),
            method=method,
            status=status,
            drop=list(curve.float().cpu().numpy()),
        )


def _fraction(evaluation: Evaluation) -> float:
    return float(evaluation.setting.get("fraction", "1"))


def _score_thesis(inputs: Inputs, evaluations: Sequence[Evaluation], scores: Scores) -> None:
    asked = [evaluation for evaluation in evaluations if evaluation.protocol == "thesis"]
    if not asked:
        return
    images = inputs.images
    size, axes = size_of(images), tuple(range(1, images.ndim))
    low, high = images.amin(axes, keepdim=True), images.amax(axes, keepdim=True)
    noise = inputs.noise.uniform("aopc thesis", 0, tuple(images.shape[1:]))
    replacement = noise * (high - low) + low
    raw = {m: inputs.maps.of(m, "predicted", "logit") for m in methods_of(asked)}
    views = {m: scaled(x, size) for m, x in raw.items()}
    for evaluation in asked:
        region = int(evaluation.setting["region"])
        orders = {m: order_of(region_means(views[m], region, "zeros")) for m in evaluation.methods}
        curves = mean_drops(inputs, grid(size, region), [replacement], orders)
        for (method, _), curve in curves.items():
            _add(scores, evaluation, method, curve, statuses(raw[method], "scaled"))


class _Region:
    """The strict protocol's scores under one grid of regions."""

    def __init__(
        self, inputs: Inputs, name: str, asked: Sequence[Evaluation], scores: Scores
    ) -> None:
        self._inputs, self._scores, self._asked = inputs, scores, asked
        size = size_of(inputs.images)
        by_score = grouped(asked, "explained_score")
        self._raw = inputs.raw(m for m in methods_of(by_score[("",)]) if m != RANDOM)
        cells = tuple(next(iter(self._raw.values())).shape[1:])
        region = cells if name == "native" else int(name)
        self._regions = grid(size, region)
        self._values = {m: region_values(x, region, size) for m, x in self._raw.items()}
        count = next(iter(self._values.values())).shape[1]
        keys = inputs.noise.uniform("aopc ties", 0, (count,))
        self._status = {m: statuses(x, "signed") for m, x in self._raw.items()}
        self._status[RANDOM] = ["ok"] * len(inputs.images)
        shuffled = order_of(-inputs.noise.uniform("aopc random order", 0, (count,)))
        self._orders: dict[Order, Tensor] = {(RANDOM, "morf"): shuffled}
        for method, values in self._values.items():
            self._orders[method, "morf"] = order_of(values, keys)
            self._orders[method, "lerf"] = self._orders[method, "morf"].flip(1)
        self._logit_status: dict[str, list[str]] = {}
        for method in methods_of(by_score.get(("logit",), [])):
            raw = inputs.maps.of(method, "predicted", "logit")
            self._orders[method, "explained_score"] = order_of(
                region_values(raw, region, size), keys
            )
            self._logit_status[method] = statuses(raw, "signed")

    def score(self, random: dict[str, Tensor]) -> None:
        """Add all scores.

        Args:
            random: by imputer, drops of the probability in a random order, (N, L + 1): filled by
                the first regions.
        """
        for (imputer, draws, replicate), asked in grouped(
            self._asked, "imputer", "draws", "replicate"
        ).items():
            if not imputer:
                self._score_ties(asked)
                continue
            curves = self._curves(imputer, int(draws), int(replicate), asked)
            if (whole := curves.get(((RANDOM, "morf"), "probability"))) is not None:
                random.setdefault(imputer, whole)
            for evaluation in asked:
                self._score(evaluation, curves)

    def _score_ties(self, asked: Sequence[Evaluation]) -> None:
        for evaluation in asked:
            for method in evaluation.methods:
                share = tied_share(self._values[method])
                self._scores.add(evaluation, method, share, self._status[method])

    def _curves(
        self, imputer: str, draws: int, replicate: int, asked: Sequence[Evaluation]
    ) -> dict[tuple[Order, Output], Tensor]:
        wanted = dict.fromkeys(
            (method, order)
            for evaluation in asked
            for method in evaluation.methods
            for order in _orders_of(evaluation)
        )
        outputs = dict.fromkeys(cast(Output, e.setting["output"]) for e in asked)
        return mean_drops(
            self._inputs,
            self._regions,
            self._inputs.replacements(imputer, replicate, draws, self._regions),
            {name: self._orders[name] for name in wanted},
            tuple(outputs),
        )

    def _score(self, evaluation: Evaluation, curves: dict[tuple[Order, Output], Tensor]) -> None:
        output = cast(Output, evaluation.setting["output"])
        status = self._logit_status if "explained_score" in evaluation.setting else self._status
        for method in evaluation.methods:
            first, *others = (curves[(method, o), output] for o in _orders_of(evaluation))
            if others:
                difference = aopc_of(first) - aopc_of(others[0])
                self._scores.add(evaluation, method, difference, status[method])
            else:
                _add(self._scores, evaluation, method, first, status[method])


def _orders_of(evaluation: Evaluation) -> tuple[str, ...]:
    """Return whose curves an evaluation is made of."""
    if "explained_score" in evaluation.setting:
        return ("explained_score",)
    order = evaluation.setting["order"]
    return ("morf", "lerf") if order == "srg" else (order,)


def _reversal(inputs: Inputs, methods: Sequence[str]) -> Check:
    """Check SRG(-m) = -SRG(m) with a map; images with tied cells are left out."""
    method = "hirescam" if "hirescam" in methods else methods[0]
    raw = inputs.maps.of(method, "predicted", "centred")
    values = raw.flatten(1)
    regions = grid(size_of(inputs.images), tuple(raw.shape[1:]))
    (replacement,) = inputs.replacements("mean")
    forward, backward = (srg(inputs, regions, replacement, v) for v in (values, -values))
    errors = (forward + backward).abs() / 1e-5
    return Check("SRG(-map) = -SRG(map)", errors, "1e-5", tied_share(values) == 0)
