"""Metrics of randomisation: how far maps move when the network's weights are drawn anew."""
