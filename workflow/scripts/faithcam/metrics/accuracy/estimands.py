"""What the contributions of a network's cells are, by the config. Nothing here imports torch."""

from faithcam.metrics.evaluation import Config
from faithcam.metrics.networks import NetworkSpec
from faithcam.truth.estimands import ESTIMANDS, supported


def estimands_of(config: Config, network: NetworkSpec) -> list[str]:
    """Return the configured estimands that a network and its images allow; none of GAP twins."""
    if network.twin:
        return []
    volumes, renderings = bool(network.slices), network.has_renderings
    named = supported(config["truth"]["estimands"], volumes=volumes, renderings=renderings)
    if network.head == "other":  # what activations contribute is known in closed form alone
        return [name for name in named if ESTIMANDS[name].space == "pixels"]
    return named
