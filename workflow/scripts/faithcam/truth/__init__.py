"""Exact contributions of the parts of an image to a score."""
