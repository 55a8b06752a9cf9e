"""Networks whose layers become new in stages: what metrics declare that compare maps with theirs.

Nothing here imports torch: the workflow asks while it reads its rules.
"""

from collections.abc import Iterator

from faithcam.core.setting import Setting
from faithcam.metrics.evaluation import STANDARD, Config, Evaluation, Passes, both_draws
from faithcam.metrics.networks import NetworkSpec


def asked(
    network: NetworkSpec, methods: tuple[str, ...], stage: int, replicate: int, images: int = 1
) -> tuple[Passes, ...]:
    """Return the passes for the maps of a network after one stage.

    Args:
        network: as trained.
        methods: of the maps.
        stage: of randomisation; 0 for the trained network.
        replicate: of the new weights, or of the images' noise.
        images: versions of an image that are explained.
    """
    maps = images * (1 + network.passes_of_maps(methods))
    which = (stage, replicate) if stage else ()
    passes = (
        Passes(("maps", stage, replicate), maps),
        Passes(("mean activations", *which), network.passes_of_mean(methods), once=True),
    )
    if not stage:
        return passes
    standard = min(network.val_images or STANDARD, STANDARD)
    return *passes, Passes(("standardised", *which), standard, once=True)


def evaluations(
    metric: str, config: Config, network: NetworkSpec, methods: tuple[str, ...], samples: int = 0
) -> Iterator[Evaluation]:
    """Yield the mean over stages in both streams; of the first one every stage.

    Single stages leave controls out, unless all evaluations are judged.

    Args:
        metric: its name.
        config: of the experiment: how many stages, ``mprt.stages``, and what is judged.
        network: as trained.
        methods: of the maps.
        samples: noisy images of each replicate that are explained; 0 for the image itself.
    """
    stages, judged = int(config["mprt"]["stages"]), network.judged_methods(config)

    def passes(replicate: int, *numbers: int) -> tuple[Passes, ...]:
        trained = asked(network, methods, 0, replicate if samples else 0, samples or 1)
        new = [asked(network, methods, number, replicate, samples or 1) for number in numbers]
        return sum(new, trained)

    mean = Evaluation(metric, "strict", Setting.of(stage="mean"), methods, "primary")
    yield from both_draws(mean, lambda replicate: passes(replicate, *range(1, stages + 1)))
    main = tuple(name for name in methods if name in judged)
    for stage in range(1, stages + 1):
        setting = Setting.of(stage=stage, replicate=0)
        yield Evaluation(metric, "strict", setting, main, passes=passes(0, stage))
