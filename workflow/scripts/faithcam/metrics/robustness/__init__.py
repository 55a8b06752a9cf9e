"""Metrics of robustness: how far maps move when images move a little."""
