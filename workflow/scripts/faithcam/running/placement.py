"""Guards against a run in the wrong place, for the process that starts a workflow."""

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.results.files import atomic_path
from faithcam.running import snakemake_records

RUN_FILE = snakemake_records.FOLDER / "faithcam-run.json"
VERSION_FILE = "version.txt"  # in the results folder


def check_local(executor: str | None) -> None:
    """Refuse to compute on the login node of a Slurm cluster, unless that was asked for.

    Args:
        executor: the one that was chosen, None if none was (Snakemake then runs locally).

    Raises:
        FaithcamError: if none was and a cluster answers. A run inside an allocation (salloc, srun)
            is where it should be.
    """
    if executor is None and "SLURM_JOB_ID" not in os.environ and slurm_answers():
        raise FaithcamError(
            "this machine submits to a Slurm cluster, but the run would be local: no profile with "
            "executor: slurm is in use. Submit the jobs with --workflow-profile profiles/slurm, or "
            "add --executor local to compute on this machine"
        )


def check_device(executor: str | None, device: str) -> None:
    """Refuse a device that the submitting machine would choose for the nodes of a cluster.

    Args:
        executor: see :func:`check_local`.
        device: the config's.

    Raises:
        FaithcamError: saying what to choose.
    """
    if executor not in (None, "local") and device == "auto":
        raise FaithcamError(
            "device: auto found, expected cuda or cpu for a run on a cluster, whose nodes are not "
            "this machine; write `device: cuda` (one GPU per job) or `device: cpu` in the config "
            "file: jobs are cut by it"
        )


def check_profile(name: str | None, started_in: Path, workflow_folder: Path) -> None:
    """Refuse a workflow profile that is not there: Snakemake would go on without it, locally.

    Args:
        name: what ``--workflow-profile`` was given.
        started_in: the folder Snakemake was started in.
        workflow_folder: of the Snakefile.

    Raises:
        FaithcamError: naming the profile and those there are.
    """
    if name is None or name == "none":
        return
    places = (started_in, started_in / "profiles", workflow_folder / "profiles")
    if not any((place / name).exists() for place in places):
        known = sorted({path.parent.name for path in workflow_folder.glob("profiles/*/config*")})
        raise FaithcamError(
            f"--workflow-profile: there is no {name}; expected "
            + " or ".join(f"profiles/{profile}" for profile in known)
            + ", or the folder of a profile of your own"
        )


def check_version(results: Path) -> None:
    """Refuse results of another version of faithcam: a run would mix its files with ours.

    Args:
        results: their folder, which need not exist.

    Raises:
        FaithcamError: naming both versions.
    """
    record = results / VERSION_FILE
    if record.exists():
        version = record.read_bytes().decode("utf-8", "replace").strip() if record.is_file() else ""
        if not re.fullmatch(r"\d+(\.\w+)+", version):
            raise FaithcamError(
                f"{record}: {version!r} found, expected the version of faithcam that made "
                f"{results}; write it there, or choose another folder (results: …)"
            )
        maker = f"faithcam {version}"
    elif any((results / name).exists() for name in ("models", "scores.parquet")):
        maker = "an earlier version of faithcam"
    else:
        return
    if maker != (here := f"faithcam {faithcam.__version__}"):
        raise FaithcamError(
            f"{results}: made by {maker}, but this is {here}; choose "
            "another folder (`results:` in the config file), or go on with that version"
        )


def note_version(results: Path) -> None:
    """Write down in a results folder which version of faithcam makes it, if nothing says so yet."""
    record = results / VERSION_FILE
    if not record.exists():
        with atomic_path(record) as temporary:
            temporary.write_text(f"{faithcam.__version__}\n", encoding="utf-8")


def check_notes(results: Path) -> None:
    """Refuse results without what Snakemake has noted of them: it would not see what has changed.

    Args:
        results: their folder, relative to the working directory.

    Raises:
        FaithcamError: if there are tables of a run, and no notes of any.
    """
    there = [path.as_posix() for path in sorted(results.glob("*.parquet"))]
    if there and not any(snakemake_records.metadata(path).is_file() for path in there):
        raise FaithcamError(
            f"{results}: {len(there)} tables of a run found, but in {snakemake_records.FOLDER} no "
            "notes of how they were made, so that a change of config, code or data would not be "
            "seen; bring its folder metadata along, unpack an archive of the run (make archive), "
            "or choose another folder (results: …)"
        )


def check_status_command(name: str | None) -> None:
    """Refuse to ask an accounting database that is not there: Snakemake would wait for ever.

    Args:
        name: the profile's ``slurm-status-command``.

    Raises:
        FaithcamError: saying what to choose.
    """
    if name == "sacct":
        command = ["sacct", "--allocations", "--noheader", "--starttime=now"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "disabled" in done.stderr:
            raise FaithcamError(
                f"slurm-status-command: sacct found, but sacct says {done.stderr.strip()!r}; write "
                "squeue in profiles/slurm/config.yaml, or give --slurm-status-command squeue"
            )


def note_run(executor: str | None) -> None:
    """Write down where a workflow runs: Snakemake's locks do not say it.

    Args:
        executor: see :func:`check_local`.
    """
    with atomic_path(RUN_FILE) as temporary:
        record = {"host": socket.gethostname(), "executor": executor or "local"}
        temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")


def slurm_answers() -> bool:
    """Return whether this machine can submit jobs; a controller that is slow to answer counts."""
    if shutil.which("sbatch") is None or shutil.which("scontrol") is None:
        return False
    try:
        done = subprocess.run(["scontrol", "ping"], capture_output=True, check=False, timeout=10)
    except subprocess.TimeoutExpired:
        return True
    except OSError:
        return False
    return done.returncode == 0
