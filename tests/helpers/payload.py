"""A pickle that shows when it is loaded."""


class Payload:
    """Whoever unpickles it makes a file named owned in the working directory."""

    def __reduce__(self):
        return open, ("owned", "w")
