"""Max-Sensitivity: how much a map can change when the image is moved a little.

It measures stability, not faithfulness. Source: arXiv 1901.09392, eq. 8.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from faithcam.core.explained import ExplainedScore
from faithcam.core.views import View, statuses
from faithcam.maps.explain import Explainable
from faithcam.metrics.evaluation import Evaluation, grouped, methods_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.robustness.sensitivity import Sensitivity, moved

PREDICTION = "prediction"  # in place of a map's name


@torch.no_grad()
def max_sensitivity(
    model: Explainable,
    images: Tensor,
    classes: Tensor,
    methods: Sequence[str],
    radius: float,
    unit_noise: Tensor | Iterable[Tensor],
    view: View = "scaled",
    *,
    clip: bool = False,
    explained_score: ExplainedScore = "logit",
) -> dict[str, dict[str, Tensor]]:
    """Return max_s norm2(view(x + r u_s) - view(x)) of every method.

    Args:
        model: see :class:`faithcam.metrics.robustness.sensitivity.Sensitivity`, as the other
            arguments not named here.
        images: see there.
        classes: see there.
        methods: see there.
        radius: r.
        unit_noise: u_s in [-1, 1]: the samples in the second dimension of one tensor, e.g. (N,
            samples, C, H, W), or tensors like the images, one at a time.
        view: see there.
        clip: whether x + r u_s is clipped to [-1, 1].
        explained_score: see there.

    Returns:
        For each method, (N,) float64 each: ``absolute``; ``relative``, divided by norm2(view(x)),
        NaN if that is 0; ``rank``, max_s (1 - Spearman), for the signed view only; ``flips``, the
        share of samples that change the prediction (the same for all methods).

    Raises:
        ValueError: if the view is unknown, there is no sample, or one has not the images' shape.
    """
    samples = list(unit_noise.unbind(1)) if isinstance(unit_noise, Tensor) else unit_noise
    sensitivity = Sensitivity(model, images, classes, methods, view, [explained_score])
    count = 0
    for noise in samples:
        if noise.shape != images.shape:
            raise ValueError(
                f"unit_noise: a sample of shape {tuple(noise.shape)} found, expected "
                f"{tuple(images.shape)}"
            )
        sensitivity.add("", moved(images, radius, noise, clip=clip), {explained_score: methods})
        count += 1
    if not count:
        raise ValueError("unit_noise: no sample found, expected at least one")
    flips = sensitivity.flips("")
    return {
        m: {**versions, "flips": flips}
        for m, versions in sensitivity.worst("", explained_score).items()
    }


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods, in both protocols.

    Args:
        inputs: images and noise; the thesis protocol explains the labels.
        evaluations: what is asked; of ``prediction`` the share of samples that change the answer.
    """
    scores = Scores()
    labels = inputs.classes if inputs.labels is None else inputs.labels
    _score(inputs, labels, "scaled", [e for e in evaluations if e.protocol == "thesis"], scores)
    strict = [e for e in evaluations if e.protocol == "strict"]
    _score(inputs, inputs.classes, "signed", strict, scores)
    return scores


def _score(
    inputs: Inputs, classes: Tensor, view: View, asked: Sequence[Evaluation], scores: Scores
) -> None:
    """Add the scores of one protocol."""
    if not asked:
        return
    methods = [name for name in methods_of(asked) if name != PREDICTION]
    explained_scores = list(
        dict.fromkeys(_explained_score(inputs, evaluation) for evaluation in asked)
    )
    sensitivity = Sensitivity(
        inputs.network,
        inputs.images,
        classes,
        methods,
        view,
        explained_scores,
        inputs.givens(methods),
        multi_label=inputs.multi_label,
    )
    runs = grouped(asked, "replicate", "radius", "samples")
    _add_samples(inputs, sensitivity, runs)
    for run, of_run in runs.items():
        for evaluation in of_run:
            explained_score, version = (
                _explained_score(inputs, evaluation),
                evaluation.setting["version"],
            )
            if version == "flips":
                scores.add(evaluation, PREDICTION, sensitivity.flips(run))
                continue
            worst = sensitivity.worst(run, explained_score)
            for method in evaluation.methods:
                status = statuses(sensitivity.raw[explained_score][method], view)
                scores.add(evaluation, method, worst[method][version], status)


def _add_samples(
    inputs: Inputs,
    sensitivity: Sensitivity,
    runs: dict[tuple[str, ...], list[Evaluation]],
) -> None:
    """Compare all noisy images; all radii of a replicate move the images in the same direction."""
    for draw in range(max(int(samples) for _, _, samples in runs)):
        noise: dict[str, Tensor] = {}
        for run, asked in runs.items():
            replicate, radius, samples = run
            if draw >= int(samples):
                continue
            # the published protocol has no streams: each radius has noise of its own
            of = f"strict {replicate}" if replicate else f"thesis {radius}"
            if of not in noise:
                shape = tuple(inputs.images.shape[1:])
                noise[of] = inputs.noise.symmetric(f"max_sensitivity {of}", draw, shape)
            noisy = moved(inputs.images, float(radius), noise[of], clip=bool(replicate))
            sensitivity.add(run, noisy, _compared(inputs, asked))


def _compared(inputs: Inputs, asked: Sequence[Evaluation]) -> dict[ExplainedScore, list[str]]:
    """Return whose maps are compared, by explained score."""
    by_score: dict[ExplainedScore, list[Evaluation]] = {}
    for evaluation in asked:
        if evaluation.setting["version"] != "flips":
            by_score.setdefault(_explained_score(inputs, evaluation), []).append(evaluation)
    return {explained_score: methods_of(part) for explained_score, part in by_score.items()}


def _explained_score(inputs: Inputs, evaluation: Evaluation) -> ExplainedScore:
    """Return the score explained; independent labels have but one, the logit."""
    raw = (
        evaluation.protocol == "thesis"
        or "explained_score" in evaluation.setting
        or inputs.multi_label
    )
    return "logit" if raw else "centred"
