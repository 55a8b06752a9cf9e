"""Ranks of the cells of maps, see :mod:`faithcam.core.ranks`."""

from faithcam.core.ranks import ranks, spearman

__all__ = ["ranks", "spearman"]
