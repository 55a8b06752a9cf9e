"""A run for a cluster is not a local one by mistake, and nobody unlocks another's."""

import os
import signal
import subprocess
import sys

import pytest
from waiting import wait_for
from workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture
def login_node(tmp_path, monkeypatch):
    """A machine on which Slurm answers, as far as Snakemake can see."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "scontrol"):
        (folder / name).write_text("#!/bin/sh\nexit 0\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def snakemake(repository, *arguments):
    """Run Snakemake from the repository, as a user types it."""
    config = ["--configfile", str(repository / "config.yaml")]
    command = [sys.executable, "-m", "snakemake", "data", *config, *arguments]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_run_without_a_profile_stops_on_a_login_node(repository, tmp_path, login_node):
    code, output = snakemake(repository, "--directory", str(tmp_path / "run"), "-j2")
    assert code != 0
    assert "the run would be local" in output
    assert "Traceback" not in output
    assert not (tmp_path / "run" / "results").exists()
    # what computes nothing is not refused
    assert snakemake(repository, "--directory", str(tmp_path / "run"), "-n")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--workflow-profile profiles/slrum -j2", "there is no profiles/slrum"),
        ("--workflow-profile profiles/slurm", "device: auto found, expected cuda or cpu"),
        ("--workflow-profile slurm", "device: auto found, expected cuda or cpu"),
        ("--executor slurm --jobs 2", "device: auto found, expected cuda or cpu"),
    ],
)
def test_a_run_for_a_cluster_is_known_as_one(repository, tmp_path, login_node, arguments, words):
    code, output = snakemake(repository, "--directory", str(tmp_path / "run"), *arguments.split())
    assert code != 0
    assert words in output
    assert "Traceback" not in output
    # from wherever it is started, the profile is found
    if "slrum" not in arguments:
        options = [*arguments.split(), "-n", "--config", "device=cpu"]
        code, output = snakemake(repository, "--directory", str(tmp_path / "run"), *options)
        assert code == 0, output


def test_a_run_locked_on_another_machine_is_not_unlocked(repository, tmp_path):
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("")
    (tmp_path / ".snakemake" / "faithcam-run.json").write_text(
        '{"host": "login7", "executor": "slurm"}'
    )
    done = subprocess.run(
        [sys.executable, str(repository / "workflow" / "unlock.py")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "was started on login7 and may be running there" in done.stderr
    assert locks.exists()


@pytest.mark.counts("faults")
@pytest.mark.parametrize("content", ["", "{}", "[]", "{"])
def test_a_damaged_note_of_where_a_run_was_started_is_named(repository, tmp_path, content):
    locks = tmp_path / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").touch()
    note = tmp_path / ".snakemake" / "faithcam-run.json"
    note.write_text(content)
    command = [sys.executable, str(repository / "workflow" / "unlock.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {note}: damaged, expected where the run was started")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("snakemake -j1", True),
        ("/x/bin/python /x/bin/snakemake -j1", True),
        ("python -u -W ignore -m snakemake -j1", True),
        ("python -X importtime -m snakemake", True),
        ("python job.py snakemake", False),
        ("less /x/snakemake.log", False),
        ("python -m pytest tests/snakemake_records.py", False),
    ],
)
def test_a_snakemake_is_known_however_it_is_started(repository, command, expected):
    code = (
        f"import sys; sys.path.insert(0, {str(repository / 'workflow')!r}); import unlock; "
        f"sys.exit(unlock.is_snakemake({command.split()!r}) is not {expected})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.runs
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGHUP])  # the latter: its terminal is gone
def test_jobs_end_with_a_run_that_is_ended_alone(repository, tmp_path, by):
    workspace = Workspace(repository, tmp_path)
    process = subprocess.Popen(
        workspace.command("models"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # tests under nohup would hand on that it is ignored
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    logs = workspace.results / "logs" / "train"
    wait_for(process, lambda: any("epoch 1 " in log.read_text() for log in logs.rglob("*.log")))
    process.send_signal(by)  # to Snakemake alone: nobody tells its jobs
    assert process.wait() == -by
    there = sorted(workspace.results.rglob("weights.safetensors"))
    done = subprocess.run(
        [sys.executable, str(repository / "workflow" / "unlock.py")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "unlocked" in done.stdout
    said = [log for log in logs.rglob("*.log") if "has died" in log.read_text()]
    assert len(said) == 1
    assert sorted(workspace.results.rglob("weights.safetensors")) == there


def test_results_of_another_version_stop_before_anything_runs(repository, tmp_path):
    results = tmp_path / "run" / "results"
    results.mkdir(parents=True)
    (results / "version.txt").write_text("0.0.9\n")
    for more in ("-j1", "-n"):
        code, output = snakemake(repository, "--directory", str(tmp_path / "run"), more)
        assert code != 0
        assert "results: made by faithcam 0.0.9, but this is faithcam" in output
        assert "Traceback" not in output
    assert [path.name for path in results.iterdir()] == ["version.txt"]
