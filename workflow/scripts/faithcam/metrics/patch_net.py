"""Patch net: AOPC's code and each imputer, judged where the best order of removal is known.

Where cell ij sees only its own pixels and the centred logit y_c is linear in A, replacing the
pixels of the cells S of x by those of r gives y_c(x) - sum_S [HR(x) - HR(r)], with HR the signed
HiResCAM map. So HR(x) - HR(r) is the best order under imputer r, and every curve is known.
"""

from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.cams.methods.gradcam import gradcam
from faithcam.cams.methods.hirescam import hirescam
from faithcam.cams.methods.sham import sham
from faithcam.checks import Check, Outcomes
from faithcam.explain import gradients
from faithcam.metrics import aopc
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Config, Model, cells_of, fills_of, strict_imputers
from faithcam.metrics.removal import Removal, additive_drops, grid, order_of
from faithcam.shard import Batch, ScoreRows, Shard
from faithcam.views import statuses


def passes(config: Config, model: Model) -> int:
    """Return the passes per image: removal in four orders, imputed images, itself."""
    fills = fills_of(config, strict_imputers(config, model))
    return fills * (4 * cells_of(config, model) + 1) + 1


METRIC = Metric(
    "Patch net",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    passes=passes,
    maps="none",
    needs=("aopc",),
    windows=True,
    outputs=("checks",),
    compared=False,
    heads=("flatten",),
    architectures=("patch_small",),
)


@torch.inference_mode()
def score_shard(shard: Shard, settings: dict[str, Any]) -> tuple[pa.Table, pa.Table]:
    """Score the best order, HiResCAM, Grad-CAM and the sham by AOPC under every imputer.

    Args:
        shard: a patch network and its images.
        settings: the config, of which ``aopc`` is used.

    Returns:
        Scores, and the checks of the law and of the best order (``tables.CHECKS``).

    Raises:
        FaithcamError: if a curve is not what the law says, or an order beats the best one.
    """
    rows, outcomes = ScoreRows(shard, "patch_net"), Outcomes(shard.identity)
    strict = settings["aopc"]["strict"]
    removal = Removal(shard.model, settings["aopc"]["memory_mb"])
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        explained = _Explained(shard, batch)
        for imputer in aopc.imputers_of(shard, strict):
            draws = strict["draws"] if imputer == "noise" else 1
            fills = aopc.replacements(shard, batch, imputer, 0, draws)
            outcomes.add(explained.score(removal, imputer, fills, rows), batch.image_ids)
    return rows.table(), outcomes.table()


class _Explained:
    """A batch's maps of the predicted class, centred logit."""

    def __init__(self, shard: Shard, batch: Batch) -> None:
        self._shard, self._batch = shard, batch
        A = shard.model.activations(batch.images)
        self._slopes = gradients(shard.model, A, batch.predicted, "centred")
        functions = {"hirescam": hirescam, "gradcam": gradcam, "sham": sham}
        self._maps = {name: function(A, self._slopes) for name, function in functions.items()}
        self._magnitude = self._magnitude_of(A)

    def _magnitude_of(self, activations: Tensor) -> Tensor:
        return (self._slopes * activations).double().abs().sum((1, 2, 3))

    def score(
        self, removal: Removal, imputer: str, fills: list[Tensor], rows: ScoreRows
    ) -> list[Check]:
        """Add the scores under one imputer, and check its curves."""
        batch = self._batch
        filled = [self._shard.model.activations(fill) for fill in fills]
        lost = [self._maps["hirescam"] - hirescam(A, self._slopes) for A in filled]
        maps = {"oracle": torch.stack(lost).mean(0), **self._maps}
        cells = (lost[0].shape[1], lost[0].shape[2])
        keys = self._shard.uniform(batch, "aopc ties", 0, (cells[0] * cells[1],))
        orders = {name: order_of(raw.flatten(1), keys) for name, raw in maps.items()}
        regions = grid((batch.images.shape[2], batch.images.shape[3]), cells)
        logits = removal.logits(batch.images, list(orders.values()), regions, fills)
        curves = {o: aopc.drops(logits, batch.predicted, o) for o in aopc.OUTPUTS}
        scores = {output: aopc.score(found.mean(1)) for output, found in curves.items()}
        for output, found in scores.items():
            setting = tables.setting(imputer=imputer, output=output)
            for (name, raw), values in zip(maps.items(), found, strict=True):
                rows.add(batch, "strict", setting, name, values, statuses(raw, "signed"))

        allowed = torch.stack(
            [1e-5 * (self._magnitude + self._magnitude_of(A)) + 1e-4 for A in filled]
        )
        known = torch.stack(
            [
                torch.stack([additive_drops(part.flatten(1), order) for part in lost])
                for order in orders.values()
            ]
        )
        errors = (curves["logit"] - known).abs().amax(3) / allowed
        gains = (scores["logit"] - scores["logit"][0]) / allowed.mean(0)
        tolerance = "1e-5 sum|W_c A| + 1e-4, A of image and replacement"
        laws = {
            "removal lowers a patch net's score by HR(x) - HR(r)": errors.amax((0, 1)),
            "no order of removal beats HR(x) - HR(r)": gains.amax(0),
        }
        return [
            Check(f"{name}, {imputer}", values[: batch.count], tolerance)
            for name, values in laws.items()
        ]
