"""The experiment: its config, and the list of everything that is scored."""
