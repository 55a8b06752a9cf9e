"""Versions of Python and of the libraries whose numbers enter results."""

import functools
import importlib.metadata
import platform

LIBRARIES = (
    "torch", "torchvision", "timm", "numpy", "pandas", "scipy", "scikit-learn", "statsmodels",
    "pyarrow", "opencv-python-headless", "matplotlib", "pillow", "pydicom", "safetensors",
)  # fmt: skip
TOOLS = ("snakemake", "captum", "pooch")  # which change none


@functools.cache
def version(library: str) -> str:
    """Return the installed version of a library, ``not installed`` if it is not."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def here() -> dict[str, str]:
    """Return the versions of Python and of those ``LIBRARIES`` that are installed, by name."""
    found = {name: version(name) for name in LIBRARIES}
    installed = {name: text for name, text in found.items() if text != "not installed"}
    return {"python": ".".join(platform.python_version_tuple()[:2]), **installed}
