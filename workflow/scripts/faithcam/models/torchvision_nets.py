"""Features of torchvision's ResNet and VGG: no adaptive pool, no hidden layers.

The target tensor is the input of Flatten or GAP. The ``_thesis`` variants end in a convolution, so
their activations take both signs: the ResNets' last block becomes a plain stack without skip, last
BatchNorm and last ReLU; VGG19 loses its last ReLU and MaxPool (doi 10.1016/j.cmpb.2024.108238).
"""

from collections import OrderedDict
from types import ModuleType

import torch
from torch import Tensor, nn

from faithcam.errors import FaithcamError

REPLACED_BLOCK = "layer4.2."


def import_torchvision() -> ModuleType:
    """Import torchvision, also a CUDA build beside a torch for CPUs.

    That pair fails because torchvision's compiled operators cannot be loaded, yet two of them are
    looked up. Declaring these is enough for the models, which use neither.

    Raises:
        FaithcamError: if torchvision is not installed.
    """
    try:
        import torchvision
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
        import torchvision
    except ImportError as error:
        raise FaithcamError(
            f"torchvision cannot be imported ({error}); install it, or use resnet_small or "
            "vgg_small, which do not need it"
        ) from error
    module: ModuleType = torchvision
    return module


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w).

    Args:
        architecture: name of a torchvision network, or that and ``_thesis``.
    """
    get_model = import_torchvision().models.get_model
    name, _, variant = architecture.partition("_")
    if name.startswith("vgg"):
        with torch.device("meta"):  # the 120 million weights of the hidden layers are never made
            layers: nn.Sequential = get_model(name).features
        layers.to_empty(device="cpu")
        for layer in layers:
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        return layers[:-2] if variant else layers
    network = get_model(name)
    if variant:
        network.layer4[2] = _plain(network.layer4[2])
    return nn.Sequential(OrderedDict(list(network.named_children())[:-2]))


def _plain(block: nn.Module) -> nn.Sequential:
    """Return a residual block's convolutions in a row, without skip, last BatchNorm and ReLU."""
    layers = OrderedDict(block.named_children())
    count = sum(name.startswith("conv") for name in layers)
    stack: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(1, count):
        stack |= {f"conv{i}": layers[f"conv{i}"], f"bn{i}": layers[f"bn{i}"]}
        stack[f"relu{i}"] = nn.ReLU(inplace=True)
    stack[f"conv{count}"] = layers[f"conv{count}"]
    return nn.Sequential(stack)


def imagenet_features(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of a full torchvision network's weights that fits the features.

    The thesis variants' replaced block is not in it: its layers are used in another way than on
    ImageNet and start fresh. So do the convolutions behind AxialNet's ResNet.

    Raises:
        RuntimeError: if ``state`` is not exactly the network's (missing, unexpected, misfitting).
    """
    name, _, variant = architecture.partition("_")
    if name == "axial":
        return {f"trunk.{key}": part for key, part in imagenet_features(variant, state).items()}
    with torch.device("meta"):
        network = import_torchvision().models.get_model(name)
    network.load_state_dict(state, strict=True, assign=True)
    trunk: dict[str, Tensor] = (
        network.features.state_dict() if name.startswith("vgg") else network.state_dict()
    )
    return {
        key: value
        for key, value in trunk.items()
        if not key.startswith("fc.") and not (variant and key.startswith(REPLACED_BLOCK))
    }
