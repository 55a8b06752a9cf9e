"""Archive a finished run, or verify one: behind `make archive`, `make crate` and `make verify`."""

import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from faithcam.running import snakemake_records
from faithcam.running.command import run


def outputs(files: list[str]) -> list[str]:
    """Return all files of the whole experiment, or of what is there of it.

    Leaves Python with an error if Snakemake would make some of them, or they are missing.
    """
    command = [sys.executable, "-m", "snakemake", "--summary", "--configfile", *files]
    command += ["--snakefile", str(ROOT / "Snakefile")]
    tried = []
    for more in ([], ["--config", "incomplete=True"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        if done.returncode:
            tried.append([line for line in done.stderr.splitlines() if line.strip()])
            continue
        found = snakemake_records.outputs(done.stdout)
        wrong = [(why != "missing", path, why) for path, why in found.items() if why]
        problems = [f"{path}: {why}" for _, path, why in sorted(wrong)]
        if not problems:
            return list(found)
        tried.append(problems)
    problems = min(tried, key=len)
    listed = "\n  ".join([*problems[:5], f"and {len(problems) - 5} more"][: len(problems)])
    sys.exit(
        f"error: not all files of a finished run are there:\n  {listed}\n"
        "Run again with the same config files, or `make report` for what is there; a file that "
        f"nothing needs any more is made by `snakemake --cores 1 --configfile {shlex.join(files)} "
        "-- FILE`. Then archive"
    )


if __name__ == "__main__":
    action, *files = sys.argv[1:]
    readable = all(Path(file).is_file() for file in files)  # else main says which is not
    known = outputs(files) if action != "verify" and readable else []
    run("faithcam.running.archive", sys.argv[1:], outputs=known)
