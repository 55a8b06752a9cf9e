"""Unlock the working directory if the Snakemake that locked it is dead (make targets call this)."""

import shutil
import sys
from pathlib import Path

import psutil


def snakemake_is_alive(directory: Path) -> bool:
    """Return whether a process runs Snakemake in ``directory``; our own callers do not count."""
    callers = {process.pid for process in psutil.Process().parents()}
    for process in psutil.process_iter():
        try:
            names = [Path(part).name for part in process.cmdline()[:3]]
            running = "snakemake" in names and process.pid not in callers
            if running and Path(process.cwd()) == directory:
                return True
        except (psutil.Error, OSError):
            continue
    return False


if __name__ == "__main__":
    locks = Path.cwd() / ".snakemake" / "locks"
    if any(locks.glob("*.lock")):
        if snakemake_is_alive(Path.cwd()):
            sys.exit(f"error: another Snakemake is running in {Path.cwd()}; wait for it or stop it")
        # what `snakemake --unlock` does, without reading the workflow
        shutil.rmtree(locks)
        print("unlocked the folder of a run that was killed; it goes on where it stopped")
