"""faithcam: which explanation map of a CNN is right, and which metric finds the right one?

What stands in ``__all__`` is the library; it is imported when it is used. The other names are of
the workflow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faithcam.core.errors import FaithcamError
    from faithcam.core.views import normalised as signed
    from faithcam.core.views import scaled
    from faithcam.library.evaluating import evaluate
    from faithcam.library.explaining import explain
    from faithcam.library.judging import concordance, contributions
    from faithcam.library.pictures import overlay, show
    from faithcam.maps.registry import METHODS
    from faithcam.metrics.registry import METRICS
    from faithcam.models.splitting import split

__version__ = "0.1.0"
__all__ = [
    "METHODS", "METRICS", "FaithcamError", "concordance", "contributions", "evaluate", "explain",
    "overlay", "scaled", "show", "signed", "split",
]  # fmt: skip
_PLACES = {
    "METHODS": "maps.registry:METHODS",
    "METRICS": "metrics.registry:METRICS",
    "FaithcamError": "core.errors:FaithcamError",
    "concordance": "library.judging:concordance",
    "contributions": "library.judging:contributions",
    "evaluate": "library.evaluating:evaluate",
    "explain": "library.explaining:explain",
    "overlay": "library.pictures:overlay",
    "scaled": "core.views:scaled",
    "show": "library.pictures:show",
    "signed": "core.views:normalised",
    "split": "models.splitting:split",
}


def __getattr__(name: str) -> Any:
    """Import a part of the library when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'faithcam' has no attribute {name!r}")
    module, attribute = _PLACES[name].split(":")
    value = getattr(import_module(f"faithcam.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names of the library."""
    return sorted([*__all__, "__version__"])
