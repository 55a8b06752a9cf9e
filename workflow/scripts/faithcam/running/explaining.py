"""The stage that computes maps: every method's raw maps of a shard, after the laws were checked."""

from dataclasses import asdict

import pyarrow as pa
import torch
from torch import Tensor

from faithcam.core.explained import scores
from faithcam.maps import registry
from faithcam.maps.explain import ClosedForm, maps_of, network_of, shared_of
from faithcam.maps.laws import check_images
from faithcam.maps.method import ExplainedNetwork
from faithcam.maps.tables import MAPS, VOLUME_MAPS
from faithcam.models.camnet import CamNet
from faithcam.results import io as tables
from faithcam.results.checks import Outcomes
from faithcam.results.laws import Check
from faithcam.running.shard import Batch, Shard


def _add_maps(
    shard: Shard, batch: Batch, methods: list[str], rows: dict[str, tables.Collector]
) -> None:
    count = batch.count
    A = shard.model.activations(batch.images)
    logits = shard.model.logits(A) - _bias(shard.model, A)
    if batch.rows.start == 0:
        _print_caveats(network_of(shard.model, A), methods)
    given = shard.given(batch, methods)
    given |= shared_of(methods, {**given, "model": shard.model, "activations": A})
    classes_of = {"predicted": batch.predicted, "label": batch.labels}
    for explained_class, classes in ((name, classes_of[name]) for name in shard.explained_classes):
        for explained_score in shard.explained_scores:
            explained = scores(logits, classes, explained_score)
            for name, raw in maps_of(
                shard.model, A, classes, methods, explained_score, given
            ).items():
                _print_infinite(name, raw, batch)
                explains = bool(registry.from_model([name]))
                rows[name].add(
                    count,
                    {
                        **asdict(shard.identity),
                        "method": name,
                        "image_id": batch.image_ids[:count],
                        "explained_class": explained_class,
                        "explained_score": explained_score,
                        "class": classes[:count].tolist(),
                        "slices": A.shape[2],  # of volumes: images have no such column
                        "height": A.shape[-2],
                        "width": A.shape[-1],
                        "score": explained[:count].tolist() if explains else torch.nan,
                        "map": list(raw[:count].flatten(1).cpu().numpy()),
                    },
                )


def _bias(model: CamNet, A: Tensor) -> Tensor:
    """Return what the head says of no activations, (C,) or (N, C): its bias where it is linear."""
    if isinstance(model, ClosedForm):
        bias: Tensor = model.classifier.bias
        return bias
    return model.logits(torch.zeros_like(A))


def _print_infinite(method: str, raw: Tensor, batch: Batch) -> None:
    bad = (~raw[: batch.count].isfinite().flatten(1).all(1)).nonzero()[:, 0].tolist()
    if bad:
        images = [batch.image_ids[i] for i in bad]
        print(f"{method}: maps of images {images} are not finite; their scores are undefined")


def _print_caveats(network: ExplainedNetwork, methods: list[str]) -> None:
    for name in methods:
        _, caveat = registry.METHODS[name].supports(network)
        if caveat:
            print(f"{name}: {caveat} (docs/methods.md)", flush=True)


@torch.inference_mode()
def compute(shard: Shard, methods: list[str]) -> tuple[dict[str, pa.Table], pa.Table]:
    """Return each method's maps (``MAPS``) and the checks (``CHECKS``) of a shard.

    Maps of volumes have their number of slices besides (``VOLUME_MAPS``).

    Raises:
        FaithcamError: if a law is broken, naming model, image and size of the error.
    """
    schema = VOLUME_MAPS if shard.dataset.slices else MAPS
    key = ["explained_class", "explained_score", "image_id", "class"]
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
