"""Names, directions, and which settings are primary."""

from collections.abc import Mapping
from typing import Any

from faithcam import tables
from faithcam.metrics import registry
from faithcam.metrics.radii import thesis_radius

MODEL = [*tables.IDENTITY]
MAPS = ("hirescam", "gradcam", "cam")
PAIR = ("hirescam", "gradcam")
# the metrics that are judged, and those whose answer is known beforehand
METRICS = {name: registry.METRICS[name].title for name in ("aopc", "max_sensitivity", "haas")}
TRUTHS = {
    name: registry.METRICS[name].title for name in ("feature_aopc", "agreement", "localisation")
}
# wrong predictions count, too: the class explained is the predicted one, whatever the label
ALL_IMAGES = ("haas", "feature_aopc", "agreement")
# effect_name of the rows that hold a paired difference itself, once per unit of inference
DIFFERENCES = ("Cohen dz", "rank-biserial", "discordant", "images that differ")


def better(metric: str, setting: str = "") -> int:
    """Return 1 if a higher score is better, -1 if a lower one is."""
    higher = registry.METRICS[metric].larger_is_better != ("order=lerf" in setting.split(";"))
    return 1 if higher else -1


def primary_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the one setting of each judged metric that is primary, all of the strict protocol."""
    aopc, sensitivity = settings["aopc"]["strict"], settings["max_sensitivity"]["strict"]
    imputer = aopc["imputers"][0]
    return {
        "aopc": tables.setting(
            draws=aopc["draws"] if imputer == "noise" else 1,
            imputer=imputer,
            order="morf",
            output="probability",
            region=aopc["regions"][0],
            stream=0,
        ),
        "max_sensitivity": tables.setting(
            radius=float(sensitivity["primary_radius"]),
            samples=sensitivity["samples"],
            stream=0,
            version="relative",
        ),
        "haas": "class=predicted",
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
