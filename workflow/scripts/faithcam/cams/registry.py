"""Every map method by name, what it takes, and where it applies.

Importing this module does not import torch, so that a config can be checked before any job.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from faithcam.errors import FaithcamError


@dataclass(frozen=True)
class Method:
    """Facts about a map method.

    Args:
        heads: heads of the networks it can explain.
        needs: what its function takes, in this order: ``activations`` A (N, K, h, w), ``gradients``
            dy_c/dA, ``mean_activations`` (K, h, w) of A over the validation split,
            ``other_activations`` of other explained images, ``images`` (N, C, H, W), ``cells``
            (h, w), ``image_ids``, ``streams``; or another method's raw maps (N, h, w), by its name.
    """

    heads: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def from_model(self) -> bool:
        """Whether the network makes such a map of any image, a noisy one say, from A alone.

        If not it is a baseline, or it takes what belongs to the explained images themselves.
        """
        explains = {"gradients", "hirescam", "gradcam"} & {*self.needs}
        return bool(explains) and "other_activations" not in self.needs

    def supports(self, head: str) -> tuple[bool, str]:
        """Return whether networks with ``head`` can be explained, and if not, why."""
        if head in self.heads:
            return True, ""
        return False, f"needs a network with head {' or '.join(self.heads)}"


_BOTH, _GAP, _FLATTEN = ("flatten", "gap"), ("gap",), ("flatten",)
_CLOSED_FORM = ("activations", "gradients")
METHODS = {
    "cam": Method(_GAP, _CLOSED_FORM),
    "gradcam": Method(_BOTH, _CLOSED_FORM),
    "hirescam": Method(_BOTH, _CLOSED_FORM),
    "random": Method(_BOTH, ("images", "cells", "image_ids", "streams")),
    "centre": Method(_BOTH, ("images", "cells")),
    "sobel": Method(_BOTH, ("images", "cells")),
    "intensity": Method(_BOTH, ("images", "cells")),
    "constant": Method(_BOTH, ("images", "cells")),
    "sham": Method(_FLATTEN, _CLOSED_FORM),
    "sham_permuted": Method(_FLATTEN, (*_CLOSED_FORM, "streams")),
    "completed_gradcam": Method(_FLATTEN, ("gradcam", "hirescam")),
    "inverse": Method(_FLATTEN, ("hirescam",)),
    "other_image": Method(_FLATTEN, ("other_activations", "gradients")),
    "spectrum_random": Method(_FLATTEN, ("hirescam", "image_ids", "streams")),
    "template": Method(_FLATTEN, ("mean_activations", "gradients")),
    "hirescam_minus_template": Method(_FLATTEN, (*_CLOSED_FORM, "mean_activations")),
    "gradcam_minus_template": Method(_FLATTEN, (*_CLOSED_FORM, "mean_activations")),
    "hirescam_as_smooth_as_gradcam": Method(_FLATTEN, ("hirescam", "gradcam")),
    "gradcam_as_smooth_as_hirescam": Method(_FLATTEN, ("gradcam", "hirescam")),
}
# whose functions take activations (N, K, S, h, w) and make maps (N, S, h, w)
FOR_VOLUMES = (
    *("cam", "gradcam", "hirescam", "random", "constant", "sham", "sham_permuted"),
    *("completed_gradcam", "inverse", "other_image", "template"),
    *("hirescam_minus_template", "gradcam_minus_template"),
)


def check(methods: list[str], key: str = "methods") -> None:
    """Raise FaithcamError naming the first unknown method and the config's key it stands in."""
    for name in methods:
        if name not in METHODS:
            raise FaithcamError(f"{key}: {name!r} is unknown; choose from {', '.join(METHODS)}")


def supported(methods: list[str], head: str) -> list[str]:
    """Return those of ``methods`` that can explain networks with ``head``."""
    return [name for name in methods if METHODS[name].supports(head)[0]]


def exemplary(methods: list[str], controls: list[str], head: str) -> list[str]:
    """Return the maps to show examples of: the methods and the sham; all controls are too many."""
    return supported([*methods, *(name for name in controls if name == "sham")], head)


def from_model(methods: list[str]) -> list[str]:
    """Return those of ``methods`` whose maps of any image come from the network alone."""
    return [name for name in methods if METHODS[name].from_model]


def needs(methods: Iterable[str]) -> set[str]:
    """Return what the functions of ``methods`` take."""
    return {need for name in methods for need in METHODS[name].needs}


def function(name: str) -> Callable[..., object]:
    """Return the function that computes a method's raw maps (N, h, w) from what it needs."""
    from faithcam.cams import (
        cam,
        centre,
        completed,
        constant,
        gradcam,
        hirescam,
        intensity,
        inverse,
        other_image,
        random,
        sham,
        smoothness,
        sobel,
        template,
    )

    functions: dict[str, Callable[..., object]] = {
        "cam": cam.cam,
        "gradcam": gradcam.gradcam,
        "hirescam": hirescam.hirescam,
        "random": random.random,
        "centre": centre.centre,
        "sobel": sobel.sobel,
        "intensity": intensity.intensity,
        "constant": constant.constant,
        "sham": sham.sham,
        "sham_permuted": sham.sham_permuted,
        "completed_gradcam": completed.completed_gradcam,
        "inverse": inverse.inverse,
        "other_image": other_image.other_image,
        "spectrum_random": smoothness.spectrum_random,
        "template": template.template,
        "hirescam_minus_template": template.hirescam_minus_template,
        "gradcam_minus_template": template.gradcam_minus_template,
        "hirescam_as_smooth_as_gradcam": smoothness.as_smooth_as,
        "gradcam_as_smooth_as_hirescam": smoothness.as_smooth_as,
    }
    return functions[name]
