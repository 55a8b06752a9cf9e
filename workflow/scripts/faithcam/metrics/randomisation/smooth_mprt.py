"""Smooth MPRT: the model parameter randomisation test on maps that are averaged over noisy images.

Source: arXiv 2401.06465: the average takes the noise out of maps before they are compared. The
noise is normal and keyed, the same for all networks of a replicate; its standard deviation is a
share of the images' range, 2.
"""

from collections.abc import Sequence

from torch import Tensor

from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.randomisation.likeness import likeness_scores
from faithcam.metrics.randomisation.randomised import networks
from faithcam.models.camnet import CamNet


def smooth_maps(
    inputs: Inputs,
    methods: Sequence[str],
    nets: Sequence[CamNet],
    replicate: int,
    samples: int,
    noise: float,
) -> list[dict[str, Tensor]]:
    """Return each network's maps, averaged over the same noisy images.

    Args:
        inputs: the images.
        methods: of the maps.
        nets: the networks.
        replicate: of the noise.
        samples: noisy versions of each image.
        noise: standard deviation, as a share of the images' range.

    Returns:
        For each network (N, h, w) by method.
    """
    totals: list[dict[str, Tensor]] = [{} for _ in nets]
    for draw in range(samples):
        shape = tuple(inputs.images.shape[1:])
        normal = inputs.noise.normal(f"smooth mprt {replicate}", draw, shape)
        moved = inputs.images + 2 * noise * normal
        for network, total in zip(nets, totals, strict=True):
            for method, raw in inputs.made(methods, moved, network).items():
                total[method] = total[method] + raw if method in total else raw
    return [{method: raw / samples for method, raw in total.items()} for total in totals]


def score(
    inputs: Inputs, evaluations: Sequence[Evaluation], stages: int, samples: int, noise: float
) -> Scores:
    """Score methods that depend on the network; maps that keep their ranks score 1.

    Args:
        inputs: images, and ``standard_images``.
        evaluations: what is asked.
        stages: into which the layers are divided.
        samples: noisy versions of each image.
        noise: standard deviation, as a share of the images' range.
    """
    methods = methods_of(evaluations)
    maps = {}
    for replicate in sorted({int(evaluation.setting["replicate"]) for evaluation in evaluations}):
        nets = [inputs.network, *networks(inputs, stages, replicate)]
        maps[replicate] = smooth_maps(inputs, methods, nets, replicate, samples, noise)
    return likeness_scores(evaluations, maps)
