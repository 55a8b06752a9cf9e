"""The entry of the scripts behind make: plan, archive, crate, verify, measure, check, ending."""

import sys
from importlib import import_module
from typing import Any, NoReturn

from faithcam.core.errors import FaithcamError


def run(module: str, arguments: list[str], **known: Any) -> NoReturn:
    """Leave Python with the exit code of a module's ``main``, or with one line of error.

    Args:
        module: imported here, since a broken file of the user's own stops the import.
        arguments: of ``main``.
        known: what else it takes.
    """
    try:
        main = import_module(module).main
    except FaithcamError as error:
        sys.exit(f"error: {error}")
    sys.exit(main(arguments, **known))
