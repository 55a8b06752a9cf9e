"""What each imputer puts in place of removed pixels. Nothing here imports torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Imputer:
    """Facts about an imputer.

    Args:
        title: what it puts there.
        drawn: whether there are draws of it, each another one for every image.
        needs: what it is made from beside the image: ``renderings``, ``background_images`` or
            ``train_mean``; "" for nothing.
    """

    title: str
    drawn: bool = False
    needs: str = ""


IMPUTERS = {
    "noise": Imputer("U[-1, 1] per pixel and channel", drawn=True),
    "mean": Imputer("mean colour of the image"),
    "blur": Imputer("the image, blurred"),
    "background": Imputer("another training image for every draw", True, "background_images"),
    "grey": Imputer("0, the middle of the range [-1, 1]"),
    "train_mean": Imputer("mean of the training images at each pixel", needs="train_mean"),
    "inpainting": Imputer("what inpainting makes of a region from all that is outside of it"),
    "rerendered": Imputer("the image without its planted parts", needs="renderings"),
}
NEEDS = tuple(dict.fromkeys(imputer.needs for imputer in IMPUTERS.values() if imputer.needs))


def draws_of(imputer: str, draws: int) -> int:
    """Return how many draws of an imputer there are: one where all are the same."""
    return draws if IMPUTERS[imputer].drawn else 1
