"""Specs of the metrics: a file each, none of which imports torch."""
