"""Metrics of accuracy: how near a map is to the truth, and what needs no network to be near it."""
