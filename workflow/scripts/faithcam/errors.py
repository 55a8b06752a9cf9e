"""The one exception for problems that a user can mend."""


class FaithcamError(Exception):
    """Bad input, a missing file or a broken promise.

    The message names the file or key, what was found, what was expected and what to do. Adapters
    print it without a traceback.
    """
