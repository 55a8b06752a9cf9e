"""Tests run side by side: each process computes with one thread. Fixtures of whole runs."""

import shutil

import pytest
import torch
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
            done = workspace.run()
            assert done.returncode == 0, done.stdout + done.stderr
            workspace.directory.rename(whole)
    replica = Workspace(repository, base / "finished")
    shutil.copytree(whole, replica.directory)
    return replica
