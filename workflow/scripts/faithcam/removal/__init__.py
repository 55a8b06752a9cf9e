"""What happens to a score when regions of an image are replaced."""
