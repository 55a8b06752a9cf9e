"""Names, directions, and which settings are primary."""

from collections.abc import Iterable, Mapping
from typing import Any

from faithcam import tables
from faithcam.metrics import registry
from faithcam.metrics.radii import thesis_radius

MODEL = [*tables.IDENTITY]
MAPS = ("hirescam", "gradcam", "cam")
PAIR = ("hirescam", "gradcam")
# the metrics that are judged
METRICS = {name: registry.METRICS[name].title for name in ("aopc", "max_sensitivity", "haas")}
COMPARED = tuple(name for name, metric in registry.METRICS.items() if metric.compared)
# wrong predictions count, too: the class explained is the predicted one, whatever the label
ALL_IMAGES = tuple(name for name, metric in registry.METRICS.items() if metric.all_images)
# effect_name of the rows that hold a paired difference itself, once per unit of inference
DIFFERENCES = ("Cohen dz", "rank-biserial", "discordant", "images that differ")


def better(metric: str, setting: str = "") -> int:
    """Return 1 if a higher score is better, -1 if a lower one is."""
    return 1 if registry.METRICS[metric].is_better_larger(setting) else -1


def primary_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the one setting of each judged metric that is primary, all of the strict protocol."""
    return {name: registry.METRICS[name].primary_setting(settings) for name in METRICS}


def further_settings(settings: Mapping[str, Any], metrics: Iterable[str]) -> dict[str, str]:
    """Return the primary setting of each of some metrics that is compared but not judged."""
    return {
        name: registry.METRICS[name].primary_setting(settings)
        for name in metrics
        if name in COMPARED and name not in METRICS
    }


def thesis_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of the thesis protocol to show beside the primary ones.

    The first region size, and the radius of :func:`faithcam.metrics.radii.thesis_radius`.
    """
    thesis = settings["max_sensitivity"]["thesis"]
    samples = dict(zip(thesis["radii"], thesis["samples"], strict=True))
    radius = thesis_radius(settings["max_sensitivity"])
    return {
        "aopc": tables.setting(
            draws=1,
            imputer="noise",
            order="morf",
            output="probability",
            region=settings["aopc"]["thesis"]["regions"][0],
        ),
        "max_sensitivity": tables.setting(
            radius=radius, samples=samples[radius], version="absolute"
        ),
        "haas": "class=label",
    }
