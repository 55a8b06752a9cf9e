"""Model parameter randomisation test: how like its map is a network's with new weights.

Source: arXiv 1810.03292: layers are re-initialised from the last to the first, and a map that stays
the same does not depend on what they learned. Likeness is Spearman's rank correlation over native
cells. All images and methods of a network share its random weights, which are drawn twice: once for
the score, once for the noise floor.
"""

from collections.abc import Sequence

from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.randomisation.likeness import likeness_scores
from faithcam.metrics.randomisation.randomised import networks


def score(inputs: Inputs, evaluations: Sequence[Evaluation], stages: int) -> Scores:
    """Score all methods; a map that keeps its ranks whatever the weights scores 1.

    Args:
        inputs: images, and ``standard_images``.
        evaluations: what is asked.
        stages: into which the layers are divided.
    """
    methods, images = methods_of(evaluations), inputs.images
    trained = inputs.made(methods, images)
    maps = {
        replicate: [
            trained,
            *(inputs.made(methods, images, new) for new in networks(inputs, stages, replicate)),
        ]
        for replicate in sorted(
            {int(evaluation.setting["replicate"]) for evaluation in evaluations}
        )
    }
    return likeness_scores(evaluations, maps)
