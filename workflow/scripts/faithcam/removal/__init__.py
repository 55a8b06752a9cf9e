"""Scores of images whose regions are replaced one after another."""
