"""Game of an image's cells: the players, the score, and what absent cells show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from faithcam.core.explained import ExplainedScore, scores
from faithcam.core.seeding import Noise
from faithcam.core.views import size_of
from faithcam.maps.explain import gradients
from faithcam.maps.methods.hirescam import hirescam
from faithcam.models.camnet import CamNet
from faithcam.removal.engine import Removal
from faithcam.removal.grid import Regions, grid
from faithcam.removal.imputers import replacement
from faithcam.truth.estimands import Estimand

TOLERANCE = "1e-5 sum|W_c A| + 1e-4, A of image and reference"


@dataclass(frozen=True)
class Game:
    """The images of one network, and what a cell that is absent may show.

    Args:
        network: in eval mode and float32, on the images' device.
        images: (N, C, H, W) in [-1, 1].
        classes: whose score is explained, (N,).
        noise: keyed random numbers of the images.
        multi_label: whether an image has any number of the classes: the score is then y_c.
        patches: whether a cell sees its own pixels alone, and images are whole cells.
        channels: of the images' colours: 1 where all channels are alike, else C.
        renderings: of the images without their parts; the first one has none.
        backgrounds: training images of a draw, like the images.
        train_mean: mean of the training images at each pixel, the shape of one image.
        mean_activations: mean of A over the training images, (K, h, w).
        memory_mb: for kept activations while cells are removed.

    Raises:
        ValueError: if the images are volumes.
    """

    network: CamNet
    images: Tensor
    classes: Tensor
    noise: Noise
    multi_label: bool = False
    patches: bool = False
    channels: int = 3
    renderings: Sequence[Tensor] = ()
    backgrounds: Callable[[int], Tensor] | None = None
    train_mean: Tensor | None = None
    mean_activations: Tensor | None = None
    memory_mb: float = 1000

    def __post_init__(self) -> None:
        if self.images.ndim != 4:
            raise ValueError(
                f"truth: {tuple(self.images.shape)} found, expected images (N, C, H, W); "
                "contributions of volumes' cells are not supported"
            )

    @property
    def explained_score(self) -> ExplainedScore:
        """The score that is shared among the cells."""
        return "logit" if self.multi_label else "centred"

    @cached_property
    def removal(self) -> Removal:
        """The network's evaluator of images that lose their cells."""
        return Removal(self.network, self.memory_mb)

    @cached_property
    def activations(self) -> Tensor:
        """A of each image, (N, K, h, w), one image in a batch."""
        return torch.cat([self.network.activations(image[None]) for image in self.images])

    @cached_property
    def gradients(self) -> Tensor:
        """Derivative of the score by A, (N, K, h, w) or (N, K, 1, 1) float64."""
        kind = self.explained_score
        return gradients(self.network, self.activations, self.classes, kind).double()

    @property
    def regions(self) -> Regions:
        """The cells' pixels."""
        return grid(size_of(self.images), tuple(self.activations.shape[2:]))

    def reference(self, estimand: Estimand, draw: int) -> Tensor:
        """Return a draw of what absent cells show, like the images."""
        return replacement(
            self.images,
            estimand.reference,
            self.noise,
            draw,
            channels=self.channels,
            renderings=self.renderings,
            backgrounds=self.backgrounds,
            train_mean=self.train_mean,
            purpose="truth reference",
        )

    def map_of(self, activations: Tensor) -> Tensor:
        """Return the signed HiResCAM of the score, of any A (N, K, h, w): (N, h, w) float64."""
        return hirescam(activations.double(), self.gradients)

    def score_of(self, activations: Tensor) -> Tensor:
        """Return the score of any A, (N, K, h, w), one image in a batch: (N,) float64."""
        logits = torch.cat([self.network.logits(A[None]) for A in activations.float()])
        return scores(logits.double(), self.classes, self.explained_score)

    def tolerance(self, activations: Tensor) -> Tensor:
        """Return what rounding may change in a score, for the A of references: (N,) float64."""
        both = (self.gradients * self.activations).abs() + (self.gradients * activations).abs()
        return 1e-5 * both.sum((1, 2, 3)) + 1e-4
