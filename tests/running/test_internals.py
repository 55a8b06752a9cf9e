"""The installed Snakemake has inside what ``workflow/rules/internals.smk`` takes from there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import parse_args

ROOT = Path(__file__).parents[2]
# says what it has found; its jobs fail if two run at once
SNAKEFILE = f"""
import json, threading

include: {str(ROOT / "workflow" / "rules" / "internals.smk")!r}

options = command_line() if IS_MAIN_PROCESS else None
if config.get("gpus"):
    limit_gpus(config["gpus"])

rule all:
    input: expand("{{i}}.txt", i=range(3))

rule alone:
    output: "{{i}}.txt"
    resources: gpu=1
    shell: "mkdir alone && sleep 0.3 && rmdir alone && touch {{output}}"

rule job:
    output: "job.json"
    run:
        with open(output[0], "w") as file:
            json.dump(IS_MAIN_PROCESS, file)

onstart:
    if config.get("drop"):
        drop_rate_limit()

onsuccess:
    timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
    found = {{
        "main": IS_MAIN_PROCESS,
        "started_in": str(STARTED_IN),
        "storage": ON_STORAGE,
        "executor": options.executor,
        "profile": options.workflow_profile,
        "status_command": str(options.slurm_status_command),
        "timers": len(timers),
        "limited": workflow.scheduler.job_rate_limiter is not None,
    }}
    with open("found.json", "w") as file:
        json.dump(found, file)
"""
pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
    """Run the small workflow from one folder in another; returns how it went and what it found."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)

    def run(*arguments):
        command = [sys.executable, "-m", "snakemake", "--directory", "there", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        file = tmp_path / "there" / "found.json"
        return done, json.loads(file.read_text()) if file.exists() else {}

    return run


def test_a_run_knows_its_arguments_where_it_was_started_and_that_it_is_no_job(run, tmp_path):
    profile = tmp_path / "profiles" / "mine"
    profile.mkdir(parents=True)
    (profile / "config.yaml").write_text("executor: local\nslurm-status-command: squeue\n")
    done, actual = run("job", "--workflow-profile", "mine", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert actual["executor"] == "local"
    assert actual["profile"] == "mine"
    assert actual["status_command"] == "squeue"
    assert actual["started_in"] == str(tmp_path)
    assert actual["main"] is True
    assert actual["storage"] is False
    assert json.loads((tmp_path / "there" / "job.json").read_text()) is False


def test_what_was_not_given_is_none_but_for_the_rate_limit(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = parse_args([])[1]
    assert (options.executor, options.workflow_profile) == (None, None)
    limit = options.max_jobs_per_timespan
    assert (limit.max_jobs, limit.timespan) == (100, 1)


def test_jobs_use_as_many_gpus_at_once_as_there_are_or_the_user_says(run):
    done, _ = run("--jobs", "3", "--config", "gpus=1")
    assert done.returncode == 0, done.stderr
    done, _ = run("--jobs", "3", "--config", "gpus=1", "--forceall", "--resources", "gpu=3")
    assert "Error in rule alone" in done.stderr


def test_the_rate_limit_goes_with_its_timers_but_a_user_s_stays(run):
    # where this fails, no timer is kept for each job any more, and drop_rate_limit can go
    done, actual = run("--jobs", "1", "--config", "drop=1", "--max-jobs-per-timespan", "99/1s")
    assert done.returncode == 0, done.stderr
    assert actual["limited"]
    assert actual["timers"] >= 3
    _, actual = run("--jobs", "1", "--config", "drop=1", "--forceall")
    assert not actual["limited"]
    assert actual["timers"] == 0
