"""A run meant for a cluster never computes on the machine that submits it."""

from pathlib import Path

import pytest

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.running import placement, snakemake_records

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """A machine where Slurm answers."""
    for name in ("sbatch", "scontrol"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


def test_a_misspelt_profile_is_refused_and_the_known_ones_are_named(tmp_path):
    with pytest.raises(FaithcamError, match=r"there is no profiles/slrum; .*profiles/slurm"):
        placement.check_profile("profiles/slrum", tmp_path, ROOT)


@pytest.mark.parametrize("name", [None, "none", "slurm", "default"])
def test_profiles_are_found_where_snakemake_finds_them(tmp_path, name):
    placement.check_profile(name, ROOT, tmp_path)
    placement.check_profile(name, tmp_path, ROOT)
    (tmp_path / "mine").mkdir()
    placement.check_profile(str(tmp_path / "mine"), ROOT, ROOT)
    placement.check_profile("mine", tmp_path, ROOT)


def test_a_login_node_computes_only_if_it_was_asked_to(cluster, monkeypatch):
    with pytest.raises(FaithcamError, match=r"run would be local.*--executor local"):
        placement.check_local(None)
    placement.check_local("local")
    placement.check_local("slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "3")  # in an allocation
    placement.check_local(None)


def test_without_a_cluster_runs_are_local(cluster):
    (cluster / "scontrol").write_text("#!/bin/sh\nexit 1\n")  # installed, but no cluster is up
    placement.check_local(None)
    (cluster / "sbatch").unlink()
    placement.check_local(None)


def test_the_submitting_machine_does_not_choose_the_nodes_device():
    with pytest.raises(FaithcamError, match="write `device: cuda`"):
        placement.check_device("slurm", "auto")
    for executor, device in (("slurm", "cuda"), ("slurm", "cpu"), ("local", "auto")):
        placement.check_device(executor, device)
    placement.check_device(None, "auto")


def test_sacct_without_accounting_is_refused(cluster):
    sacct = cluster / "sacct"
    sacct.write_text("#!/bin/sh\necho Slurm accounting storage is disabled >&2\nexit 1\n")
    sacct.chmod(0o755)
    with pytest.raises(FaithcamError, match=r"write squeue in profiles/slurm/config\.yaml"):
        placement.check_status_command("sacct")
    placement.check_status_command("squeue")
    sacct.write_text("#!/bin/sh\nexit 0\n")
    placement.check_status_command("sacct")


def test_results_of_another_version_are_refused_by_its_name(tmp_path):
    results, computed = tmp_path / "results", faithcam.__version__
    placement.check_version(results)
    (results / "another experiment" / "models").mkdir(parents=True)  # the default one's folder
    placement.check_version(results)
    placement.note_version(results)
    placement.check_version(results)
    (results / "version.txt").write_text("0.0.9\n")
    with pytest.raises(
        FaithcamError, match=rf"{results}: .*0\.0\.9, but this is faithcam {computed}; choose"
    ):
        placement.check_version(results)
    placement.note_version(results)
    assert (results / "version.txt").read_text() == "0.0.9\n"


@pytest.mark.counts("faults")
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"0.1.0\n0.2.0", None])
def test_a_version_that_is_none_is_named(tmp_path, content):
    file = tmp_path / "version.txt"
    file.mkdir() if content is None else file.write_bytes(content)
    with pytest.raises(FaithcamError, match=f"{file}: .* found, expected the version"):
        placement.check_version(tmp_path)


@pytest.mark.counts("faults")
def test_results_without_snakemakes_notes_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = Path("results") / "moved"
    placement.check_notes(results)
    results.mkdir(parents=True)
    placement.check_notes(results)
    for name in ("models.parquet", "scores.parquet"):
        (results / name).touch()
    with pytest.raises(FaithcamError, match=f"{results}: 2 tables of a run found, but in"):
        placement.check_notes(results)
    note = snakemake_records.metadata(f"{results}/scores.parquet")
    note.parent.mkdir(parents=True)
    note.touch()
    placement.check_notes(results)


@pytest.mark.parametrize("name", ["models", "scores.parquet"])
def test_results_without_a_version_are_an_earlier_one_s(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(FaithcamError, match=r"by an earlier version of faithcam, .*`results:`"):
        placement.check_version(tmp_path)
