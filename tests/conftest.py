"""Tests run side by side: each process computes with one thread. Fixtures of whole runs.

Tests marked ``counts`` are counted by their kind in a line at the end of `make test-faults`.
"""

import shutil

import pytest
import torch
from counting import line
from filelock import FileLock
from workspace import Workspace, copy_repository

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    return copy_repository(tmp_path_factory.mktemp("copy") / "repository")


@pytest.fixture(scope="session")
def finished(repository, tmp_path_factory):
    """The tiny experiment, run once on one core. Tests must leave it as they found it.

    Of tests that run side by side, the first process that needs it runs it, the others copy it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    whole = shared / "tiny"
    with FileLock(shared / "tiny.lock"):
        if not whole.exists():
            workspace = Workspace(repository, shared / "running")
            done = workspace.run("--skip-script-cleanup")  # tests of faults run them again
            assert done.returncode == 0, done.stdout + done.stderr
            workspace.directory.rename(whole)
    replica = Workspace(repository, base / "finished")
    shutil.copytree(whole, replica.directory)
    return replica


def pytest_itemcollected(item):
    if mark := item.get_closest_marker("counts"):
        item.user_properties.append(("counts", mark.args[0]))


@pytest.fixture
def answers(record_property):
    """Counts what is said of configs, "" of an accepted one; a test without is one refusal."""
    counts = [0, 0]
    record_property("answers", counts)  # of the report, which is made before this fixture ends

    def count(said):
        counts[not said] += 1
        return said

    return count


def pytest_terminal_summary(terminalreporter):
    if "faults" in terminalreporter.config.option.markexpr.split(" or "):
        stats = terminalreporter.stats
        reports = [r for key in ("passed", "failed", "error") for r in stats.get(key, [])]
        terminalreporter.write_sep("=", "counts")
        terminalreporter.write_line(line(reports))
