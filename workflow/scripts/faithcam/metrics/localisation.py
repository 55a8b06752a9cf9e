"""Localisation: how much of a map lies in a mask."""
