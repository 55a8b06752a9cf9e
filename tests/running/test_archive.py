"""An archive holds a finished run and nothing else; every kind of damage to it is named."""

import json
import os
import re
import shutil
import subprocess
import tarfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from faithcam.core.errors import FaithcamError
from faithcam.results import files
from faithcam.running import archive, manifest, snakemake_records

RESULTS = "results/small"
CONFIG = {"results": RESULTS, "seed": 1, "training": {"epochs": 3}}
MADE = ("report.html", "provenance.json", "scores.parquet", "figures/with space.png")
FILES = 13  # of a run, with four records, config.yaml and environment.txt


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A working directory with what a finished run leaves behind; returns its results folder."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path)
    return Path(RESULTS)


def write_run(directory):
    folder = directory / RESULTS
    contents = {
        "report.html": b"<p>",
        "provenance.json": json.dumps(
            {"python": "2.7", "libraries": {"torch": "0.1"}, "config": CONFIG}
        ).encode(),
        "scores.parquet": b"scores",
        "data/phantom/images.npy": b"pixels",
        "data/phantom/manifest.json": b"{}",
        "figures/with space.png": b"png",
        "logs/train.log": b"",
    }
    for i, (name, content) in enumerate(contents.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.recorded(path) if name in MADE else nullcontext(path) as file:
            file.write_bytes(content)
        os.utime(path, ns=(10**18 + 1, 10**18 + 123456789 + i))
        if name in MADE:
            os.utime(files.record_path(path), ns=(0, 0))
    for name in ("report.html", "scores.parquet"):
        path = directory / snakemake_records.metadata(f"{RESULTS}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
        os.utime(path, ns=(0, 0))


def members():
    with tarfile.open(f"{RESULTS}.tar") as tar:
        return tar.getnames()


def test_the_manifest_is_one_of_sha256sum(run):
    archive.archive(CONFIG)
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "manifest.sha256"],
        cwd=run, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == FILES
    names = [line.split("  ", 1)[1] for line in (run / "manifest.sha256").read_text().splitlines()]
    assert names == sorted(names)
    assert {"environment.txt", "config.yaml"} <= set(names)


def test_an_archived_run_is_whole(run):
    archive.archive(CONFIG)
    assert manifest.verify(RESULTS) == manifest.Verification(whole=FILES)


def test_the_archive_holds_the_run_and_its_records(run):
    (run / "other experiment").mkdir()
    (run / "other experiment" / "scores.parquet").touch()
    (run / "other.tar").touch()
    (run / ".gitkeep").touch()
    stranger = snakemake_records.metadata("results/other/scores.parquet")
    stranger.touch()
    archive.archive(CONFIG)
    records = [
        snakemake_records.metadata(f"{RESULTS}/{name}").as_posix()
        for name in ("report.html", "scores.parquet")
    ]
    names, _ = manifest.listing(run)
    expected = [f"{RESULTS}/{name}" for name in sorted([*names, "manifest.sha256"])]
    assert members() == expected + sorted(records)
    assert len(names) == FILES


def test_times_of_change_survive_to_the_nanosecond(run, tmp_path):
    archive.archive(CONFIG)
    (tmp_path / "there").mkdir()
    subprocess.run(["tar", "-xf", f"../{RESULTS}.tar"], cwd=tmp_path / "there", check=True)
    for name in members():
        there = tmp_path / "there" / name
        assert there.stat().st_mtime_ns == Path(name).stat().st_mtime_ns, name
        assert there.read_bytes() == Path(name).read_bytes()


def test_the_same_results_give_the_same_archive(run, tmp_path, monkeypatch):
    archive.archive(CONFIG)
    first = Path(f"{RESULTS}.tar").read_bytes()
    archive.archive(CONFIG)
    assert Path(f"{RESULTS}.tar").read_bytes() == first
    write_run(tmp_path / "twin")
    (tmp_path / "twin" / RESULTS / "scores.parquet").chmod(0o600)
    monkeypatch.chdir(tmp_path / "twin")
    archive.archive(CONFIG)
    assert Path(f"{RESULTS}.tar").read_bytes() == first


def write_new(path):
    path.parent.mkdir()
    path.touch()


def as_link(path):
    path.unlink()
    path.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("name", "damage", "word"),
    [
        ("scores.parquet", lambda path: path.write_bytes(b"scoreS"), "changed"),
        ("environment.txt", lambda path: path.write_bytes(b""), "changed"),
        ("figures/with space.png", Path.unlink, "missing"),
        ("maps/new.parquet", write_new, "not listed"),
        ("logs/train.log", as_link, "a link"),
    ],
)
def test_every_kind_of_damage_is_named(run, name, damage, word):
    archive.archive(CONFIG)
    damage(run / name)
    actual = manifest.verify(RESULTS)
    (problem,) = actual.problems
    assert problem.startswith(f"{RESULTS}/{name}: {word}")
    assert actual.whole == (FILES if word == "not listed" else FILES - 1)


def test_half_written_files_are_named_and_left_out(run):
    (run / ".scores.parquet.abc.part").touch()
    archive.archive(CONFIG)
    assert not [name for name in members() if name.endswith(".part")]
    actual = manifest.verify(RESULTS)
    assert not actual.problems
    assert actual.leftovers == [f"{RESULTS}/.scores.parquet.abc.part"]


def write_left(path):
    """What an earlier config left, and the disk has changed."""
    with files.recorded(path) as temporary:
        temporary.write_text("old")
    path.write_text("odd")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("scores.parquet", lambda path: path.write_bytes(b"scoreS"), "changed or damaged"),
        ("figures/with space.png", Path.unlink, "cannot be read .No such file"),
        (".scores.parquet.record", Path.unlink, "record beside it, .* is not there"),
        ("maps/old.parquet", write_left, "old.parquet: changed or damaged"),
    ],
)
def test_what_is_not_as_the_run_wrote_it_is_refused(run, name, damage, message):
    outputs = [f"{RESULTS}/{made}" for made in MADE]
    damage(run / name)
    with pytest.raises(FaithcamError, match=message):
        archive.archive(CONFIG, outputs)
    assert not (run / "manifest.sha256").exists()


@pytest.mark.counts("faults")
@pytest.mark.parametrize("over", [{"seed": 2}, {"training": {"epochs": 4}}, {"batch_size": 4}])
def test_another_config_than_that_of_the_run_is_refused(run, over):
    with pytest.raises(FaithcamError, match=f"other values of {next(iter(over))} than the config"):
        archive.archive({**CONFIG, **over})
    assert not Path(f"{RESULTS}.tar").exists()


@pytest.mark.counts("faults")
def test_a_file_named_twice_in_a_manifest_is_refused(run):
    archive.archive(CONFIG)
    listed = run / manifest.MANIFEST
    line = f"{'0' * 64}  scores.parquet\n"
    listed.write_text(line + listed.read_text())
    with pytest.raises(FaithcamError, match=r"line \d+ names scores.parquet again"):
        manifest.verify(RESULTS)


@pytest.mark.parametrize("name", ["report.html", "provenance.json"])
def test_an_unfinished_run_is_refused(run, name):
    (run / name).unlink()
    with pytest.raises(FaithcamError, match=f"{name} not found, expected a finished run"):
        archive.archive(CONFIG)
    assert not (run / "manifest.sha256").exists()


def test_a_run_that_is_going_on_or_was_killed_is_refused(run):
    lock = Path(".snakemake", "locks", "0.output.lock")
    lock.parent.mkdir()
    lock.write_text(f"results/other/report.html\n{RESULTS}/report.html\n")
    with pytest.raises(FaithcamError, match=r"report\.html: being made by Snakemake"):
        archive.archive(CONFIG)
    lock.write_text("results/other/report.html\n")
    archive.archive(CONFIG)
    record = snakemake_records.metadata(f"{RESULTS}/scores.parquet")
    Path(".snakemake", "incomplete").mkdir()
    record.rename(Path(".snakemake", "incomplete", record.name))
    with pytest.raises(FaithcamError, match=r"scores\.parquet: being made by Snakemake"):
        archive.archive(CONFIG)


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../outside", "scores.parquet", "gone"])
def test_links_are_refused(run, target):
    (run / "maps").mkdir()
    (run / "maps" / "link").symlink_to(target)
    with pytest.raises(FaithcamError, match="maps/link: a link or device found"):
        archive.archive(CONFIG)


@pytest.mark.counts("attacks")
def test_a_linked_folder_is_refused_but_the_results_may_lie_elsewhere(run, tmp_path):
    shutil.move(run, tmp_path / "big disk")
    run.symlink_to(tmp_path / "big disk")
    archive.archive(CONFIG)
    assert manifest.verify(RESULTS).whole == FILES
    assert f"{RESULTS}/scores.parquet" in members()
    (run / "maps").symlink_to(tmp_path)
    with pytest.raises(FaithcamError, match="maps: a link or device found"):
        archive.archive(CONFIG)


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a\rb", os.fsdecode(b"a\xff")])
def test_names_that_a_manifest_cannot_hold_are_refused(run, name):
    (run / "logs" / name).touch()
    with pytest.raises(FaithcamError, match="rename or delete the file"):
        archive.archive(CONFIG)


@pytest.mark.counts("attacks")
@pytest.mark.parametrize("results", ["/data/run", "../run", "."])
def test_results_outside_the_working_directory_are_refused(run, results):
    with pytest.raises(FaithcamError, match="expected a folder inside the working directory"):
        archive.archive({"results": results})


def test_the_environment_is_installable_and_says_how_the_run_differs(run):
    archive.archive(CONFIG)
    lines = (run / "environment.txt").read_text().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    pins = lines[len(comments) :]
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", line) for line in pins)
    names = [pin.split("==")[0] for pin in pins]
    assert names == sorted(set(names))
    assert any("provenance.json: torch 0.1, not " in line for line in comments)
    assert any("provenance.json: python 2.7, not " in line for line in comments)


def test_the_command_speaks_plainly_and_its_exit_code_counts(run, capsys):
    Path("config.yaml").write_text("results: results\nseed: 1\n")
    Path("small.yaml").write_text(f"results: {RESULTS}\ntraining: {{epochs: 3}}\n")
    configs = ["config.yaml", "small.yaml"]
    assert archive.main(["verify", *configs]) == 1
    assert re.search(r"error: .*manifest\.sha256: .*make archive", capsys.readouterr().err)
    assert archive.main(["archive", *configs]) == 0
    assert archive.main(["verify", *configs]) == 0
    assert f"{FILES} files are whole, 0 are not" in capsys.readouterr().out
    (run / "scores.parquet").unlink()
    (run / "manifest.sha256").write_text("half a line")
    assert archive.main(["verify", *configs]) == 1
    assert "line 1 is 'half a line', expected" in capsys.readouterr().err
    assert archive.main(["archive", "gone.yaml"]) == 1
    assert "error: gone.yaml: no such config file" in capsys.readouterr().err
