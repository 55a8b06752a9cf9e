"""Laws that every trained model must obey: their outcomes, and the error that stops a run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError


@dataclass(frozen=True)
class Check:
    """Outcome of one law on some images.

    Args:
        name: of the law.
        errors: each image's error in units of its tolerance, (n,); it holds where this is <= 1.
        tolerance: the tolerance as a formula.
        asked: which images the law is asked of, (n,) bool; all, if not given.
    """

    name: str
    errors: Tensor
    tolerance: str
    asked: Tensor | None = None

    def first(self, count: int) -> "Check":
        """Return the outcome on the first images alone."""
        asked = None if self.asked is None else self.asked[:count]
        return replace(self, errors=self.errors[:count], asked=asked)

    def of(self, image_ids: Sequence[int]) -> tuple[Tensor, list[int]]:
        """Return the errors of the images that the law is asked of, and these images."""
        if self.asked is None:
            return self.errors, list(image_ids)
        places = self.asked.nonzero()[:, 0].tolist()
        return self.errors[places], [image_ids[place] for place in places]


def demand(check: Check, model: str, image_ids: Sequence[int]) -> None:
    """Raise FaithcamError naming model, image and size of the error if the law is broken."""
    errors, asked = check.of(image_ids)
    if len(errors) and not bool((errors <= 1).all()):
        worst = int(torch.nan_to_num(errors, nan=torch.inf).argmax())
        raise FaithcamError(
            f"model {model}, image {asked[worst]}: the law '{check.name}' is broken: the error "
            f"is {float(errors[worst]):.3g} times its tolerance ({check.tolerance}). "
            "The maps cannot be trusted: the network is not what its head says (a layer between "
            "the activations and the classifier?) or the arithmetic is wrong"
        )
