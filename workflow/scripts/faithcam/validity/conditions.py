"""Conditions under which a control decides anything."""

import numpy as np

from faithcam.validity import ladder, laws, preferences, similarity
from faithcam.validity.case import Case
from faithcam.validity.control import Condition


def unlike(method: str) -> Condition:
    """Decide only where HiResCAM and the other map differ enough, and the other is not better.

    In feature space no map is better; for the parts of the image one may be.
    """
    name = f"Spearman(HiResCAM, {method})"

    def condition(case: Case) -> tuple[str, str]:
        measured = similarity.to(method)(case)
        most = case.settings["validity"]["informative_below"]
        if preferences.perfect_advantage(case, method, "hirescam").low > 0:
            return f"not informative: {method} is better with the perfect imputer", ""
        if not measured or np.isnan(measured[0].estimate.estimate):
            return "", f"{name} is not known"
        value = measured[0].estimate.estimate
        if value >= most:
            return f"not informative: {name} = {value:.2f}, not below {most:g}", ""
        return "", f"{name} = {value:.2f}"

    return condition


def sham_is_worse(case: Case) -> tuple[str, str]:
    """Decide only where no truth says that the sham is better than Grad-CAM, and :func:`unlike`."""
    truths = {
        "in feature space": laws.feature_advantage,
        "with the perfect imputer": preferences.perfect_advantage,
    }
    for name, advantage in truths.items():
        if advantage(case, "sham", "gradcam").low > 0:
            return f"not informative: the sham is better than Grad-CAM {name}", ""
    return unlike("sham")(case)


def advantage_to_lose(case: Case) -> tuple[str, str]:
    """Decide only where HiResCAM is preferred, and is better in feature space when smoothed."""
    smooth = laws.feature_advantage(case, "hirescam_as_smooth_as_gradcam", "gradcam")
    if not smooth.low > 0:
        return "the advantage in feature space did not survive the smoothing", ""
    if not case.difference("hirescam", "gradcam").low > 0:
        return "the metric does not prefer HiResCAM to Grad-CAM in the first place", ""
    return "", "the advantage in feature space survived the smoothing"


def enough_draws(name: str) -> Condition:
    """Decide only with enough keyed damages per step."""

    def condition(case: Case) -> tuple[str, str]:
        count = ladder.draws(case, name)
        few = count < ladder.FEWEST_DRAWS
        return f"{count} draws, fewer than {ladder.FEWEST_DRAWS}" if few else "", ""

    return condition
