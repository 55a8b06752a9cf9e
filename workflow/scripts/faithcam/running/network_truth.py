"""The truth of all images of a network that has one, as metrics take it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from faithcam.models import predictions
from faithcam.running.shard import Shard
from faithcam.running.stored_truth import StoredTruth
from faithcam.truth.contributions import Truth
from faithcam.truth.others import mean_of_others


class NetworkTruth:
    """The truth of a network's images, and what those of all others say of each.

    Args:
        stored: of the network, all shards.
        predicted: classes of all images that have a truth, by image_id.
        device: where it is wanted.
    """

    def __init__(
        self, stored: StoredTruth, predicted: Mapping[int, int], device: torch.device
    ) -> None:
        self._stored, self._device = stored, device
        self._places = {image: place for place, image in enumerate(predicted)}
        classes = torch.tensor(list(predicted.values()), device=device)
        self._others = {
            estimand: mean_of_others(truth.values, classes)
            for estimand, truth in stored.of(list(predicted), device).items()
        }

    @classmethod
    def open(cls, shard: Shard, files: Any, settings: Mapping[str, Any]) -> "NetworkTruth | None":
        """Return the truth that a job needs; None if it needs none.

        Args:
            shard: of the job's images.
            files: the job's: ``truth`` of the network, all shards, and ``predictions``.
            settings: of the job, see :func:`faithcam.running.scoring.scored`.
        """
        if "truth" not in settings["uses"]:
            return None
        known = predictions.read(
            files.predictions, files.weights, shard.identity, shard.dataset.manifest_sha256
        ).to_pydict()
        predicted = dict(zip(known["image_id"], known["predicted"], strict=True))
        images = shard.explained[: settings["images"]].tolist()
        return cls(StoredTruth(files.truth), {i: predicted[i] for i in images}, shard.device)

    def of(self, image_ids: Sequence[int]) -> dict[str, Truth]:
        """Return the truth of some images, by estimand."""
        return self._stored.of(image_ids, self._device)

    def of_others(self, image_ids: Sequence[int]) -> dict[str, Tensor]:
        """Return what all other images say of some, by estimand: (N, h, w)."""
        places = [self._places[image] for image in image_ids]
        return {estimand: values[places] for estimand, values in self._others.items()}
