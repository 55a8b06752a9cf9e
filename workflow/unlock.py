"""Unlock the working directory if the Snakemake that locked it is dead (make targets call this).

What the dead run has left in Slurm's queue is cancelled first.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.running import snakemake_records
from faithcam.running.placement import RUN_FILE

ENDING_SECONDS = 120  # Slurm grants a cancelled job some time to end


def snakemake_is_alive(directory: Path) -> bool:
    """Return whether a process runs Snakemake in ``directory``.

    Our own callers do not count, nor do the Snakemakes inside Slurm jobs, if they are here.
    """
    callers = {process.pid for process in psutil.Process().parents()}
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            names = [Path(part).name for part in command[:3]]
            running = "snakemake" in names and "remote" not in command
            if running and process.pid not in callers and Path(process.cwd()) == directory:
                return True
        except (psutil.Error, OSError):
            continue
    return False


def last_run(directory: Path) -> dict[str, str]:
    """Return on which host and with which executor Snakemake was last started in ``directory``."""
    file = directory / RUN_FILE
    here = {"host": socket.gethostname(), "executor": "local"}
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else here


def left_in_slurm(directory: Path) -> list[str]:
    """Return the numbers of the jobs that a Snakemake in ``directory`` has submitted to Slurm."""
    jobs = []
    for line in _ask("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%k|%Z"):
        number, comment, folder = line.split("|", 2)
        if re.match("(rule|group)_", comment) and Path(folder) == directory:
            jobs.append(number)
    return jobs


def cancel(jobs: list[str], directory: Path) -> None:
    """Cancel jobs and wait until they have ended: nothing may write beside the next run."""
    _ask("scancel", *jobs)
    deadline = time.monotonic() + ENDING_SECONDS
    while left_in_slurm(directory):
        if time.monotonic() > deadline:
            sys.exit(f"error: cancelled Slurm jobs of {directory} do not end; see squeue")
        time.sleep(1)
    print(f"cancelled {len(jobs)} jobs that a run that was killed had left in Slurm")


def _ask(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(
            f"error: {command[0]}: {done.stderr.strip()}; the run that was killed may have left "
            "jobs, which would write beside the next one: try again when Slurm answers"
        )
    return done.stdout.splitlines()


if __name__ == "__main__":
    here = Path.cwd()
    if snakemake_records.is_locked(here):
        run = last_run(here)
        if run["host"] != socket.gethostname():
            sys.exit(
                f"error: the Snakemake that locked {here} was started on {run['host']} and may be "
                "running there; go on there, or, if it is dead and squeue shows none of its jobs, "
                "run snakemake --unlock"
            )
        if snakemake_is_alive(here):
            sys.exit(f"error: another Snakemake is running in {here}; wait for it or stop it")
        if run["executor"] == "slurm" and (jobs := left_in_slurm(here)):
            cancel(jobs, here)
        # with no workflow to read: ours may stop at its config
        command = [sys.executable, "-m", "snakemake", "--unlock", "--snakefile", os.devnull]
        _ask(*command, "--workflow-profile", "none")
        print("unlocked the folder of a run that was killed; it goes on where it stopped")
