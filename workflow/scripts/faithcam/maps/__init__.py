"""Explanation maps: from a network and images to one number per cell."""
