"""Which map does each metric prefer, by how much, and how surely?

``compare`` makes the rows of ``results/statistics.parquet`` and documents them.
"""
