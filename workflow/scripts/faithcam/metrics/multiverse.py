"""AOPC of both maps in all declared specifications."""
