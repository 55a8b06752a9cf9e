"""Metrics: from maps to scores."""
