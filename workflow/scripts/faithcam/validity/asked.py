"""Settings that the judgments read: those of the judged metrics, and those of the truths."""

from collections.abc import Iterable

from faithcam.core.setting import Setting
from faithcam.results.declared import STRICT, THESIS, Evaluations

ORDERED = Setting.of(order="morf")  # of feature-space AOPC
SPEARMAN, RESIDUAL, TOTAL = (Setting.of(kind=kind) for kind in ("spearman", "residual", "total"))
DEAD_ZONE = Setting.of(kind="share", metric="dead_zone")


def judged(
    evaluations: Evaluations, protocol: str, dataset: str, *, exempt: bool
) -> dict[str, Setting]:
    """Return the one setting of each metric that is judged in a protocol.

    On a data set whose networks need no accuracy, strict HAAS asks whether the prediction is kept:
    a network that follows a shortcut becomes no more accurate by a faithful map.
    """
    settings = evaluations.judged_settings(evaluations.metrics(judged=True), protocol, dataset)
    if exempt and protocol == STRICT and "haas" in settings:
        settings["haas"] = kept(settings["haas"])
    return settings


def kept(haas: Setting) -> Setting:
    """Return the setting of HAAS that asks whether the prediction is kept, not whether it is right.

    Args:
        haas: that asks whether it is right.
    """
    return haas.replace(outcome="kept")


def of_gauge(setting: Setting, protocol: str) -> Setting:
    """Return a truth's setting for the maps that a protocol explains: thesis: of the raw logit."""
    return setting.replace(explained_score="logit") if protocol == THESIS else setting


def part_shapley(replicate: int, protocol: str = STRICT) -> Setting:
    """Return the setting of the parts' agreement with maps, under a texture of the decoys."""
    return of_gauge(Setting.of(replicate=replicate), protocol)


def rerendered(aopc: Setting) -> Setting:
    """Return the setting of AOPC with the perfect imputer, on the centred logit.

    Args:
        aopc: the metric's primary one.
    """
    return aopc.replace(draws=1, imputer="rerendered", output="logit")


def texts(settings: Iterable[Setting]) -> list[str]:
    """Return settings as they stand in tables."""
    return sorted(map(str, settings))
