"""PyTorch checkpoints: what can be known of them before any job, without torch and unpickling."""

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from faithcam.core.errors import DAMAGED, reason

# what such files begin with: a zip archive, or (before PyTorch 1.6) pickles one after another
STARTS = (b"PK\x03\x04", b"\x80")
OLD_PICKLES = 4  # a magic number, a protocol, the machine, the object
LARGEST = 100_000_000  # bytes of the pickle in an archive, which holds no weights
# packages whose names torch.load(weights_only=True) may know
HARMLESS = ("torch", "collections", "numpy", "_codecs", "builtins", "__builtin__")
COMMAND = 'torch.save(network.state_dict(), "weights.pth")'
SAVE = f"save the state dict alone: {COMMAND}"


class _NewProtocolError(Exception):
    """A pickle of a protocol, which it says, that torch.load(weights_only=True) does not read."""


def problem(file: Path) -> str:
    """Return why a PyTorch checkpoint holds no weights alone, or "" if its names do not tell.

    The pickle in it is read operation by operation, and nothing of it is run.
    """
    try:
        names = list(_names(file))
    except _NewProtocolError as protocol:
        return (
            f"pickle protocol {protocol} found, expected 2; save without pickle_protocol: {COMMAND}"
        )
    except DAMAGED as error:
        return f"no whole PyTorch checkpoint ({reason(error)}); copy or write it again"
    for name in names:
        if name.startswith("torch.nn.modules."):
            return f"a whole network ({name}) found, expected a state dict; {SAVE}"
    for name in names:
        if name.partition(".")[0] not in HARMLESS:
            return f"a pickle with {name} found, expected weights alone; {SAVE}"
    return ""


def _names(file: Path) -> Iterator[str]:
    """Yield MODULE.NAME of everything that a checkpoint's pickles would import."""
    with file.open("rb") as stream:
        if not stream.read(4).startswith(STARTS[0]):
            stream.seek(0)
            for _ in range(OLD_PICKLES):
                yield from _imported(stream)
            return
    with zipfile.ZipFile(file) as archive:
        pickles = [each for each in archive.infolist() if each.filename.endswith("data.pkl")]
        if len(pickles) != 1 or pickles[0].file_size > LARGEST:
            raise ValueError("a zip archive without data.pkl, which torch.save writes")
        with archive.open(pickles[0]) as stream:
            yield from _imported(stream)


def _imported(stream: IO[bytes]) -> Iterator[str]:
    protocol: Any = 0
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name == "PROTO":
            protocol = argument
        elif operation.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif operation.name == "STACK_GLOBAL":
            raise _NewProtocolError(protocol)
