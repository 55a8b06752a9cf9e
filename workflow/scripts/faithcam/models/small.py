"""Three networks of our own for images of 28 to 64 pixels on a CPU.

Three steps of stride 2 (64 px -> 8 x 8 cells), 64 channels in the end. All end in a ReLU, as ResNet
and VGG do: the activations are non-negative.
"""

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions and a skip connection (arXiv 1512.03385).

    Args:
        inputs: channels that come in.
        outputs: channels that go out.
        stride: of the first convolution, and of the skip's 1 x 1 convolution if there is one.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *_convolution(inputs, outputs, stride),
            nn.ReLU(inplace=True),
            *_convolution(outputs, outputs),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(*_convolution(inputs, outputs, stride, kernel=1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, ceil(h / stride), ceil(w / stride))."""
        y: Tensor = self.relu(self.main(x) + self.skip(x))
        return y


def _convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> list[nn.Module]:
    padding = (kernel - 1) // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def resnet_small() -> nn.Module:
    """Return a residual network's features: (N, 3, H, W) -> (N, 64, ceil(H / 8), ceil(W / 8))."""
    return nn.Sequential(
        *_convolution(3, 16, stride=2),
        nn.ReLU(inplace=True),
        ResidualBlock(16, 16, stride=1),
        ResidualBlock(16, 32, stride=2),
        ResidualBlock(32, 64, stride=2),
    )


def vgg_small() -> nn.Module:
    """Return a plain network's features: (N, 3, H, W) -> (N, 64, ceil(H / 8), ceil(W / 8))."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs in (16, 32, 64):
        for stride in (2, 1):
            layers += [*_convolution(inputs, outputs, stride), nn.ReLU(inplace=True)]
            inputs = outputs
    return nn.Sequential(*layers)


def patch_small() -> nn.Module:
    """Return a patch network's features: (N, 3, H, W) -> (N, 64, H / 8, W / 8).

    Kernels equal their strides and nothing is padded: cell ij sees its own 8 x 8 pixels alone. It
    has about as many parameters as :func:`vgg_small`.
    """
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, stride in ((32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (64, 1)):
        layers += [*_convolution(inputs, outputs, stride, kernel=stride), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers)
