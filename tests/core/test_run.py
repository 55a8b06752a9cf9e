"""A job whose run has died ends, and replaces nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import SECONDS, wait_for

from faithcam.core import run
from faithcam.core.errors import FaithcamError
from faithcam.results import files

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
JOB = """
import sys, time
from types import SimpleNamespace
from faithcam.core.runtime import job
with job(SimpleNamespace(log=[sys.argv[1]], params={}, config={})):
    print("working", flush=True)
    while True:
        time.sleep(1)
"""


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_is_over_when_its_process_is_gone(monkeypatch):
    monkeypatch.setenv(run.RUN, "")
    assert not run.is_over()
    run.begin()
    assert os.environ[run.RUN].startswith(f"{os.getpid()}:")
    assert not run.is_over()
    monkeypatch.setenv(run.RUN, str(dead_process()))
    assert run.is_over()
    monkeypatch.setenv(run.RUN, "1")  # alive, perhaps another user's
    assert not run.is_over()


def test_a_process_that_was_killed_is_dead_before_anybody_has_waited_for_it(monkeypatch):
    above = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    monkeypatch.setenv(run.RUN, f"{above.pid}:{run._started(above.pid)}")
    assert not run.is_over()
    above.kill()
    try:
        os.waitid(os.P_PID, above.pid, os.WEXITED | os.WNOWAIT)  # it stays as it is
        assert run.is_over()
    finally:
        above.communicate()


def test_another_process_of_the_same_number_is_not_the_run(monkeypatch):
    monkeypatch.setenv(run.RUN, f"{os.getpid()}:{int(run._started(os.getpid())) - 1}")
    assert run.is_over()


def test_what_a_dead_run_started_replaces_no_file(tmp_path, monkeypatch):
    file = tmp_path / "table"
    file.write_text("of the next run")
    monkeypatch.setenv(run.RUN, str(dead_process()))
    refused = pytest.raises(FaithcamError, match="table: not written, the run that started")
    with refused, files.atomic_path(file) as temporary:
        temporary.write_text("of the dead run")
    assert [path.name for path in tmp_path.iterdir()] == ["table"]
    assert file.read_text() == "of the next run"


def test_a_job_ends_with_its_run(tmp_path):
    above = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    environment = {**os.environ, run.RUN: str(above.pid), "PYTHONPATH": str(SCRIPTS)}
    log = tmp_path / "log"
    job = subprocess.Popen([sys.executable, "-c", JOB, str(log)], env=environment)
    try:
        wait_for(job, lambda: log.exists() and "working" in log.read_text())
        above.kill()
        above.communicate()
        assert job.wait(SECONDS) == 1
    finally:
        job.kill()
        job.wait()
    assert "the run that started this job has died" in log.read_text()
