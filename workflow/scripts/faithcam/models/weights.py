"""Weights on disk: safetensors, or the user's PyTorch checkpoints, loaded strictly.

A weight too many, too few or of another shape is an error.
"""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from faithcam.core import seeding
from faithcam.core.errors import DAMAGED, FaithcamError, reason
from faithcam.models import registry
from faithcam.models.camnet import CamNet
from faithcam.models.checkpoint import SAVE
from faithcam.models.weights_header import is_checkpoint, problem
from faithcam.results.files import recorded

WRAPPED = ("state_dict", "model_state_dict", "model")  # where trainers keep the weights
LISTED = 5  # layers that an error names of each kind


def save(model: nn.Module, path: Path, metadata: Mapping[str, str | int]) -> None:
    """Write a model's weights atomically; the same weights give the same bytes.

    Args:
        model: any module.
        path: of the safetensors file.
        metadata: architecture, head, classes (how many), size (px) and whatever else names it.
    """
    # cloned: safetensors refuses tensors that share memory, as tied weights do
    state = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    # One entry: safetensors writes several in an order that changes from process to process.
    text = {"faithcam": json.dumps(dict(metadata), sort_keys=True)}
    with recorded(path) as temporary:
        temporary.write_bytes(to_bytes(state, metadata=text))  # a full disk is an OSError


def load(path: Path, architecture: str, head: str, classes: int, size: int) -> CamNet:
    """Load a network's weights strictly.

    Args:
        path: see :func:`fill`.
        architecture: a key of ``registry.ARCHITECTURES``.
        head: ``flatten`` or ``gap``.
        classes: number of classes.
        size: rows = columns of the images in pixels.

    Returns:
        The network on the CPU, in evaluation mode and channels_last.

    Raises:
        FaithcamError: if the file is missing, holds no weights alone, does not fit the network or
            holds numbers that are not finite.
    """
    path = Path(path)
    check(path, architecture, head, classes, size)
    with seeding.torch_seed("overwritten by the weights"):
        model = registry.build(architecture, head, classes, size)
    about = f"{architecture}-{head} for {classes} classes and {size} px"
    fill(model, path, about, "Weights of a flatten head fit one image size only")
    return model.eval().channels_last()


def check(path: Path, architecture: str, head: str, classes: int, size: int) -> None:
    """Raise FaithcamError if a file is missing, or what is known without loading it is wrong."""
    if not path.is_file():
        raise FaithcamError(f"{path}: no such file; train the model first, or mend the path")
    if wrong := problem(path, architecture, head, size, classes):
        raise FaithcamError(f"{path}: {wrong}")


def fill(model: nn.Module, path: Path, about: str, advice: str) -> None:
    """Load weights into a network, strictly.

    A prefix that all names of its layers have in the file (``module.``, ``model.``) is taken off,
    and the log says so.

    Args:
        model: freshly built.
        path: a safetensors file, or what torch.save wrote of a state dict: as it is, or as
            ``state_dict``, ``model_state_dict`` or ``model`` of a dict.
        about: what the network is called in errors.
        advice: their last sentence.

    Raises:
        FaithcamError: if the file holds something else, or numbers that are not finite.
    """
    prefix, state = _without_prefix(read(path), model.state_dict())
    if prefix:
        print(f"{path}: the names of all layers begin with {prefix}, which is taken off")
    if problems := _misfits(model, state):
        raise FaithcamError(f"{path}: these weights do not fit {about}: {problems}. {advice}")
    if broken := [key for key, value in state.items() if not value.isfinite().all()]:
        raise FaithcamError(
            f"{path}: NaN or infinity found in {len(broken)} layers ({', '.join(broken[:5])}), "
            "expected finite numbers; train the network again, or name other weights"
        )
    model.load_state_dict(state, strict=True)


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name.

    Raises:
        FaithcamError: see :func:`fill`.
    """
    if not is_checkpoint(path):
        try:
            return load_file(path)
        except (safetensors.SafetensorError, ValueError) as error:
            raise FaithcamError(
                f"{path}: no whole safetensors file ({error}); copy or write it again"
            ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        said = next((line for line in str(error).splitlines() if "GLOBAL" in line), reason(error))
        raise FaithcamError(
            f"{path}: more than weights found ({said.strip()}), expected a state dict; {SAVE}"
        ) from error
    except DAMAGED as error:
        raise FaithcamError(
            f"{path}: no whole PyTorch checkpoint ({reason(error)}); copy or write it again"
        ) from error
    for key in ("", *WRAPPED):
        state = content.get(key) if key and isinstance(content, Mapping) else content
        if isinstance(state, Mapping) and _is_state(state):
            return dict(state)
    if isinstance(content, Mapping):
        found = f"a dict of {', '.join(map(str, list(content)[:LISTED]))}"
    else:
        found = type(content).__name__
    raise FaithcamError(
        f"{path}: {found} found, expected a state dict, or a dict with one as "
        f"{' or '.join(WRAPPED)}; {SAVE}"
    )


def _is_state(value: Mapping[Any, Any]) -> bool:
    tensors = (isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    return len(value) > 0 and all(tensors)


def _without_prefix(
    state: dict[str, Tensor], expected: Mapping[str, Tensor]
) -> tuple[str, dict[str, Tensor]]:
    """Return the prefix with which more of the expected names are there than without, and all."""

    def fitting(prefix: str) -> int:
        return sum(prefix + name in state for name in expected)

    ends = {name.rpartition(".")[2]: name for name in expected}  # few names to compare with
    prefixes = {
        found.removesuffix(name)
        for found in state
        if (name := ends.get(found.rpartition(".")[2])) and found.endswith(f".{name}")
    }
    best = min(prefixes, key=lambda prefix: (-fitting(prefix), len(prefix)), default="")
    if fitting(best) <= fitting(""):
        return "", state
    shorter = {name.removeprefix(best): value for name, value in state.items()}
    # two that would be one are not mixed: what does not fit is listed
    return (best, shorter) if len(shorter) == len(state) else ("", state)


def _misfits(model: nn.Module, state: Mapping[str, Tensor]) -> str:
    expected = model.state_dict()
    kinds = [
        [f"{key} is missing" for key in expected if key not in state],
        [f"{key} is not expected" for key in state if key not in expected],
        [
            f"{key} is {_kind(state[key])}, expected {_kind(value)}"
            for key, value in expected.items()
            if key in state and _kind(state[key]) != _kind(value)
        ],
    ]
    more = [f"and {len(each) - LISTED} more" if len(each) > LISTED else "" for each in kinds]
    named = [
        [*each[:LISTED], *filter(None, [rest])] for each, rest in zip(kinds, more, strict=True)
    ]
    return "; ".join(text for each in named for text in each)


def _kind(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
