"""The one exception for problems that a user can mend."""

import difflib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable

# what Python's own libraries and numpy raise for a file that is cut short, damaged or not theirs
DAMAGED = (
    OSError, EOFError, ValueError, TypeError, RuntimeError, LookupError, ArithmeticError,
    MemoryError, SyntaxError, struct.error, zlib.error, lzma.LZMAError, tarfile.TarError,
    zipfile.BadZipFile,
)  # fmt: skip


class FaithcamError(Exception):
    """Bad input, a missing file or a broken promise.

    The message names the file or key, what was found, what was expected and what to do. Adapters
    print it without a traceback.
    """


def reason(error: Exception) -> str:
    """Return what a library's error says in its first line, or its kind if it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]


def likely(name: str, known: Iterable[str]) -> str:
    """Return a question that guesses what an unknown name should be, if one is close."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]}? " if close else ""


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown name: the likeliest one, and the choices."""
    choices = list(known)
    return f"{name!r} is unknown; {likely(name, choices)}choose from {', '.join(choices)}"
