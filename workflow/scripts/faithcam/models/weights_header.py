"""What the header of a weights file says, before any job and without torch."""

import json
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from faithcam.models import checkpoint
from faithcam.models import registry as models
from faithcam.models.architecture import TIMM, path_name

LARGEST_HEADER = 100_000_000  # bytes, as in the safetensors library
CLASSIFIER = "classifier.weight"
Shape = tuple[int, ...]
# bytes of a number
BYTES = {"F32": 4, "F64": 8, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8} | {
    f"{sign}{8 * size}": size for sign in "IU" for size in (1, 2, 4, 8)
}
BYTES["BOOL"] = 1
READ = ("F32", "I64")  # weights; what batch normalisation counts
TO_FLOAT32 = (
    "convert them once: from safetensors.torch import load_file, save_file; save_file({key: "
    "value.float() if value.is_floating_point() else value for key, value in "
    "load_file('FILE').items()}, 'NEW')"
)
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
OWN_NAMES = (
    "name other weights, or take the network that they are of as one of your own "
    "(docs/extending.md)"
)


def problem(file: Path, architecture: str, head: str, size: int, classes: int | None) -> str:
    """Return why weights cannot be those of a network, or "" if the header does not tell.

    The format is https://huggingface.co/docs/safetensors: eight bytes, the length of the header,
    then the header, JSON: shapes and places of all tensors by name. A PyTorch checkpoint has no
    such header: see :func:`faithcam.models.checkpoint.problem`.

    Args:
        file: that is there.
        architecture: a key of ``registry.ARCHITECTURES``, or a network of the user's own, of whose
            layers nothing is known here.
        head: ``flatten``, ``gap`` or ``other``.
        size: rows = columns of the images in pixels.
        classes: how many; None if only preparing the images tells.
    """
    try:
        if is_checkpoint(file):
            return checkpoint.problem(file)
        saved, tensors = _read(file)
    except OSError as error:
        return f"cannot be read ({error.strerror}); check its permissions"
    except (ValueError, struct.error, RecursionError) as error:
        return f"no whole safetensors file ({error}); copy or write it again"
    shapes = {name: shape for name, (_, shape) in tensors.items()}
    if wrong := _misfit(saved, shapes, architecture, head, size, classes):
        return wrong
    others = {name: kind for name, (kind, _) in tensors.items() if kind not in READ}
    if others:
        kinds = ", ".join(sorted(set(others.values())))
        return (
            f"weights of {kinds} found ({next(iter(others))}), expected float32 (F32); {TO_FLOAT32}"
        )
    return ""


def is_checkpoint(file: Path) -> bool:
    """Return whether a file is what torch.save writes; a safetensors file may begin alike."""
    with file.open("rb") as stream:
        if not stream.read(4).startswith(checkpoint.STARTS):
            return False
    try:
        _read(file)
    except (ValueError, struct.error, RecursionError):
        return True
    return False


def _read(file: Path) -> tuple[dict[str, Any], dict[str, tuple[str, Shape]]]:
    """Return what a safetensors file says of its network, and its tensors; see :func:`_parsed`."""
    length = file.stat().st_size
    with file.open("rb") as stream:
        (header_length,) = struct.unpack("<Q", stream.read(8))
        if header_length > min(length - 8, LARGEST_HEADER):
            raise ValueError("its first bytes are no length of a header, or it was cut short")
        header = json.loads(stream.read(header_length))
    return _parsed(header, length - 8 - header_length)


def network(file: Path) -> dict[str, Any]:
    """Return what a whole weights file of ours says of its network, {} of others.

    Args:
        file: that :func:`problem` found nothing in, or the run wrote.
    """
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    said: dict[str, Any] = json.loads(header.get("__metadata__", {}).get("faithcam", "{}"))
    return said


def _parsed(header: Any, length: int) -> tuple[dict[str, Any], dict[str, tuple[str, Shape]]]:
    """Return what a file says of its network, and data type and shape of each tensor.

    Args:
        header: what its JSON holds.
        length: bytes behind it.

    Raises:
        ValueError: if that is no header of safetensors, or one of other bytes.
    """
    if not isinstance(header, dict):
        raise ValueError(f"its header is a {type(header).__name__}, expected tensors by name")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError(f"__metadata__ is {metadata!r:.80}, expected text by name")
    said = metadata.get("faithcam", "{}")
    try:
        saved = json.loads(said)
    except ValueError:
        saved = None
    if not isinstance(saved, dict):
        raise ValueError(f"faithcam in its __metadata__ is {said!r:.80}, expected a JSON object")
    tensors, places = {}, []
    for name, tensor in header.items():
        match tensor:
            case {
                "dtype": str(kind),
                "shape": [*shape],
                "data_offsets": [int(start), int(end)],
            } if (
                kind in BYTES
                and name.isprintable()
                and all(isinstance(side, int) and side >= 0 for side in shape)
                and end - start == BYTES[kind] * prod(shape)
            ):
                tensors[name] = kind, tuple(shape)
                places.append((start, end, name))
            case _:
                raise ValueError(
                    f"{name!r} is {tensor!r:.120}, expected a dtype of {', '.join(BYTES)}, and a "
                    "shape that needs the bytes between the data_offsets"
                )
    reached = 0
    for start, end, name in sorted(places):
        if start != reached:
            raise ValueError(f"{name} begins at byte {start}, expected {reached}")
        reached = end
    if reached != length:
        raise ValueError(f"{length} bytes of tensors found, {reached} expected")
    return saved, tensors


def _misfit(
    saved: Mapping[str, Any],
    shapes: Mapping[str, Shape],
    architecture: str,
    head: str,
    size: int,
    classes: int | None,
) -> str:
    wanted: dict[str, Any] = {"architecture": architecture, "head": head}
    wanted |= {"classes": classes} if classes else {}
    wanted |= {"size": size} if head == "flatten" else {}
    for key, value in wanted.items():
        if saved.get(key, value) != value:
            return (
                f"weights of {key} {saved[key]} found, expected {value}; name other weights, or "
                "leave the line out to train the network"
            )
    spec = models.ARCHITECTURES.get(architecture)
    if spec is None:  # the user's own network: only building it tells
        return ""
    prefix = next((n.removesuffix(CLASSIFIER) for n in shapes if n.endswith(f".{CLASSIFIER}")), "")
    if CLASSIFIER not in shapes and prefix:  # loading takes it off
        shapes = {name.removeprefix(prefix): shape for name, shape in shapes.items()}
    if CLASSIFIER not in shapes:
        few = f"layers {', '.join(list(shapes)[:3])}" if shapes else "no layers"
        return f"{few} found, expected {CLASSIFIER} and others of faithcam's own names; {OWN_NAMES}"
    inputs = spec.channels * (spec.cells(size) ** 2 if head == "flatten" else 1)
    found = shapes[CLASSIFIER]
    if len(found) != 2 or found[1] != inputs or (classes and found[0] != classes):
        return (
            f"{CLASSIFIER} of {list(found)} found, expected [{classes or 'classes'}, {inputs}] of "
            f"{architecture}-{head} for {size} px; name other weights, or leave the line out to "
            "train the network"
        )
    parameters = sum(
        prod(shape)
        for name, shape in shapes.items()
        if not name.startswith("classifier.") and not name.endswith(BUFFERS)
    )
    counted = not architecture.startswith(path_name(TIMM))  # some of these have other buffers
    if counted and parameters != spec.parameters:
        return (
            f"{parameters:,} weights before the classifier found, expected {spec.parameters:,} of "
            f"{architecture}; name other weights, or leave the line out to train the network"
        )
    return ""
