"""One job's share of the work: a trained model, some of the explained images, their maps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faithcam.core import devices, runtime, seeding, sharding
from faithcam.core.errors import FaithcamError
from faithcam.core.explained import ExplainedScore
from faithcam.core.identity import Identity
from faithcam.core.seeding import Streams
from faithcam.data import selection
from faithcam.data.dataset import Dataset, channels_last, open_dataset, to_tensor
from faithcam.maps import registry
from faithcam.models import predictions, weights, weights_header
from faithcam.models.camnet import CamNet
from faithcam.models.inference import for_inference
from faithcam.results.files import remedy, verified
from faithcam.running.references import backgrounds

EXPLAINED_CLASSES = ("predicted", "label")
EXPLAINED_SCORES: tuple[ExplainedScore, ...] = ("logit", "centred")


def partners(image_ids: Sequence[int], seed: int, dataset: str) -> dict[int, int]:
    """Return each image's other image: the next one in a keyed circular order, never itself.

    Args:
        image_ids: all explained images, at least two.
        seed: the experiment's.
        dataset: its name.
    """
    order = sorted(image_ids, key=lambda i: seeding.key(seed, dataset, i, "other image"))
    return dict(zip(order, [*order[1:], order[0]], strict=True))


@dataclass(frozen=True)
class Batch:
    """One micro-batch: always full, the rows from ``count`` on are padding to be thrown away.

    With several labels per image a row is an image and one of its labels: the class explained.

    Args:
        image_ids: of the rows.
        images: (B, C, H, W), or volumes (B, S, C, H, W).
        labels: true classes, (B,).
        predicted: the classes that strict metrics explain, (B,): the predicted ones; with several
            labels per image the labels.
        answers: what the network says of the clean image, (B,): the predicted class; with several
            labels per image the label if it is detected, else -1.
        count: of rows that are no padding.
        rows: theirs in the shard.
    """

    image_ids: list[int]
    images: Tensor
    labels: Tensor
    predicted: Tensor
    answers: Tensor
    count: int
    rows: slice

    @property
    def correct(self) -> Tensor:
        """Whether the network is right about the clean image, (B,)."""
        return self.labels == self.answers


@dataclass(frozen=True)
class Shard:
    """Everything a job of maps or metrics works on.

    Args:
        identity: of the model.
        model: in eval mode, on the device.
        streams: of the model's noise.
        device: where it runs.
        dataset: with all images.
        image_ids: of the shard's images, (n,), growing; with several labels per image each image
            stands there once for each of its labels.
        predicted: their predicted classes, (n,); with several labels per image these labels.
        first: place of the first one in the list of explained images.
        batch_size: images per micro-batch.
        explained: image_ids of all explained images, of other shards too.
        detected: with several labels per image, which of them the network finds, (n,).
        means: mean activations by network, kept.
    """

    identity: Identity
    model: CamNet
    streams: Streams
    device: torch.device
    dataset: Dataset
    image_ids: np.ndarray
    predicted: np.ndarray
    first: int
    batch_size: int
    explained: np.ndarray
    detected: np.ndarray | None = None
    means: dict[CamNet, Tensor] = field(default_factory=dict)

    @property
    def multi_label(self) -> bool:
        """Whether an image has any number of the classes."""
        return self.dataset.multi_label

    @property
    def answers(self) -> np.ndarray:
        """The network's answers, (n,): see :class:`Batch`."""
        return (
            self.predicted if self.detected is None else np.where(self.detected, self.predicted, -1)
        )

    @property
    def labels(self) -> np.ndarray:
        """The true classes of the shard's images, (n,); of several labels those explained."""
        if self.multi_label:
            return self.predicted
        return np.asarray(self.dataset.labels[self.image_ids])

    @property
    def explained_classes(self) -> tuple[str, ...]:
        """Which classes are explained; with several labels per image those that it has."""
        return ("label",) if self.multi_label else EXPLAINED_CLASSES

    @property
    def explained_scores(self) -> tuple[ExplainedScore, ...]:
        """Of which score; independent labels have no explained score, their logit is what it is."""
        return ("logit",) if self.multi_label else EXPLAINED_SCORES

    def _rows(self) -> Iterator[slice]:
        """Yield the rows of each micro-batch: whole images, in parts if they have many labels."""
        images = np.unique(self.image_ids)
        stop = self.first + len(images)
        for part in sharding.micro_batches(self.first, stop, self.batch_size):
            some = images[part.start - self.first : part.stop - self.first]
            first = int(np.searchsorted(self.image_ids, some[0]))
            stop_row = int(np.searchsorted(self.image_ids, some[-1], "right"))
            for start in range(first, stop_row, self.batch_size):
                yield slice(start, min(start + self.batch_size, stop_row))

    def batches(self) -> Iterator[Batch]:
        """Yield the shard's micro-batches, images on the device."""
        for rows in self._rows():
            padding = self.batch_size - (rows.stop - rows.start)
            index = np.r_[np.arange(rows.start, rows.stop), np.full(padding, rows.stop - 1)]
            ids = self.image_ids[index]
            yield Batch(
                ids.tolist(),
                self.tensor(self.dataset.images[ids]),
                torch.from_numpy(self.labels[index]).to(self.device),
                torch.from_numpy(self.predicted[index]).to(self.device),
                torch.from_numpy(self.answers[index]).to(self.device),
                rows.stop - rows.start,
                rows,
            )

    def tensor(self, pixels: np.ndarray) -> Tensor:
        """Return uint8 pixels (B, [S,] H, W, C) as the networks take them, on the device."""
        return channels_last(devices.move(to_tensor(pixels), self.device))

    @torch.no_grad()
    def mean_activations(self, network: CamNet, split: str = "train") -> Tensor:
        """Return the mean of A over a split, (K, h, w); the same in every job."""
        ids = self.dataset.split(split)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for part in sharding.micro_batches(0, len(ids), self.batch_size):
            index = np.r_[part.start : part.stop, np.full(part.padding, part.stop - 1)]
            A = network.activations(self.tensor(self.dataset.images[ids[index]]))
            total = total + A[: part.stop - part.start].double().sum(0)
        return (total / len(ids)).float()

    def given(
        self, batch: Batch, methods: Iterable[str], network: CamNet | None = None
    ) -> dict[str, Any]:
        """Return what map methods need beside activations and gradients, for ``maps_of``.

        Args:
            batch: of the images that are explained.
            methods: of the maps.
            network: that is explained; the shard's, if not given.
        """
        network = network or self.model
        needs = registry.needs(methods)
        given: dict[str, Any] = {
            "images": batch.images,
            "image_ids": batch.image_ids,
            "streams": self.streams,
        }
        if "mean_activations" in needs:
            if network not in self.means:
                self.means[network] = self.mean_activations(network)
            given["mean_activations"] = self.means[network]
        if "other_activations" in needs:
            other = partners(self.explained.tolist(), self.streams.seed, self.streams.dataset)
            pixels = self.dataset.images[[other[i] for i in batch.image_ids]]
            given["other_activations"] = network.activations(self.tensor(pixels))
        if "backgrounds" in needs:
            given["backgrounds"] = backgrounds(self, batch.image_ids, "map backgrounds")
        return given


def open_shard(wildcards: Any, files: Any, settings: Mapping[str, Any]) -> Shard:
    """Open the data, the model and its predictions; make torch deterministic.

    Args:
        wildcards: ``dataset``, ``model``, ``seed`` and ``shard`` (``start-stop`` in the sorted list
            of explained images).
        files: ``manifest`` of the data set, ``weights`` and ``predictions`` of the model.
        settings: the config's ``seed``, ``batch_size``, ``explained_images`` (of this data set),
            ``device``, ``threads`` and, if they are not test and float32, ``explained_split`` and
            ``precision``.

    Raises:
        FaithcamError: if a part is missing or does not fit.
    """
    identity = Identity.of(wildcards)
    precision = settings.get("precision", "float32")
    device = runtime.configure(settings["device"], settings["threads"], tf32=precision == "tf32")
    start, stop = sharding.bounds(wildcards.shard)
    dataset = open_dataset(Path(files.manifest).parent)
    explained = selection.explained_images(
        dataset,
        settings["explained_images"],
        settings["seed"],
        settings.get("explained_split", "test"),
    )
    image_ids = explained[start:stop]
    table = predictions.read(files.predictions, files.weights, identity, dataset.manifest_sha256)
    known = dict(zip(table["image_id"].to_pylist(), table["predicted"].to_pylist(), strict=True))
    missing = [i for i in image_ids.tolist() if i not in known]
    if missing:
        raise FaithcamError(
            f"{files.predictions}: no prediction for images {missing[:5]}; "
            f"{remedy(files.predictions)}"
        )
    detected = None
    if dataset.multi_label:
        places, predicted = dataset.labels[image_ids].nonzero()
        image_ids = image_ids[places]
        pairs = zip(image_ids.tolist(), predicted.tolist(), strict=True)
        detected = np.array([label in known[i] for i, label in pairs])
    else:
        predicted = np.array([known[i] for i in image_ids.tolist()], dtype=np.int64)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return Shard(
        identity,
        _network(verified(files.weights), identity, dataset, dtype).to(device),
        Streams(settings["seed"], identity.dataset, identity.model),
        device,
        dataset,
        image_ids,
        predicted,
        start,
        settings["batch_size"],
        explained,
        detected,
    )


def _network(file: Path, identity: Identity, dataset: Dataset, dtype: torch.dtype) -> CamNet:
    """Return a network ready for many passes; one of the user's own may be a ``SplitNet``."""
    names, classes, size = (
        (identity.architecture, identity.head),
        len(dataset.classes),
        dataset.size,
    )
    if own := weights_header.network(file).get("network"):
        nets = import_module("faithcam.models.own_nets")  # no code of other networks' jobs
        _, parts = nets.load(file, own, identity.head, classes, size)
        network: CamNet = nets.prepared(parts, size, dtype)
        return network
    model = weights.load(file, *names, classes, size)
    return for_inference(model, (size, size), dtype)
