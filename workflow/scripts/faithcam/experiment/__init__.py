"""What is asked: the config, and everything that is scored."""
