"""Networks whose layers are re-initialised one after another, from the last to the first.

Source: arXiv 1810.03292 (cascading randomisation). A layer gets the weights that PyTorch gives new
layers of its kind; in a network prepared for inference BatchNorm is part of the convolution before
it, as a new BatchNorm, which changes nothing in eval mode.
"""

import copy
from collections.abc import Iterator

import torch
from torch import nn

from faithcam.errors import FaithcamError
from faithcam.models.camnet import CamNet
from faithcam.seeding import Streams, torch_seed


def layers(model: CamNet) -> list[tuple[str, nn.Module]]:
    """Return the layers with weights by name, the classifier first, the first layer last."""
    found = [
        (name, module)
        for name, module in model.features.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    return [("classifier", model.classifier), *reversed(found)]


def stage_ends(count: int, stages: int) -> list[int]:
    """Return after how many of ``count`` layers each stage ends: parts of equal size, rounded."""
    return sorted({max(1, round(count * (i + 1) / stages)) for i in range(stages)})


def _reset(name: str, layer: nn.Module) -> None:
    if not callable(reset := getattr(layer, "reset_parameters", None)):
        raise FaithcamError(
            f"layer {name}: {type(layer).__name__} found, which has weights but no "
            "reset_parameters() to randomise them; define it, or leave out the metrics mprt, "
            "smooth_mprt and efficient_mprt"
        )
    reset()


@torch.no_grad()
def cascade(model: CamNet, streams: Streams, stages: int) -> Iterator[CamNet]:
    """Yield a network for each stage of randomisation.

    Args:
        model: in eval mode; it stays as it is.
        streams: name the network's random numbers.
        stages: into which the layers are divided; after the last one all are new.

    Raises:
        FaithcamError: if a layer has weights and cannot be re-initialised.
    """
    changed, done = model, 0
    for end in stage_ends(len(layers(model)), stages):
        changed = copy.deepcopy(changed)
        for name, module in layers(changed)[done:end]:
            fresh = copy.deepcopy(module).cpu()
            with torch_seed(streams.seed, streams.dataset, streams.model, "randomised", name):
                _reset(name, fresh)
            module.load_state_dict(fresh.state_dict())
        done = end
        yield changed
