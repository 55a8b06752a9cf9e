"""Agreement of maps with gold: the exact contributions of the parts of an image."""
