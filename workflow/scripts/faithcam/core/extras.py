"""What the package can do without, and which extra installs it: ``pip install "faithcam[report]"``.

Only torch, numpy and scipy are needed by all; the rest is imported where it is used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from faithcam.core.errors import FaithcamError

# modules by extra, as pyproject.toml lists their packages; where several have one, the first counts
EXTRAS = {
    "report": ("pandas", "matplotlib", "pyarrow", "yaml", "jsonschema", "tqdm"),
    "captum": ("captum",),
    "crate": ("rocrate",),
    "timm": ("timm",),
    "dicom": ("pydicom", "gdcm", "openjpeg", "jpeg_ls", "pylibjpeg"),
    "workflow": (
        *("PIL", "cv2", "filelock", "jinja2", "markupsafe", "pooch", "requests", "safetensors"),
        *(
            "sklearn",
            "snakemake",
            "snakemake_executor_plugin_slurm",
            "statsmodels",
            "threadpoolctl",
        ),
        "torchvision",
    ),
}
USES = {
    "report": "tables and pictures: evaluate, concordance, overlay, show",
    "captum": "maps gradient_x_input, integrated_gradients, occlusion, smoothgrad",
    "crate": "make crate, in the workflow",
    "timm": "networks of timm in the workflow",
    "dicom": "DICOM files, compressed ones too",
    "workflow": "all that jobs of the workflow need, and Snakemake",
}


def missing(extra: str) -> list[str]:
    """Return the modules of an extra that are not installed."""
    return [module for module in EXTRAS[extra] if find_spec(module) is None]


@contextmanager
def named() -> Iterator[None]:
    """Name the extra that installs a module, where one is missing.

    Raises:
        FaithcamError: in place of the error of the import.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        for extra, modules in EXTRAS.items():
            if module in modules:
                raise FaithcamError(
                    f'{module}: not installed, but needed here; pip install "faithcam[{extra}]"'
                ) from error
        raise
