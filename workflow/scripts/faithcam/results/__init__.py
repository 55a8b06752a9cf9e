"""How tables and files are written, named, hashed, collected and read again."""
