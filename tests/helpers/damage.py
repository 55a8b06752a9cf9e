"""Ways in which a file of a finished run goes wrong, its time of change kept."""

import os
from contextlib import contextmanager


@contextmanager
def unnoticed(path):
    """Keep a file's time of change: what goes wrong on a disk leaves it, too."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    yield path.read_bytes()
    os.utime(path, ns=times)


def flip(path, neighbour):
    """Flip the lowest bit of the byte in the middle."""
    with unnoticed(path) as content:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def cut(path, neighbour):
    """Cut the last third off."""
    with unnoticed(path) as content:
        path.write_bytes(content[: len(content) * 2 // 3])


def empty(path, neighbour):
    """Leave nothing in it."""
    with unnoticed(path):
        path.write_bytes(b"")


def swap(path, neighbour):
    """Put another file's content in its place."""
    with unnoticed(path) as content:
        other = neighbour.read_bytes()
        assert other != content, f"{neighbour} is no other file"
        path.write_bytes(other)


def remove(path, neighbour):
    """Take it away."""
    path.unlink()


DAMAGES = {damage.__name__: damage for damage in (flip, cut, empty, swap, remove)}
