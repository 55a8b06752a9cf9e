"""Dose-response: heads between spatially constant and trained weights."""
