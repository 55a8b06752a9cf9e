"""A crate describes a finished run: every file is there, hashed, and has the part that it says."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import mergeable
import pytest
from put import put

from faithcam.core.errors import FaithcamError
from faithcam.running import archive, manifest, snakemake_records
from faithcam.running import crate as crating

RESULTS = "results/small"
LIBRARIES = {"snakemake": "9.27.1", "torch": "2.13.0", "timm": "not installed"}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A working directory with a finished run in it; returns the run's config."""
    monkeypatch.chdir(tmp_path)
    record = {"libraries": LIBRARIES, "gpu": "none", "processor": "EPYC"}
    mergeable.write_run(Path(RESULTS), [0], record=record, results=RESULTS)
    put(Path(RESULTS, "report.html"), "<p>")
    for name, begun in (("scores.parquet", 1000.5), ("report.html", 2000.25)):
        path = snakemake_records.metadata(f"{RESULTS}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"starttime": begun, "endtime": begun + 60}))
    return mergeable.config(seeds=[0], results=RESULTS)


@pytest.fixture
def crate():
    """The function that writes a crate, where what it needs is installed."""
    pytest.importorskip("rocrate", reason="needs requirements-crate.txt")
    from faithcam.running.crate import crate

    return crate


@pytest.fixture
def opened(config, crate):
    """The crate of the run: all its files, and the entities that it names, by their names."""
    crate(config)
    with zipfile.ZipFile(f"{RESULTS}.crate.zip") as file:
        files = {name: file.read(name) for name in file.namelist()}
    metadata = json.loads(files["ro-crate-metadata.json"])
    entities = {entity["@id"]: entity for entity in metadata["@graph"]}
    assert len(entities) == len(metadata["@graph"])
    return files, entities


def kinds(entity):
    kind = entity["@type"]
    return {kind} if isinstance(kind, str) else {*kind}


def named(value):
    return {each["@id"] for each in (value if isinstance(value, list) else [value])}


def test_every_file_that_is_named_is_there_with_its_hash_and_size(opened):
    files, entities = opened
    described = {name: e for name, e in entities.items() if "File" in kinds(e)}
    assert len(described) > 10
    for name, entity in described.items():
        assert entity["sha256"] == hashlib.sha256(files[name]).hexdigest(), name
        assert entity["contentSize"] == str(len(files[name])), name
    folders = {n for n, e in entities.items() if "Dataset" in kinds(e)} - {"./"}
    assert folders == {f"{RESULTS}/data/"}
    assert all(any(file.startswith(name) for file in files) for name in folders)
    assert named(entities["./"]["hasPart"]) == {*described, *folders}


def test_it_has_what_the_profile_of_workflow_runs_asks_for(opened):
    _, entities = opened
    root, descriptor = entities["./"], entities["ro-crate-metadata.json"]
    assert descriptor["about"] == {"@id": "./"}
    assert "https://w3id.org/ro/crate/1.1" in named(descriptor["conformsTo"])
    profiles = named(root["conformsTo"])
    assert {p.rsplit("/", 2)[1] for p in profiles} == {"process", "workflow", "workflow-ro-crate"}
    assert all("CreativeWork" in kinds(entities[profile]) for profile in profiles)
    assert root["datePublished"]
    assert root["license"]
    main = entities[root["mainEntity"]["@id"]]
    assert main["@id"] == "Snakefile"
    assert kinds(main) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert entities[main["programmingLanguage"]["@id"]]["name"] == "Snakemake"
    (action,) = [e for e in entities.values() if "CreateAction" in kinds(e)]
    assert root["mentions"] == {"@id": action["@id"]}
    assert action["instrument"] == {"@id": "Snakefile"}
    assert action["object"] == {"@id": f"{RESULTS}/config.yaml"}
    results = named(action["result"])
    made = ("scores.parquet", "report.html", "provenance.json", "figures/examples-phantom.png")
    assert {f"{RESULTS}/{name}" for name in made} <= results
    assert results <= {*entities}
    for key in ("input", "output"):
        slot = entities[main[key]["@id"]]
        assert kinds(slot) == {"FormalParameter"}
        assert slot["additionalType"] == "File"
        assert entities[slot["workExample"]["@id"]]["exampleOfWork"] == {"@id": slot["@id"]}


def test_it_says_with_what_and_when_the_run_was_made(opened):
    _, entities = opened
    needed = {entities[name]["name"]: entities[name]["softwareVersion"]
              for name in named(entities["Snakefile"]["softwareRequirements"])}  # fmt: skip
    assert needed == {"snakemake": "9.27.1", "torch": "2.13.0", "Python": "3.11.7"}
    action = entities["#run"]
    assert action["startTime"] == "1970-01-01T00:16:40+00:00"
    assert action["endTime"] == "1970-01-01T00:34:20+00:00"
    assert "EPYC" in action["description"]
    assert "secret-host" not in json.dumps(entities)


def test_an_unpacked_crate_is_whole_and_holds_the_workflow(opened, tmp_path):
    files, _ = opened
    with zipfile.ZipFile(f"{RESULTS}.crate.zip") as file:
        file.extractall(tmp_path / "there")
    verification = manifest.verify(str(tmp_path / "there" / RESULTS))
    assert not verification.problems
    assert verification.whole > 20  # records, too
    assert {"Snakefile", "LICENSE", "config.yaml", "workflow/rules/report.smk"} <= {*files}
    assert not [name for name in files if "__pycache__" in name or name.startswith("/")]


def test_the_same_results_give_the_same_crate(config, crate):
    crate(config)
    first = Path(f"{RESULTS}.crate.zip").read_bytes()
    crate(config)
    assert Path(f"{RESULTS}.crate.zip").read_bytes() == first


def test_a_damaged_run_is_refused(config, crate):
    Path(RESULTS, "scores.parquet").write_bytes(b"x")
    with pytest.raises(FaithcamError, match=r"scores\.parquet: changed or damaged"):
        crate(config)
    assert not Path(f"{RESULTS}.crate.zip").exists()


def test_without_its_library_it_says_what_to_install(config, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    monkeypatch.setitem(sys.modules, "rocrate", None)
    Path("run.yaml").write_text(json.dumps(config))
    assert archive.main(["crate", "run.yaml"]) == 1
    assert "error: rocrate: not installed, " in capsys.readouterr().err
    assert not Path(RESULTS, "manifest.sha256").exists()


def test_a_run_whose_times_nobody_noted_has_none(config, crate):
    for path in snakemake_records.FOLDER.rglob("*"):
        if path.is_file():
            path.write_text("{")
    crate(config)
    with zipfile.ZipFile(f"{RESULTS}.crate.zip") as file:
        graph = json.loads(file.read("ro-crate-metadata.json"))["@graph"]
    (action,) = [entity for entity in graph if entity["@id"] == "#run"]
    assert "startTime" not in action


@pytest.fixture
def repository(tmp_path, monkeypatch, crate):
    """A repository of a few files, as the crate takes it."""
    monkeypatch.setattr(crating, "ROOT", tmp_path / "repository")
    for name in ("Snakefile", "README.md", "config/tiny.yaml", "config/private.yaml"):
        file = tmp_path / "repository" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "repository" / "workflow" / ".hidden").mkdir(parents=True)
    (tmp_path / "repository" / "workflow" / ".hidden" / "file").write_text("")
    return tmp_path / "repository"


def packed(config, crate):
    crate(config)
    with zipfile.ZipFile(f"{RESULTS}.crate.zip") as file:
        others = ("ro-crate-metadata.json",)
        return [n for n in file.namelist() if not n.startswith(RESULTS) and n not in others]


def test_files_that_git_does_not_track_are_not_packed(config, crate, repository):
    named = ["Snakefile", "README.md", "config/tiny.yaml", "workflow"]
    for command in (["init", "--quiet"], ["add", *named]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    assert packed(config, crate) == ["README.md", "Snakefile", "config/tiny.yaml"]
    before = Path(f"{RESULTS}.crate.zip").read_bytes()
    (repository / "workflow" / "notes.txt").write_text("mine")
    assert packed(config, crate) == ["README.md", "Snakefile", "config/tiny.yaml"]
    assert Path(f"{RESULTS}.crate.zip").read_bytes() == before


def test_without_a_repository_all_files_of_the_folders_are_packed(config, crate, repository):
    expected = ["README.md", "Snakefile", "config/private.yaml", "config/tiny.yaml"]
    assert packed(config, crate) == expected


def test_a_repository_that_git_cannot_read_is_no_reason_to_pack_all(config, crate, repository):
    (repository / ".git").mkdir()
    with pytest.raises(FaithcamError, match="git does not say which files are the repository's"):
        crate(config)
    assert not Path(f"{RESULTS}.crate.zip").exists()
