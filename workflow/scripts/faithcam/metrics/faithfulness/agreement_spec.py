"""Agreement of maps with Shapley values of parts: what the parts of an image contribute."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.data.dataset import DECOYS, TEXTURES
from faithcam.metrics.evaluation import Config, Evaluation, Passes, Role, both_draws
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the maps of both explained scores; each replicate draws the decoys in another texture.

    They share the renderings: of all sets of parts, and of decoys drawn again.
    """
    parts = 3 if network.task == "shortcut" else 2
    passes = (Passes(("renderings",), 2**parts + TEXTURES * DECOYS),)
    for explained_score in (Setting(), Setting.of(explained_score="logit")):
        role: Role = "variant" if "explained_score" in explained_score else "primary"
        evaluation = Evaluation("agreement", "strict", explained_score, network.everything, role)
        yield from both_draws(evaluation, lambda replicate: passes)


METRIC = Metric(
    "Agreement with Shapley values of parts",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    evaluations=evaluations,
    needs=("renderings",),
    uses=("part_masks",),
    tables=("part_shapley",),
    all_images=True,
)
