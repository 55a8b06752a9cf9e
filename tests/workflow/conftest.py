"""A copy of the repository's workflow and one finished run of the tiny experiment."""

import pytest
from workspace import Workspace, copy_repository


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    return copy_repository(tmp_path_factory.mktemp("copy") / "repository")


@pytest.fixture(scope="session")
def finished(repository, tmp_path_factory):
    """The tiny experiment, run once on one core. Tests must leave it as they found it."""
    workspace = Workspace(repository, tmp_path_factory.mktemp("finished"))
    done = workspace.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace
