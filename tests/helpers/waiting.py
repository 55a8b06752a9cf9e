"""Waits that end with what they wait for, however busy the machine is."""

import time

SECONDS = 600  # after which a wait is taken for one without end


def wait_for(process, condition):
    """Wait until a condition holds, while a process that is to bring it about lives."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode}, too early"
        assert time.monotonic() < deadline, f"not within {SECONDS} s"
        time.sleep(0.05)
