"""Archive a finished run, or verify one: the command behind `make archive` and `make verify`."""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scripts"))

from faithcam.running import snakemake_records
from faithcam.running.command import run


def is_up_to_date(files: list[str]) -> bool:
    """Return whether Snakemake would run nothing, of the whole experiment or of what is there."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", *files]
    command += ["--snakefile", str(Path(__file__).parents[1] / "Snakefile")]
    for more in ([], ["--config", "incomplete=True"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        if snakemake_records.is_up_to_date(done.stdout + done.stderr):
            return True
    return False


if __name__ == "__main__":
    action, *files = sys.argv[1:]
    readable = all(Path(file).is_file() for file in files)  # else main says which is not
    if action == "archive" and readable and not is_up_to_date(files):
        sys.exit(
            "error: files are missing, older than what they were made from, or changed; "
            "`snakemake -n` with the same config files says which jobs would run: run them, or "
            "`make report` for what is there, then archive"
        )
    run("faithcam.running.archive", sys.argv[1:])
