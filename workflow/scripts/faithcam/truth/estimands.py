"""Estimands: what a cell that is not there shows instead. Nothing here imports torch.

None of them is *the* truth. Each asks what the score would lose, on average over everything else,
if a cell showed its reference.
"""

from dataclasses import dataclass
from typing import Literal

from faithcam.removal.imputers_spec import IMPUTERS


@dataclass(frozen=True)
class Estimand:
    """A question that contributions of cells answer.

    Args:
        title: its name in texts and figures.
        asks: the question, a sentence.
        reference: what an absent cell shows: an imputer of pixels, or activations.
        space: what is replaced.
        needs: what a data set must have: ``renderings`` of the images without their parts.
    """

    title: str
    asks: str
    reference: str
    space: Literal["pixels", "features"] = "pixels"
    needs: tuple[str, ...] = ()

    @property
    def drawn(self) -> bool:
        """Whether there are many draws of the reference."""
        return self.space == "pixels" and IMPUTERS[self.reference].drawn


ESTIMANDS = {
    "background": Estimand(
        "training images",
        "What would the score lose if the cell showed what other images have there?",
        "background",
    ),
    "grey": Estimand(
        "grey", "What would the score lose if the cell were grey (0 of [-1, 1])?", "grey"
    ),
    "mean": Estimand(
        "mean of the image",
        "What would the score lose if the cell had the image's mean colour?",
        "mean",
    ),
    "train_mean": Estimand(
        "mean of the training images",
        "What would the score lose if the cell showed the mean of the training images?",
        "train_mean",
    ),
    "blur": Estimand(
        "blur", "What would the score lose if the cell lost its details, not its colour?", "blur"
    ),
    "noise": Estimand("noise", "What would the score lose if the cell were noise?", "noise"),
    "rerendered": Estimand(
        "without parts",
        "What would the score lose if the cell showed the image without its planted parts?",
        "rerendered",
        needs=("renderings",),
    ),
    "features": Estimand(
        "mean activations",
        "What would the score lose if the cell's activations were the training images' mean?",
        "mean activations",
        "features",
    ),
    "features_zero": Estimand(
        "no activations",
        "What would the score lose if the cell's activations were 0?",
        "no activations",
        "features",
    ),
}


def supported(estimands: list[str], *, volumes: bool, renderings: bool) -> list[str]:
    """Return those of some estimands that a data set allows: none of volumes."""
    return [
        name
        for name in estimands
        if not volumes and (renderings or "renderings" not in ESTIMANDS[name].needs)
    ]
