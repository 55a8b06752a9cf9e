"""Networks of timm whose specs ``make measure NAME=timm:...`` measured, one YAML file each.

The files in ``faithcam/models/timm`` are those of :mod:`faithcam.models.facts`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from faithcam.models import facts
from faithcam.models.architecture import TIMM

if TYPE_CHECKING:
    from torch import nn

FOLDER = Path(__file__).parents[1] / "timm"


def spec_file(architecture: str) -> Path:
    """Return the file that holds the spec of an architecture."""
    return FOLDER / f"{architecture}.yaml"


ARCHITECTURES = {file.stem: facts.read(file).spec for file in sorted(FOLDER.glob("*.yaml"))}


def features(architecture: str) -> nn.Module:
    """Return freshly initialised features: images (N, 3, H, W) -> A (N, K, h, w)."""
    from faithcam.models import timm_nets

    return timm_nets.Features(facts.read(spec_file(architecture)).name.removeprefix(TIMM))
