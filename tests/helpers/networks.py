"""Small random networks for tests."""

import torch
from torch import nn

from faithcam.core.seeding import torch_seed
from faithcam.models.axialnet import AxialNet
from faithcam.models.camnet import CamNet

SLICES = 3


def random_net(head="flatten", cells=4, classes=3, relu=True, seed=0):
    """Images (N, 3, 4 cells, 4 cells) -> A (N, 5, cells, cells) -> logits."""
    with torch_seed("test", seed):
        layers = [nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 5, 3, 2, 1)]
        features = nn.Sequential(*layers, *([nn.ReLU()] if relu else []))
        inputs = 5 * cells * cells if head == "flatten" else 5
        return CamNet(features, nn.Linear(inputs, classes), head).eval()


def axial_net(head="flatten", seed=0):
    """Volumes (N, S, 3, 16, 16) -> A (N, 5, S, 4, 4) -> 3 logits."""
    net = random_net(head, seed=seed)
    return AxialNet(net.features, net.classifier, head).eval()


def volumes(count=2, slices=SLICES, size=16, seed=0):
    with torch_seed("test volumes", seed):
        return torch.rand(count, slices, 3, size, size) * 2 - 1


def with_statistics(features):
    """Give BatchNorms statistics and weights as training would."""
    for module in features.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.25)
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, 0, 0.1)
    return features


@torch.no_grad()
def awake(features, size):
    """Give deep networks activations that depend on the image, as training would.

    BatchNorms get the statistics of random images, ConvNeXt's blocks a scale of 1.
    """
    for name, parameter in features.named_parameters():
        if name.endswith("layer_scale"):
            parameter.fill_(1)
    features.eval()
    for module in features.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
    features(random_images(4, size, seed=1))
    return features.eval()


def net_of(features, size, head="flatten"):
    """A network with the given features, untrained."""
    with_statistics(features)
    with torch.no_grad():
        _, channels, height, width = features.eval()(torch.zeros(1, 3, *size)).shape
    inputs = channels * height * width if head == "flatten" else channels
    return CamNet(features, nn.Linear(inputs, 3), head).eval()


def random_images(count=4, size=16, seed=0):
    with torch_seed("test images", seed):
        return torch.rand(count, 3, size, size) * 2 - 1


class Counting(nn.Module):
    """A network that counts its forward passes and how many images they held."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.head = model.head
        self.passes = 0
        self.images = 0

    def activations(self, images):
        self.passes += 1
        self.images += len(images)
        return self.model.activations(images)

    def logits(self, activations):
        return self.model.logits(activations)

    def cell_weights(self, shape):
        return self.model.cell_weights(shape)

    def forward(self, images):
        return self.logits(self.activations(images))
