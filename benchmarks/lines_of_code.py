"""How many lines of code ten usual jobs take (``make lines``), here and with other packages.

A job begins with a network, images in [0, 1] and the classes to be explained, the predicted ones.
Its code is a function in ``benchmarks/snippets``, a file per package, as short as documented calls
allow, and it is run. Counted are its lines as ruff formats them at 100 columns, without imports,
docstrings, comments and blank lines; what is returned is one. Where a package has no function for a
job, it has no such thing, or fails.

Needs ``requirements-peers.txt`` and ``requirements-timm.txt``.
"""

import ast
import importlib.util
import inspect
import io
import sys
import textwrap
import tokenize
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "benchmarks")]

import torch
from torch import nn

import faithcam
from faithcam.models.torchvision_nets import import_torchvision

JOBS = {
    "resnet": "Grad-CAM of ResNet-18",
    "vgg16": "Grad-CAM of VGG-16",
    "timm": "Grad-CAM of a MobileNetV3 of timm",
    "segmentation": "Grad-CAM of a segmentation network, for the pixels of a class",
    "multi_label": "Grad-CAM for each of three labels",
    "aopc": "AOPC of Grad-CAM",
    "max_sensitivity": "Max-Sensitivity of Grad-CAM",
    "overlay": "Grad-CAM over its image",
    "road": "ROAD of Grad-CAM",
    "metrics_by_methods": "two metrics of two methods",
}
# by package: its file of snippets, the module that it is imported as, and its name on the index
PACKAGES = {
    "faithcam": ("of_faithcam", "faithcam", ""),
    "pytorch-grad-cam": ("of_gradcam", "pytorch_grad_cam", "grad-cam"),
    "captum": ("of_captum", "captum", "captum"),
    "Quantus": ("of_quantus", "quantus", "quantus"),
}
IMAGES, SIZE, CLASSES = 2, 64, 10
EMPTY = {  # tokens that are no code
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}


def lines(function: Callable[..., Any]) -> int:
    """Return how many lines of a function's body hold code that is no import."""
    source = textwrap.dedent(inspect.getsource(function))
    (tree,) = ast.parse(source).body
    left_out = {1}  # its head
    for node in ast.walk(tree):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom) or text:
            left_out |= {*range(node.lineno, (node.end_lineno or 0) + 1)}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    held = {token.start[0] for token in tokens if token.type not in EMPTY}
    return len(held - left_out)


def code(job: str, package: str) -> Any:
    """Return the code of a job, None where a package has none."""
    return getattr(import_module(f"snippets.{PACKAGES[package][0]}"), job, None)


def network(job: str) -> nn.Module:
    """Return the network of a job, with random weights."""
    models: Any = import_torchvision().models
    torch.manual_seed(0)
    if job == "timm":
        timm = import_module("timm")
        made: nn.Module = timm.create_model("mobilenetv3_small_050", num_classes=CLASSES)
    elif job == "vgg16":
        made = models.vgg16(num_classes=CLASSES, init_weights=False)
        made.classifier[0] = nn.Linear(512 * 49, 32)  # light to make; the job is the same
        made.classifier[3], made.classifier[6] = nn.Linear(32, 32), nn.Linear(32, CLASSES)
    elif job == "segmentation":
        made = models.segmentation.fcn_resnet50(
            weights=None, weights_backbone=None, num_classes=CLASSES
        )
    else:
        made = models.resnet18(num_classes=CLASSES)
    return made.eval()


def done(job: str, package: str) -> Any:
    """Return what the code of a package makes of a job."""
    made, images = network(job), torch.rand(IMAGES, 3, SIZE, SIZE)
    with torch.no_grad():
        outputs = made(images)
    outputs = outputs["out"].mean((2, 3)) if isinstance(outputs, dict) else outputs
    return code(job, package)(made, images, outputs.argmax(1))


def table(packages: Mapping[str, str], run: Callable[[str, str], Any]) -> str:
    """Return the lines of each job by package, after each was run.

    Args:
        packages: of ``PACKAGES``, and their versions.
        run: runs the code of a job and a package.
    """
    names = [f"{name} {number}" for name, number in packages.items()]
    rows = [f"| job | {' | '.join(names)} |", "|---" * (len(packages) + 1) + "|"]
    for job, title in JOBS.items():
        cells = []
        for package in packages:
            if function := code(job, package):
                run(job, package)
            cells.append(str(lines(function)) if function else "none")
        rows.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> int:
    """Run every job with every package, and print the table."""
    modules = [*(module for _, module, _ in PACKAGES.values()), "timm"]
    if absent := [name for name in modules if importlib.util.find_spec(name) is None]:
        print(
            f"error: {', '.join(absent)} not found; install requirements-peers.txt and "
            "requirements-timm.txt"
        )
        return 1
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    versions = {name: version(index) for name, (_, _, index) in PACKAGES.items() if index}
    print(table({"faithcam": faithcam.__version__, **versions}, done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
