"""Features of torchvision's ResNets (arXiv 1512.03385), whose activations are non-negative.

The target tensor is the input of Flatten or GAP. In the ``_thesis`` variants the last block becomes
a plain stack without skip, last BatchNorm and last ReLU (doi 10.1016/j.cmpb.2024.108238) that ends
in a convolution: its activations take both signs.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from faithcam.models import torchvision_nets
from faithcam.models.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

REPLACED_BLOCK = "layer4.2."

_18 = ("resnet18-f37072fd.pth", "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec")
_34 = ("resnet34-b627a593.pth", "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f")
_50 = ("resnet50-0676ba61.pth", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a")


def _spec(
    channels: int, multiply_adds: int, parameters: int, imagenet: tuple[str, str], field: int = 0
) -> Architecture:
    # odd kernels with padding centre cell 0 on pixel 0, half a cell from the middle of its pixels
    return Architecture(
        channels,
        32,
        True,
        multiply_adds,
        parameters,
        -15.5,
        imagenet=imagenet,
        field=field,
        windows=0.65,
    )


ARCHITECTURES = {
    "resnet18": _spec(512, 36_144, 11_176_512, _18, 435),
    "resnet34": _spec(512, 73_008, 21_284_672, _34),
    "resnet50": _spec(2048, 81_456, 23_508_032, _50),
    "resnet34_thesis": _spec(512, 73_008, 21_283_648, _34),
    "resnet50_thesis": _spec(2048, 81_456, 23_503_936, _50),
}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    from torch import nn

    name, _, variant = architecture.partition("_")
    network = torchvision_nets.network(name)
    if variant:
        network.layer4[2] = _plain(network.layer4[2])
    return nn.Sequential(OrderedDict(list(network.named_children())[:-2]))


def _plain(block: nn.Module) -> nn.Sequential:
    """Return a residual block's convolutions in a row, without skip, last BatchNorm and ReLU."""
    from torch import nn

    layers = OrderedDict(block.named_children())
    count = sum(name.startswith("conv") for name in layers)
    stack: OrderedDict[str, nn.Module] = OrderedDict()
    for i in range(1, count):
        stack |= {f"conv{i}": layers[f"conv{i}"], f"bn{i}": layers[f"bn{i}"]}
        stack[f"relu{i}"] = nn.ReLU(inplace=True)
    stack[f"conv{count}"] = layers[f"conv{count}"]
    return nn.Sequential(stack)


def imagenet_features(architecture: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of the published weights that fits the features.

    The thesis variants' replaced block is not in it: its layers are used in another way than on
    ImageNet and start fresh.

    Raises:
        RuntimeError: if ``state`` is not exactly the network's (missing, unexpected, misfitting).
    """
    name, _, variant = architecture.partition("_")
    return {
        key: value
        for key, value in torchvision_nets.published(name, state).state_dict().items()
        if not key.startswith("fc.") and not (variant and key.startswith(REPLACED_BLOCK))
    }
