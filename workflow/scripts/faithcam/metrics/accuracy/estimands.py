"""What the contributions of a network's cells are, by the config. Nothing here imports torch."""

from faithcam.metrics.evaluation import Config
from faithcam.metrics.networks import NetworkSpec
from faithcam.truth.estimands import supported


def estimands_of(config: Config, network: NetworkSpec) -> list[str]:
    """Return the configured estimands that a network's images allow; none of GAP twins."""
    if network.twin:
        return []
    volumes, renderings = bool(network.slices), network.has_renderings
    return supported(config["truth"]["estimands"], volumes=volumes, renderings=renderings)
