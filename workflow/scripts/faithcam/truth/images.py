"""The truth of images at hand, without a shard or a file."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from faithcam.core.seeding import Noise
from faithcam.models.camnet import CamNet
from faithcam.results.laws import demand
from faithcam.truth.contributions import Truth
from faithcam.truth.game import Game
from faithcam.truth.sampling import Sampling
from faithcam.truth.shapley import shapley

NAME = "notebook"  # of the data set
AT_ONCE = 32  # training images in a pass


def truths(
    network: CamNet,
    images: Tensor,
    classes: Tensor,
    backgrounds: Tensor,
    noise: Noise,
    estimands: Sequence[str],
    sampling: Sampling | None,
    *,
    patches: bool,
) -> dict[str, Truth]:
    """Return what the cells contribute by estimand, an image after another.

    Args:
        network: in eval mode and float32, on the images' device.
        images: (N, C, H, W) in [-1, 1].
        classes: whose centred logit is explained, (N,).
        backgrounds: training images (M, C, H, W): what absent cells show.
        noise: keyed random numbers of the images.
        estimands: what absent cells show, names of :data:`faithcam.truth.estimands.ESTIMANDS`.
        sampling: of the permutations.
        patches: whether a cell sees its own pixels alone: then the truth is exact.

    Raises:
        FaithcamError: if a law is broken.
    """

    def drawn(place: int) -> Callable[[int], Tensor]:
        places = noise.streams.places([place], "truth backgrounds", len(backgrounds))
        return lambda draw: backgrounds[places(draw)]

    mean = _mean_activations(network, backgrounds) if patches else None
    found: dict[str, list[Truth]] = {name: [] for name in estimands}
    for place in range(len(images)):
        game = Game(
            network,
            images[place : place + 1],
            classes[place : place + 1],
            Noise(noise.streams, [place], noise.device),
            patches=patches,
            channels=images.shape[1],
            backgrounds=drawn(place),
            train_mean=backgrounds.double().mean(0).float(),
            mean_activations=mean,
        )
        for name, truths in found.items():
            truth, checks = shapley(game, name, sampling)
            for check in checks:
                demand(check, NAME, [place])
            truths.append(truth)
    return {
        name: Truth(
            torch.cat([truth.values for truth in truths]),
            torch.cat([truth.halves for truth in truths], 1),
            torch.cat([truth.reliability for truth in truths]),
        )
        for name, truths in found.items()
    }


def _mean_activations(network: CamNet, images: Tensor) -> Tensor:
    sums = [network.activations(part).double().sum(0) for part in torch.split(images, AT_ONCE)]
    return (torch.stack(sums).sum(0) / len(images)).float()
