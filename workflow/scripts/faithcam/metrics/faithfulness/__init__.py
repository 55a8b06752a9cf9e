"""Metrics of faithfulness: what the network says when what a map marks is removed or amplified."""
