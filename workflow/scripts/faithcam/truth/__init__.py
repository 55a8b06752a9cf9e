"""What the parts of an image really contribute to a score."""
