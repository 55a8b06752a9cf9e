"""Fetching published images: downloads, archives, records of both."""
