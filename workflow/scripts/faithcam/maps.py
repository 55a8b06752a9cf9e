"""The stage that computes maps: every method's raw maps of a shard, after the laws were checked."""

from dataclasses import asdict

import pyarrow as pa
import torch

from faithcam import tables
from faithcam.cams import registry
from faithcam.checks import Check, Outcomes, check_images
from faithcam.explain import maps_of
from faithcam.shard import Batch, Shard


def _add_maps(
    shard: Shard, batch: Batch, methods: list[str], rows: dict[str, tables.Collector]
) -> None:
    count = batch.count
    A = shard.model.activations(batch.images)
    logits = shard.model.logits(A) - shard.model.classifier.bias
    given = shard.given(batch, methods)
    explained = {"predicted": batch.predicted, "label": batch.labels}
    for target, classes in ((name, explained[name]) for name in shard.targets):
        for gauge in shard.gauges:
            scores = logits.gather(1, classes[:, None])[:, 0]
            if gauge == "centred":
                scores = scores - logits.mean(1)
            for name, raw in maps_of(shard.model, A, classes, methods, gauge, given).items():
                explains = registry.METHODS[name].from_model
                rows[name].add(
                    count,
                    {
                        **asdict(shard.identity),
                        "method": name,
                        "image_id": batch.image_ids[:count],
                        "target": target,
                        "gauge": gauge,
                        "class": classes[:count].tolist(),
                        "slices": A.shape[2],  # of volumes: images have no such column
                        "height": A.shape[-2],
                        "width": A.shape[-1],
                        "score": scores[:count].tolist() if explains else torch.nan,
                        "map": list(raw[:count].flatten(1).cpu().numpy()),
                    },
                )


@torch.inference_mode()
def compute(shard: Shard, methods: list[str]) -> tuple[dict[str, pa.Table], pa.Table]:
    """Return each method's maps (``tables.MAPS``) and the checks (``tables.CHECKS``) of a shard.

    Maps of volumes have their number of slices besides (``tables.VOLUME_MAPS``).

    Raises:
        FaithcamError: if a law is broken, naming model, image and size of the error.
    """
    schema = tables.VOLUME_MAPS if shard.dataset.slices else tables.MAPS
    key = ["target", "gauge", "image_id", "class"]
    rows = {name: tables.Collector(schema, key) for name in methods}
    outcomes = Outcomes(shard.identity)
    for batch in shard.batches():
        outcomes.add(
            [
                Check(check.name, check.errors[: batch.count], check.tolerance)
                for check in check_images(shard.model, batch.images, batch.predicted)
            ],
            batch.image_ids,
        )
        _add_maps(shard, batch, methods, rows)
    return {name: part.table() for name, part in rows.items()}, outcomes.table()
