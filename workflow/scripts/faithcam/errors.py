"""The one exception for problems that a user can mend."""

import difflib
from collections.abc import Iterable


class FaithcamError(Exception):
    """Bad input, a missing file or a broken promise.

    The message names the file or key, what was found, what was expected and what to do. Adapters
    print it without a traceback.
    """


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown name: the likeliest one, and the choices."""
    choices = list(known)
    close = difflib.get_close_matches(name, choices, 1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{name!r} is unknown; {hint}choose from {', '.join(choices)}"
