"""Tables and files: written, named, hashed, collected and read again."""
