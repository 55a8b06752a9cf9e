"""Damage ladders: maps that are made worse step by step."""
