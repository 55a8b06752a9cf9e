"""Data sets of MedMNIST: classes, counts and checksums of ``medmnist.yaml``.

Source: Yang et al. 2023, 10.1038/s41597-022-01721-8; version 3.0 with sizes to 224 px, of volumes
to 64 px.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from faithcam.core.errors import FaithcamError

SIZES = (28, 64, 128, 224)


@dataclass(frozen=True)
class Flag:
    """One data set.

    Args:
        channels: 1 (grey) or 3.
        classes: names, in the order of the labels.
        md5: of the npz, in the order of SIZES; volumes have the first two.
        images: how many there are for training, validation and test, at every size.
        licence: of the images.
        multi_label: whether an image can have several labels.
        volumes: whether there are as many slices as rows and columns.
        labels: how many an image with any has on average.
    """

    channels: int
    classes: tuple[str, ...]
    md5: tuple[str, ...]
    images: tuple[int, int, int]
    licence: str = "CC BY 4.0"
    multi_label: bool = False
    volumes: bool = False
    labels: float = 1.0


def _read(path: Path) -> dict[str, Flag]:
    flags = {}
    for name, content in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        values: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        flags[name] = Flag(**values)
    return flags


FLAGS = _read(Path(__file__).with_suffix(".yaml"))


def check(flag: str, size: int = SIZES[0]) -> None:
    """Refuse what is no data set of MedMNIST.

    Raises:
        FaithcamError: for an unknown flag or size.
    """
    if flag not in FLAGS:
        known = ", ".join(FLAGS)
        raise FaithcamError(f"{flag!r} is no data set of MedMNIST; expected one of {known}")
    if size not in (sizes := SIZES[: len(FLAGS[flag].md5)]):
        raise FaithcamError(f"{flag}: size {size} found, expected one of {sizes}")


def filename(flag: str, size: int) -> str:
    """Return the name of the npz on the server and here."""
    check(flag, size)
    return f"{flag}.npz" if size == 28 else f"{flag}_{size}.npz"


def md5(flag: str, size: int) -> str:
    """Return the npz's MD5."""
    check(flag, size)
    return FLAGS[flag].md5[SIZES.index(size)]
