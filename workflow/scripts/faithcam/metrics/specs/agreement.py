"""Agreement of maps with gold: the exact contributions of the parts of an image."""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import Config, Evaluation, Passes, Role, both_draws
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Metric

STREAMS, DECOYS = 2, 6  # textures in which decoys are drawn again, and how many decoys there are


def evaluations(config: Config, network: NetworkSpec) -> Iterator[Evaluation]:
    """Yield the maps of both gauges against gold; each stream draws the decoys in another texture.

    They share the renderings: of all sets of parts, and of decoys drawn again.
    """
    parts = 3 if network.task == "shortcut" else 2
    passes = (Passes(("renderings",), 2**parts + STREAMS * DECOYS),)
    for gauge in (Setting(), Setting.of(gauge="logit")):
        role: Role = "variant" if "gauge" in gauge else "primary"
        evaluation = Evaluation("agreement", "strict", gauge, network.everything, role)
        yield from both_draws(evaluation, lambda stream: passes)


METRIC = Metric(
    "Agreement with gold",
    larger_is_better=True,
    source="docs/validity.md",
    range=(-1, 1),
    evaluations=evaluations,
    needs=("renderings",),
    uses=("part_masks",),
    tables=("gold",),
    all_images=True,
)
