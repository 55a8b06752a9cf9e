"""Features of torchvision's EfficientNet-B0 (arXiv 1905.11946), up to its last convolution.

They end in a SiLU: the activations take both signs. Squeeze-and-excitation looks at whole maps.
"""

from faithcam.models import torchvision_nets
from faithcam.models.architecture import Architecture

ARCHITECTURES = {
    "efficientnet_b0": Architecture(
        1280,
        32,
        True,
        7_804,
        4_007_548,
        -15.5,
        imagenet=(
            "efficientnet_b0_rwightman-7f5810bc.pth",
            "7f5810bc96def8f7552d5b7e68d53c4786f81167d28291b21c0d90e1fca14934",
        ),
    ),
}

features = torchvision_nets.features
imagenet_features = torchvision_nets.published_features
