"""Features of torchvision's MobileNetV3 (arXiv 1905.02244), up to its last convolution.

torchvision's classifier has a hidden layer after pooling; the one linear layer of our heads takes
its place, so that logits are linear in the activations. These end in a hard swish and take both
signs. Squeeze-and-excitation looks at whole maps. BatchNorms average over some hundred steps of the
training (momentum 0.01): with few images the first epochs' validation tells little.
"""

from faithcam.models import torchvision_nets
from faithcam.models.architecture import Architecture

ARCHITECTURES = {
    "mobilenet_v3_small": Architecture(
        576,
        32,
        True,
        1_197,
        927_008,
        -15.5,
        imagenet=(
            "mobilenet_v3_small-047dcff4.pth",
            "047dcff4addef86ea5bc2eff13c9614dc11f47ab1160d0a71a25e7db994f4e1f",
        ),
    ),
    "mobilenet_v3_large": Architecture(
        960,
        32,
        True,
        4_605,
        2_971_952,
        -15.5,
        imagenet=(
            "mobilenet_v3_large-8738ca79.pth",
            "8738ca797c879b547d18bbd15da5736ff2557b2036a9af72225393ca61759a04",
        ),
        windows=0.75,
    ),
}

features = torchvision_nets.features
imagenet_features = torchvision_nets.published_features
