"""The answer, the page and its tables, in words."""
