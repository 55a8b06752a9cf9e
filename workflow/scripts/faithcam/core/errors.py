"""The one exception for problems that a user can mend."""

import difflib
from collections.abc import Iterable


class FaithcamError(Exception):
    """Bad input, a missing file or a broken promise.

    The message names the file or key, what was found, what was expected and what to do. Adapters
    print it without a traceback.
    """


def likely(name: str, known: Iterable[str]) -> str:
    """Return a question that guesses what an unknown name should be, if one is close."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]}? " if close else ""


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the end of an error about an unknown name: the likeliest one, and the choices."""
    choices = list(known)
    return f"{name!r} is unknown; {likely(name, choices)}choose from {', '.join(choices)}"
