"""Unlock the working directory if the Snakemake that locked it is dead (make targets call this)."""

import subprocess
import sys
from pathlib import Path

import psutil


def snakemake_is_alive(directory: Path) -> bool:
    """Return whether another process runs Snakemake in ``directory``."""
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            if "snakemake" in command and Path(process.cwd()) == directory:
                return True
        except (psutil.Error, OSError):
            continue
    return False


if __name__ == "__main__":
    here = Path.cwd()
    if any((here / ".snakemake" / "locks").glob("*.lock")):
        if snakemake_is_alive(here):
            sys.exit(f"error: another Snakemake is running in {here}; wait for it or stop it")
        subprocess.run([sys.executable, "-m", "snakemake", "--unlock", "--cores", "1"], check=True)
