"""Metrics of complexity: how few cells a map needs."""
