"""Images: what each source is, reading, drawing and fetching them, and how they are stored."""
