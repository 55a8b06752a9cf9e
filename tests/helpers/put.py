"""Files as a run writes them: with their record."""

from faithcam.results.files import recorded


def put(path, text):
    """Write a text file of a run and return its path."""
    with recorded(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
