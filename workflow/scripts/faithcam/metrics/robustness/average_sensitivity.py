"""Average sensitivity: how much a map changes on average when the image is moved a little.

It measures stability, not faithfulness. Source: arXiv 2005.00631. Radius, samples and
noise are those of Max-Sensitivity's strict protocol, so no average exceeds its maximum.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from faithcam.core.views import statuses
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.robustness.sensitivity import Sensitivity, Versions, moved


def average_sensitivity(
    sensitivity: Sensitivity, noisy: Iterable[Tensor], methods: Sequence[str]
) -> dict[str, Versions]:
    """Return the mean over noisy images of each method's change, of the centred logit's maps.

    Args:
        sensitivity: of the images, see there; ``centred`` is among its targets.
        noisy: versions of the images, one at a time.
        methods: whose maps are compared.

    Returns:
        For each method (N,) float64 each, as :meth:`Sensitivity.changes` names them.
    """
    total: dict[tuple[str, str], Tensor] = {}
    count = 0
    for images in noisy:
        count += 1
        _, changes = sensitivity.changes(images, {"centred": methods})
        for (_, method), versions in changes.items():
            for version, change in versions.items():
                key = (method, version)
                total[key] = total.get(key, torch.zeros(())) + change
    means: dict[str, Versions] = {method: {} for method in methods}
    for (method, version), change in total.items():
        means[method][version] = change / count
    return means


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score the methods, in all streams of the noise."""
    scores, methods, images = Scores(), methods_of(evaluations), inputs.images
    sensitivity = Sensitivity(
        inputs.network,
        images,
        inputs.classes,
        methods,
        "signed",
        ["centred"],
        inputs.givens(methods),
    )
    status = {m: statuses(raw, "signed") for m, raw in sensitivity.raw["centred"].items()}
    shape = tuple(images.shape[1:])
    for (replicate, radius, samples), asked in grouped(
        evaluations, "replicate", "radius", "samples"
    ).items():
        purpose = f"max_sensitivity strict {replicate}"
        noise = (inputs.noise.symmetric(purpose, draw, shape) for draw in range(int(samples)))
        noisy = (moved(images, float(radius), sample, clip=True) for sample in noise)
        averages = average_sensitivity(sensitivity, noisy, methods_of(asked))
        for evaluation in asked:
            for method in evaluation.methods:
                values = averages[method][evaluation.setting["version"]]
                scores.add(evaluation, method, values, status[method])
    return scores
