"""Every map method by name, and where it applies.

Importing this module does not import torch, so that a config can be checked before any job.
"""

from collections.abc import Callable
from dataclasses import dataclass

from faithcam.errors import FaithcamError


@dataclass(frozen=True)
class Method:
    """Facts about a map method.

    Args:
        heads: heads of the networks it can explain.
        uses_model: whether the map depends on the network; if not it is a baseline.
        uses_image: whether the map depends on the image's pixels.
    """

    heads: tuple[str, ...] = ("flatten", "gap")
    uses_model: bool = True
    uses_image: bool = True

    def supports(self, head: str) -> tuple[bool, str]:
        """Return whether networks with ``head`` can be explained, and if not, why."""
        if head in self.heads:
            return True, ""
        return False, f"needs a network with head {' or '.join(self.heads)}"


METHODS = {
    "cam": Method(heads=("gap",)),
    "gradcam": Method(),
    "hirescam": Method(),
    "random": Method(uses_model=False, uses_image=False),
    "centre": Method(uses_model=False, uses_image=False),
    "sobel": Method(uses_model=False),
    "sham": Method(heads=("flatten",)),
}


def check(methods: list[str]) -> None:
    """Raise FaithcamError naming the first unknown method."""
    for name in methods:
        if name not in METHODS:
            raise FaithcamError(f"methods: {name!r} is unknown; choose from {', '.join(METHODS)}")


def supported(methods: list[str], head: str) -> list[str]:
    """Return those of ``methods`` that can explain networks with ``head``."""
    return [name for name in methods if METHODS[name].supports(head)[0]]


def from_model(methods: list[str]) -> list[str]:
    """Return those of ``methods`` that depend on the network."""
    return [name for name in methods if METHODS[name].uses_model]


def function(name: str) -> Callable[..., object]:
    """Return the function that computes a method's raw maps.

    Methods take (activations, gradients), baselines (images, cells, image_ids, streams).
    """
    from faithcam.cams import cam, centre, gradcam, hirescam, random, sham, sobel

    functions: dict[str, Callable[..., object]] = {
        "cam": cam.cam,
        "gradcam": gradcam.gradcam,
        "hirescam": hirescam.hirescam,
        "random": random.random,
        "centre": centre.centre,
        "sobel": sobel.sobel,
        "sham": sham.sham,
    }
    return functions[name]
