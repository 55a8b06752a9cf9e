"""Metrics of localisation: whether maps lie where masks do."""
