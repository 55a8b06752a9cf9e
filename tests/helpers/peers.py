"""What other packages compute on networks and images that we compute on, too.

``tests/metrics/test_peers.py`` compares, ``benchmarks/parity.py`` writes the deviations down.
Packages of ``requirements-peers.txt`` are imported where they are used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import random_images, random_net
from torch import Tensor, nn

from faithcam.models.camnet import CamNet
from faithcam.models.torchvision_nets import import_torchvision

GRADCAM, CAPTUM, QUANTUS = "pytorch-grad-cam", "captum", "Quantus"
THESIS = "the study's code"
MODULES = {GRADCAM: "pytorch_grad_cam", CAPTUM: "captum", QUANTUS: "quantus"}
CLASSES = torch.tensor([0, 1, 2, 0])
GOLDEN = Path(__file__).parents[1] / "golden"
HEADS = ("flatten", "gap")
Pair = tuple[Any, Any]


@dataclass(frozen=True)
class Comparison:
    """One thing that another package computes, too.

    Args:
        name: our method or metric.
        peer: the package.
        theirs: its name there.
        pairs: returns what we compute and what they compute, in pairs of arrays.
        tolerance: largest deviation allowed.
        relative: whether deviations are shares of their number.
        what: what is compared, if it is not the map or the score itself.
    """

    name: str
    peer: str
    theirs: str
    pairs: Callable[[], list[Pair]]
    tolerance: float
    relative: bool = False
    what: str = ""

    def __str__(self) -> str:
        return f"{self.name}-{self.theirs}"

    def deviation(self) -> float:
        """Return the largest deviation of all pairs.

        Raises:
            ValueError: if shapes differ, a number is not finite, or all of theirs are the same.
        """
        worst = 0.0
        for computed, theirs in self.pairs():
            first, second = (np.asarray(x, dtype=np.float64) for x in (computed, theirs))
            if first.shape != second.shape or not np.isfinite([first, second]).all():
                raise ValueError(f"{self}: {first.shape} and {second.shape}, or not finite")
            if np.ptp(second) == 0:
                raise ValueError(f"{self}: all numbers are the same, this compares nothing")
            errors = np.abs(first - second) / (np.abs(second) if self.relative else 1)
            worst = max(worst, float(errors.max()))
        return worst


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def golden(head: str) -> tuple[CamNet, dict[str, Tensor]]:
    """Return a network of ``tests/golden`` and the numbers stored with it."""
    with np.load(GOLDEN / f"{head}.npz") as file:
        stored = {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}
    convolutions = [nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, 1, 1)]
    features = nn.Sequential(
        convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU(), convolutions[2]
    )
    classifier = nn.Linear(*reversed(stored["fc.weight"].shape))
    for name, layer in [(f"conv{i}", c) for i, c in enumerate(convolutions)] + [("fc", classifier)]:
        layer.load_state_dict({p: stored[f"{name}.{p}"] for p in ("weight", "bias")})
    return CamNet(features, classifier, head).eval(), stored


def networks(positive: bool = False) -> list[tuple[CamNet, Tensor, Tensor]]:
    """Return the golden networks with their images and predicted classes.

    They end in a convolution, so A takes both signs. With ``positive`` there are random networks
    instead, that end in a ReLU and whose explained scores are positive.
    """
    if positive:
        actual = [(random_net(head), random_images()) for head in HEADS]
    else:
        actual = [(model, stored["images"]) for model, stored in map(golden, HEADS)]
    chosen = []
    for model, images in actual:
        with torch.no_grad():
            classes = model(images).argmax(1)
            if positive:
                model.classifier.bias += 5
        chosen.append((model, images, classes))
    return chosen


# why a method or a metric has no number of another package
UNCOMPARED = {
    "cam": "of a GAP head it is Grad-CAM times the number of cells: a law that every run checks",
    "smoothgrad": "made by captum's gradients from keyed noise, which captum cannot be given",
    **dict.fromkeys(
        ("shapley_4", "shapley_16", "shapley_64"),
        "removals of the truth, whose mean over all orders is captum's ShapleyValues (tests)",
    ),
    "feature_aopc": "ours; equal to passes with cells set to zero (tests)",
    "agreement": "ours",
    "truth_agreement": "ours",
    "dead_zone": "a share of the map; known numbers (tests)",
    "insertion": "as deletion, from a blurred image that Quantus does not make",
    "single_deletion": "the authors' code is no package; SciPy's correlation is the same (tests)",
    "normalised_aopc": "no package has it; bounds equal those of all orders (tests)",
    "average_sensitivity": "Max-Sensitivity with a mean; Quantus draws its own noise",
    "mprt": "Quantus randomises layer by layer, BatchNorm too",
    "smooth_mprt": "Quantus draws its own noise",
}
import_torchvision()  # first: after it the other packages can be imported everywhere
