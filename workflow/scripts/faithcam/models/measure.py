"""The spec of a network's features, measured by running them (``make measure``)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.models.architecture import Architecture

# parts of the names of layers in which every cell asks every other one
ATTENTION = ("Attention", "Transformer", "CrossCovariance", "BottleneckAttn", "HaloAttn", "Lambda")
SIZE = 64  # px of the images whose multiply-adds are counted
CELLS = 6  # in a row of the images whose cells are counted


@torch.no_grad()
def measure(features: nn.Module, name: str = "features") -> Architecture:
    """Return the spec of features, but for ``patches``, ``imagenet`` and ``windows``.

    ``offset`` stays 0 where cells have no one centre: branches of a ResNet-D centre them at
    different pixels, TensorFlow's padding depends on the size of the image.

    Args:
        features: images (N, 3, H, W) -> A (N, K, h, w), freshly initialised. Their weights are
            changed.
        name: what errors call them.

    Raises:
        FaithcamError: if they are no convolutional network in this sense, or their cells do not
            follow the rules of :class:`Architecture`.
    """
    for module in features.modules():
        kind = type(module).__name__
        if "AttentionPool" not in kind and any(part in kind for part in ATTENTION):
            raise FaithcamError(
                f"{name}: a layer {kind} found, so it is a transformer, at least in part; expected "
                "a convolutional network, whose cells are places of the image"
            )
    _wake(features.double().eval(), name)
    with _counted(features) as work:
        channels = _run(features, SIZE, SIZE, name).shape[1]
    parameters = sum(part.numel() for part in features.parameters())
    stride = _stride(features, name)
    widths = range(CELLS * stride, (CELLS + 1) * stride)
    pads_by_size = any(type(module).__name__.endswith("Same") for module in features.modules())
    pairs = _mirrored(features, stride, widths, name)
    rounds_up, pooled = _rounding(
        stride, {width: a.shape[3] for width, (a, _) in pairs.items()}, name
    )
    return Architecture(
        channels,
        stride,
        rounds_up,
        round(sum(work) / SIZE**2),
        parameters,
        0.0 if pads_by_size else _offset(stride, pairs, name),
        pooled=pooled,
    )


def _wake(features: nn.Module, name: str) -> None:
    """Make A depend on every branch and on the image, as it does after a training."""
    with torch_seed("branches that start at zero"):
        for key, weight in features.named_parameters():
            if not key.endswith("bias") and not weight.any():
                nn.init.normal_(weight)
        images = torch.randn(2, 3, 2 * SIZE, 2 * SIZE, dtype=torch.float64)
    for module in features.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
    _activations(features, images, name)
    features.eval()


def _run(features: nn.Module, height: int, width: int, name: str) -> Tensor:
    with torch_seed("a random image", height, width):
        images = torch.randn(1, 3, height, width, dtype=torch.float64)
    return _activations(features, images, name)


def _activations(features: nn.Module, images: Tensor, name: str) -> Tensor:
    """Return A of images if it may be one."""
    try:
        activations = features(images)
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
        raise FaithcamError(
            f"{name}: does not take images of {images.shape[2]} x {images.shape[3]} px ({error}); "
            "expected a network for images of any size"
        ) from error
    if not isinstance(activations, Tensor):
        raise FaithcamError(f"{name}: {type(activations).__name__} found, expected one tensor A")
    if activations.ndim != 4:
        raise FaithcamError(
            f"{name}: A of shape {tuple(activations.shape)} found, expected a map of cells, "
            "(N, K, h, w); transformers and MLPs that give tokens cannot be explained here"
        )
    return activations


@contextmanager
def _counted(features: nn.Module) -> Iterator[list[int]]:
    """Collect the multiply-adds of every layer that runs, for one image."""
    work: list[int] = []

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        weight = module.get_parameter("weight")
        work.append(weight.numel() * (output[0].numel() // len(weight)))

    hooks = [
        module.register_forward_hook(note)
        for module in features.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    try:
        yield work
    finally:
        for hook in hooks:
            hook.remove()


def _stride(features: nn.Module, name: str) -> int:
    cells = [_run(features, SIZE, width, name).shape[3] for width in (512, 1024)]
    if not 0 < cells[0] < cells[1] or 512 % (cells[1] - cells[0]):
        raise FaithcamError(
            f"{name}: {cells[0]} cells found across 512 px and {cells[1]} across 1024, expected "
            "one per stride; is A a map of cells, channels first?"
        )
    return 512 // (cells[1] - cells[0])


def _mirrored(
    features: nn.Module, stride: int, widths: range, name: str
) -> dict[int, tuple[Tensor, Tensor]]:
    """Return for each width A, and A of the mirrored image, mirrored back.

    All kernels are made symmetric, so both are the same where the cells lie symmetrically.
    """
    for weight in features.parameters():
        if weight.ndim == 4:
            weight.copy_((weight + weight.flip(3)) / 2)
    pairs = {}
    for width in widths:
        with torch_seed("a random image", width):
            images = torch.randn(1, 3, 2 * stride, width, dtype=torch.float64)
        pairs[width] = (
            _activations(features, images, name),
            _activations(features, images.flip(3), name).flip(3),
        )
    return pairs


def _rounding(stride: int, cells: dict[int, int], name: str) -> tuple[bool, int]:
    """Return ``rounds_up`` and ``pooled`` of a network with so many cells at each width."""
    choices = [(False, 1), *((True, part) for part in range(1, stride) if stride % part == 0)]
    for rounds_up, pooled in choices:
        rule = Architecture(0, stride, rounds_up, 0, 0, pooled=pooled)
        if all(rule.cells(width) == count for width, count in cells.items()):
            return rounds_up, pooled
    raise FaithcamError(
        f"{name}: {cells} cells found at these widths, expected one per {stride} px, rounded up or "
        "down; is something not padded?"
    )


def _offset(stride: int, pairs: dict[int, tuple[Tensor, Tensor]], name: str) -> float:
    """Return where cells are centred, from the width at which they lie symmetrically.

    0 if there is none: branches of the network centre them at different pixels.
    """
    widths = [
        width
        for width, (one, other) in pairs.items()
        if bool((one - other).abs().max() <= 1e-8 * one.abs().max())
    ]
    if len(widths) > 1:
        raise FaithcamError(
            f"{name}: the cells of images of {widths} px are those of the mirrored image, expected "
            f"one such width in {stride}: does A depend on the image at all?"
        )
    if not widths:
        return 0.0
    return (widths[0] - stride * pairs[widths[0]][0].shape[3]) / 2
