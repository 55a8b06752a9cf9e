"""Names of estimands in texts, and their order."""

from typing import Any

from faithcam.truth.estimands import ESTIMANDS


def estimand_name(name: str) -> str:
    """Return an estimand's name in texts: what an absent cell shows."""
    return ESTIMANDS[name].title if name in ESTIMANDS else name.replace("_", " ")


def in_order(estimands: Any) -> list[str]:
    """Return estimands, each once, in the order of their declarations."""
    rank = {name: place for place, name in enumerate(ESTIMANDS)}
    return sorted(set(estimands), key=lambda name: (rank.get(name, len(rank)), name))
