"""Experiments on metrics: what they say of maps, heads and draws whose order is known."""
