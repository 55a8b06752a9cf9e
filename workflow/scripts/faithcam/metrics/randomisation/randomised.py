"""Networks whose layers are re-initialised one after another, from the last to the first.

Source: arXiv 1810.03292 (cascading randomisation). New weights are He's (arXiv 1502.01852), without
bias, and scaled so that each channel of a new layer's output has mean 0 and variance 1 over some
images, as behind a new BatchNorm in training. Without that the images fade from layer to layer, and
in the end all of them have the same activations: the map of such a network shows its padding.
"""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import Streams, torch_seed
from faithcam.metrics.inputs import Inputs
from faithcam.models.camnet import CamNet


def layers(model: CamNet) -> list[tuple[str, nn.Module]]:
    """Return the layers with weights by name, the classifier first, the first layer last."""
    named = [
        (name, module)
        for name, module in model.features.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    return [("classifier", model.classifier), *reversed(named)]


def stage_ends(count: int, stages: int) -> list[int]:
    """Return after how many of ``count`` layers each stage ends: parts of equal size, rounded."""
    return sorted({max(1, round(count * (i + 1) / stages)) for i in range(stages)})


def _renew(name: str, layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    elif callable(reset := getattr(layer, "reset_parameters", None)):
        reset()
    else:  # the scales and shifts of normalisations and residual blocks
        for part, parameter in layer.named_parameters(recurse=False):
            if parameter.numel() > max((1, *parameter.shape)):
                raise FaithcamError(
                    f"layer {name}: {type(layer).__name__} found, which has a weight {part} but no "
                    "reset_parameters() to randomise it; define it, or leave out the metrics mprt, "
                    "smooth_mprt and efficient_mprt"
                )
            nn.init.constant_(parameter, part != "bias")


def _standardise(model: CamNet, new: list[nn.Module], images: Tensor) -> None:
    """Scale and shift new layers so that their outputs have mean 0 and variance 1 over images."""

    def scaled(layer: Any, given: Any, output: Tensor) -> Tensor:
        channel = 1 if isinstance(layer, nn.Conv2d) else -1
        values = output.double().movedim(channel, -1)
        spread, mean = torch.std_mean(values.flatten(0, -2), 0, correction=0)
        scale = 1 / spread.masked_fill(spread == 0, 1)
        kind = layer.weight.dtype
        rows = scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
        layer.weight.data = (layer.weight * rows).to(kind)
        layer.bias = nn.Parameter((-mean * scale).to(kind), requires_grad=False)
        standard: Tensor = ((values - mean) * scale).movedim(-1, channel).to(output.dtype)
        return standard

    hooks = [
        layer.register_forward_hook(scaled)
        for layer in new
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer is not model.classifier
    ]
    model.activations(images)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def cascade(
    model: CamNet, streams: Streams, stages: int, images: Tensor, draw: int = 0
) -> Iterator[CamNet]:
    """Yield a network for each stage of randomisation.

    Args:
        model: in eval mode; it stays as it is.
        streams: name the network's random numbers.
        stages: into which the layers are divided; after the last one all are new.
        images: over which the outputs of new layers are standardised, (N, C, H, W); the same ones
            for all jobs of a network.
        draw: number of the draw of new weights.

    Raises:
        FaithcamError: if a layer has weights and cannot be re-initialised.
    """
    fresh = copy.deepcopy(model).cpu()
    for name, module in layers(fresh):
        with torch_seed(streams.seed, streams.dataset, streams.model, "randomised", draw, name):
            _renew(name, module)
    weights = dict(layers(fresh))
    for end in stage_ends(len(layers(model)), stages):
        changed = copy.deepcopy(model)
        new = layers(changed)[:end]
        for name, module in new:
            module.load_state_dict(weights[name].state_dict())
        _standardise(changed, [module for _, module in new], images)
        yield changed


def networks(inputs: Inputs, stages: int, replicate: int) -> list[CamNet]:
    """Return the network after each stage of randomisation, made once for all images.

    Args:
        inputs: of the network, with ``standard_images``.
        stages: into which the layers are divided.
        replicate: number of the draw of new weights.

    Raises:
        ValueError: if there are no images to standardise on.
    """
    if (images := inputs.standard_images) is None:
        raise ValueError("standard_images: None found, expected images to standardise layers on")

    @torch.inference_mode(False)  # some methods need gradients of the new networks
    def made() -> list[CamNet]:
        return list(cascade(inputs.network, inputs.noise.streams, stages, images, replicate))

    return inputs.once(("randomised", stages, replicate), made)
