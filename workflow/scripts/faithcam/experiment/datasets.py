"""A config's data sets as plain values: later stages need no config for them.

Importing this module does not import torch.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from faithcam.data.definitions import is_multi_label, is_planted
from faithcam.experiment import axes


def specs(config: Mapping[str, Any]) -> dict[str, dict[str, bool]]:
    """Return what each data set is like, by name.

    Returns:
        ``nested``: each training seed draws images of its own. ``multi_label``: an image may have
        several labels. ``exempt``: its networks need no accuracy. ``control``: they are controls
        themselves. ``simulated``: its images are no patients'.
    """
    definitions = {name: config["dataset_definitions"][name] for name in config["datasets"]}
    return {
        name: {
            "nested": is_planted(definition),
            "multi_label": is_multi_label(definition),
            "exempt": axes.is_exempt(definition),
            "control": definition.get("control", "none") != "none",
            "simulated": definition["source"] == "phantom",
        }
        for name, definition in definitions.items()
    }


def plan(
    config: Mapping[str, Any], networks: Iterable[tuple[str, str, str, int]] | None = None
) -> dict[str, Any]:
    """Return what is planned: ``networks`` (data set, architecture, head, seed), and more.

    Args:
        config: the experiment's.
        networks: that were asked for; None: all that the config's axes make.

    Returns:
        ``networks``; ``metrics``: of all data sets; ``heads`` and ``metrics_of``: by data set.
    """
    asked = [list(each) for each in (axes.planned(config) if networks is None else networks)]
    return {
        "networks": asked,
        "metrics": axes.metrics(config),
        "metrics_of": {n: axes.of_dataset(config, n, "metrics") for n in config["datasets"]},
        "heads": {
            name: list(dict.fromkeys(head for dataset, _, head, _ in asked if dataset == name))
            for name in config["datasets"]
        },
    }
