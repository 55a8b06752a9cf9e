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
            running = is_snakemake(command) and "remote" not in command
            if running and process.pid not in callers and Path(process.cwd()) == directory:
                return True
        except (psutil.Error, OSError):
            continue
    return False


def is_snakemake(command: list[str]) -> bool:
    """Return whether a command line starts Snakemake: ``-m snakemake``, or a file of that name."""
    before = ["", *command]
    return any(
        Path(part).name == "snakemake" and (option in ("", "-m") or os.sep in part)
        for option, part in zip(before, command, strict=False)
    )


def jobs_of(directory: Path) -> list[int]:
    """Return the processes of local jobs that a Snakemake in ``directory`` has started."""
    scripts, jobs = str(snakemake_records.scripts(directory)), []
    for process in psutil.process_iter():
        try:
            if any(part.startswith(scripts) for part in process.cmdline()):
                jobs.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return jobs


def wait_for_jobs(directory: Path) -> None:
    """Wait until the jobs of a dead run have ended, as they do by themselves within seconds."""
    deadline = time.monotonic() + ENDING_SECONDS
    while jobs := jobs_of(directory):
        if time.monotonic() > deadline:
            sys.exit(
                f"error: jobs of the run that was killed do not end (processes {jobs}) and would "
                "write beside the next run; end them, then try again"
            )
        time.sleep(0.5)


def last_run(directory: Path) -> dict[str, str]:
    """Return on which host and with which executor Snakemake was last started in ``directory``."""
    file = directory / RUN_FILE
    here = {"host": socket.gethostname(), "executor": "local"}
    if not file.is_file():
        return here
    try:
        noted = json.loads(file.read_text(encoding="utf-8"))
        return {name: str(noted[name]) for name in here}
    except (OSError, ValueError, KeyError, TypeError):
        sys.exit(
            f"error: {file}: damaged, expected where the run was started that locked {directory}; "
            "if it is dead and has no jobs left, delete this file and try again"
        )


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
        wait_for_jobs(here)
        # with no workflow to read: ours may stop at its config
        command = [sys.executable, "-m", "snakemake", "--unlock", "--snakefile", os.devnull]
        _ask(*command, "--workflow-profile", "none")
        print("unlocked the folder of a run that was killed; it goes on where it stopped")
