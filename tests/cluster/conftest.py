"""A cluster, and the bytes that a small experiment gives on this machine without any fault."""

import os
import shutil

import pytest
import slurm
from small import Experiment


@pytest.fixture(scope="session")
def cluster():
    if reason := slurm.missing():
        if os.environ.get("CLUSTER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    with slurm.Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def reference(cluster, tmp_path_factory):
    """The whole experiment on this machine alone. Tests must leave it as they found it."""
    experiment = Experiment(tmp_path_factory.mktemp("reference"))
    experiment.finish(experiment.start(cluster=False))
    return experiment


@pytest.fixture
def experiment(cluster, reference, tmp_path):
    """A copy of the finished experiment, to lose a part of and to make it again."""
    shutil.copytree(reference.directory, tmp_path, dirs_exist_ok=True)
    (tmp_path / "said.txt").unlink()
    yield from cleared(cluster, Experiment(tmp_path))


@pytest.fixture
def fresh(cluster, tmp_path):
    """The experiment, to be run from the start."""
    yield from cleared(cluster, Experiment(tmp_path))


def cleared(cluster, experiment):
    """Yield the experiment; a test that fails must not leave jobs to the next one."""
    yield experiment
    experiment.stop()
    cluster.cancel(experiment.directory)
