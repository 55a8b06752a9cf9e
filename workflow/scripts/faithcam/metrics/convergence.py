"""Convergence of metrics over draws and samples."""
