"""The run that a job belongs to: when it has died, its jobs end and write nothing more.

A job that outlives its run (``kill -9`` of Snakemake alone) would replace what the next has made.
"""

import contextlib
import os
import threading
import time
from pathlib import Path

RUN = "FAITHCAM_RUN"  # environment: process of the Snakemake that starts jobs, and its start
EVERY = 1.0  # seconds between two looks


def begin() -> None:
    """Note this process as the one whose jobs are started from now on."""
    os.environ[RUN] = f"{os.getpid()}:{_started(os.getpid())}"


def is_over() -> bool:
    """Return whether the run that this process belongs to has died; False where there is none."""
    process, _, started = os.environ.get(RUN, "").partition(":")
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, another user's
        pass
    return started not in ("", _started(int(process)))


def _started(process: int) -> str:
    """Return when a process was started; "dead" of one that nobody has waited for yet.

    "" where the system does not tell (no /proc).
    """
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = text.rpartition(")")[2].split()  # behind the name, which may hold anything
    return "dead" if state in "ZX" else fields[18]


def end_with_it() -> None:
    """End this process, without a word in any output, as soon as its run has died."""

    def look() -> None:
        while not is_over():
            time.sleep(EVERY)
        with contextlib.suppress(OSError, ValueError):  # a full disk, a log that is closed
            print("the run that started this job has died: the job ends, too", flush=True)
        os._exit(1)

    if os.environ.get(RUN):
        threading.Thread(target=look, daemon=True).start()
