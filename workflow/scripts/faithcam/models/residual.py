"""The convolutions of our own networks: with BatchNorm, alone or with a skip connection."""

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
            *convolution(inputs, outputs, stride),
            nn.ReLU(inplace=True),
            *convolution(outputs, outputs),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(*convolution(inputs, outputs, stride, kernel=1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, ceil(h / stride), ceil(w / stride))."""
        y: Tensor = self.relu(self.main(x) + self.skip(x))
        return y


def convolution(
    inputs: int, outputs: int, stride: int = 1, kernel: int = 3, dilation: int = 1
) -> list[nn.Module]:
    """Return a padded convolution without bias, and its BatchNorm."""
    padding = (kernel - 1) * dilation // 2
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return [layer, nn.BatchNorm2d(outputs)]
