"""Weights on disk: safetensors, loaded strictly.

A weight too many, too few or of another shape is an error.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.models import registry
from faithcam.models.camnet import CamNet
from faithcam.models.weights_header import problem
from faithcam.results.files import recorded


def save(model: nn.Module, path: Path, metadata: Mapping[str, str | int]) -> None:
    """Write a model's weights atomically; the same weights give the same bytes.

    Args:
        model: any module.
        path: of the safetensors file.
        metadata: architecture, head, classes (how many), size (px) and whatever else names it.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    # One entry: safetensors writes several in an order that changes from process to process.
    text = {"faithcam": json.dumps(dict(metadata), sort_keys=True)}
    with recorded(path) as temporary:
        temporary.write_bytes(to_bytes(state, metadata=text))  # a full disk is an OSError


def load(path: Path, architecture: str, head: str, classes: int, size: int) -> CamNet:
    """Load a network's weights strictly.

    Args:
        path: a safetensors file, ours or one with the same keys.
        architecture: a key of ``registry.ARCHITECTURES``.
        head: ``flatten`` or ``gap``.
        classes: number of classes.
        size: rows = columns of the images in pixels.

    Returns:
        The network on the CPU, in evaluation mode and channels_last.

    Raises:
        FaithcamError: if the file is missing, is no safetensors file, does not fit the network or
            holds numbers that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise FaithcamError(f"{path}: no such file; train the model first, or mend the path")
    if wrong := problem(path, architecture, head, size, classes):
        raise FaithcamError(f"{path}: {wrong}")
    try:
        state = load_file(path)
    except (safetensors.SafetensorError, ValueError) as error:
        raise FaithcamError(
            f"{path}: no whole safetensors file ({error}); copy or write it again"
        ) from error
    with seeding.torch_seed("overwritten by the weights"):
        model = registry.build(architecture, head, classes, size)
    if problems := _misfits(model, state):
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise FaithcamError(
            f"{path}: these weights do not fit {architecture}-{head} for {classes} classes and "
            f"{size} px: {'; '.join(problems[:5])}{more}. Weights of a flatten head fit one image "
            "size only"
        )
    if broken := [key for key, value in state.items() if not value.isfinite().all()]:
        raise FaithcamError(
            f"{path}: NaN or infinity found in {len(broken)} layers ({', '.join(broken[:5])}), "
            "expected finite numbers; train the network again, or name other weights"
        )
    model.load_state_dict(state, strict=True)
    return model.eval().channels_last()


def _misfits(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    expected = model.state_dict()
    return [
        *(f"{key} is missing" for key in expected if key not in state),
        *(f"{key} is not expected" for key in state if key not in expected),
        *(
            f"{key} is {_kind(state[key])}, expected {_kind(value)}"
            for key, value in expected.items()
            if key in state and _kind(state[key]) != _kind(value)
        ),
    ]


def _kind(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
