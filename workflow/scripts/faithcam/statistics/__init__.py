"""Comparisons of methods over networks: which map a metric prefers, by how much, how surely.

``compare`` makes the rows of ``results/statistics.parquet`` and documents them.
"""
