"""What a folder or a CSV of images lists: images and their fingerprint come from one reading."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from faithcam.core.errors import FaithcamError
from faithcam.data.items import Item, listed, printable


@dataclass(frozen=True)
class Listing:
    """What was found.

    Args:
        path: of the folder or CSV.
        items: its images; all that could be understood, if there are problems.
        problems: sentences that say why it cannot be used.
        left_out: how many files are no images, by suffix.
    """

    path: Path
    items: Sequence[Item] = ()
    problems: Sequence[str] = ()
    left_out: Counter[str] = field(default_factory=Counter)

    def checked(self) -> list[Item]:
        """Return the images.

        Raises:
            FaithcamError: with all problems, if there are any.
        """
        if problems := [*self.problems, *_alike({item.label for item in self.items})]:
            raise FaithcamError(f"{self.path}: {'; '.join(problems)}")
        return list(self.items)

    def note(self) -> str:
        """Return how many files are left out, and which; "" if none are."""
        if not self.left_out:
            return ""
        kinds = ", ".join(f"{suffix} {n}" for suffix, n in sorted(self.left_out.items()))
        return (
            f"{self.path}: {self.left_out.total()} files are no images by name or content and are "
            f"left out ({printable(kinds)})"
        )

    def fingerprint(self) -> str:
        """Return a hash that changes when an image, a mask, or what is listed of one does.

        Of the files themselves, sizes and times of change count. Files that are no images do not
        count, nor does what a CSV says besides.
        """
        digest = hashlib.sha256()
        for item in self.items:
            files = [(str(file), _state(file)) for file in (item.path, *item.masks)]
            line = (item.name, item.label, item.group, item.split, files)
            digest.update(json.dumps(line).encode() + b"\n")
        digest.update(json.dumps(self.problems).encode())
        return digest.hexdigest()


def _alike(labels: set[str]) -> list[str]:
    """Return a sentence on classes that are one name written in several ways."""
    forms = defaultdict(list)
    for label in sorted(labels):
        forms[" ".join(normalize("NFKC", label).casefold().replace("_", " ").split())].append(label)
    alike = [" and ".join(map(repr, names)) for names in forms.values() if len(names) > 1]
    if not alike:
        return []
    return [f"classes {listed(alike)} differ by case, spaces or _ alone; write each in one way"]


def _state(file: Path) -> tuple[int, int] | None:
    try:
        state = file.stat()
    except (OSError, ValueError):  # a name that no file can have
        return None
    return state.st_size, state.st_mtime_ns
