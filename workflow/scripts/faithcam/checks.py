"""Outcomes of laws that every trained model must obey, and the error that stops a run."""

from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.errors import FaithcamError
from faithcam.identity import Identity


@dataclass(frozen=True)
class Check:
    """Outcome of one law on some images.

    Args:
        name: of the law.
        errors: each image's error in units of its tolerance, (n,); it holds where this is <= 1.
        tolerance: the tolerance as a formula.
    """

    name: str
    errors: Tensor
    tolerance: str


class Outcomes:
    """The worst error of each law over the batches of a shard."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._worst: dict[str, tuple[int, float, str]] = {}

    def add(self, checks: list[Check], image_ids: list[int]) -> None:
        """Add the outcomes of some images.

        Raises:
            FaithcamError: if a law is broken, naming model, image and size of the error.
        """
        identity = self._identity
        for check in checks:
            demand(check, f"{identity.dataset}/{identity.model}", image_ids)
            if not len(check.errors):
                continue
            images, worst, _ = self._worst.get(check.name, (0, 0.0, ""))
            highest = max([worst, *check.errors.tolist()])
            self._worst[check.name] = (images + len(check.errors), highest, check.tolerance)

    def table(self) -> pa.Table:
        """Return one row per law (``tables.CHECKS``)."""
        names = sorted(self._worst)
        return pa.table(
            {
                **{name: [getattr(self._identity, name)] * len(names) for name in tables.IDENTITY},
                "check": names,
                "images": [self._worst[name][0] for name in names],
                "worst": [self._worst[name][1] for name in names],
                "tolerance": [self._worst[name][2] for name in names],
                "passed": [self._worst[name][1] <= 1 for name in names],
            },
            schema=tables.CHECKS,
        )


def demand(check: Check, model: str, image_ids: list[int]) -> None:
    """Raise FaithcamError naming model, image and size of the error if the law is broken."""
    if len(check.errors) and not bool((check.errors <= 1).all()):
        errors = torch.nan_to_num(check.errors, nan=torch.inf)
        worst = int(errors.argmax())
        raise FaithcamError(
            f"model {model}, image {image_ids[worst]}: the law '{check.name}' is broken: the error "
            f"is {float(check.errors[worst]):.3g} times its tolerance ({check.tolerance}). "
            "The maps cannot be trusted: the network is not what its head says (a layer between "
            "the activations and the classifier?) or the arithmetic is wrong"
        )
