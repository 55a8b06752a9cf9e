"""Whatever happens to a file of a run: who reads it names it, and it can be made again."""

import re
import shutil

import pytest
from damage import DAMAGES, flip
from workspace import ROOT, Workspace

from faithcam.running import archive

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.counts("faults")]

RESULTS = "results/tiny"
NETWORK = "phantom/vgg_small-flatten/seed0"
MANIFEST = "data/phantom/manifest.json"
# each kind of file, and the rule whose job reads it
DATA = {
    "images": ("data/phantom/images.npy", "explain_flatten"),
    "masks": ("data/phantom/masks.npy", "draw_examples"),
    "image table": ("data/phantom/table.parquet", "compare_methods"),
    "image manifest": (MANIFEST, "explain_gap"),
}
KINDS = DATA | {
    "weights": (f"models/{NETWORK}/weights.safetensors", "explain_flatten"),
    "predictions": (f"models/{NETWORK}/predictions.parquet", "haas"),
    "map": (f"maps/{NETWORK}/gradcam/0-10.parquet", "haas"),
    "checks of maps": (f"maps/{NETWORK}/checks/0-10.parquet", "collect_checks"),
    "truth": (f"truth/{NETWORK}/0-3.parquet", "truth_agreement"),
    "admission": (f"truth/{NETWORK}/admission/0-3.parquet", "collect_truth"),
    "scores": (f"metrics/haas/{NETWORK}/0-10.parquet", "collect_scores"),
    "curves": (f"metrics/aopc/{NETWORK}/curves/0-10.parquet", "collect_curves"),
    "candidates": (f"concordance/{NETWORK}/0-3.parquet", "judge_metrics"),
    "evaluations": ("evaluations.parquet", "collect_scores"),
    "all scores": ("scores.parquet", "compare_methods"),
    "all curves": ("curves.parquet", "draw_figures"),
    "all checks": ("checks.parquet", "write_report"),
    "completeness": ("completeness.parquet", "draw_figures"),
    "models": ("models.parquet", "compare_methods"),
    "statistics": ("statistics.parquet", "compare_maps"),
    "agreement": ("agreement.parquet", "draw_truth"),
    "concordance": ("concordance.parquet", "write_report"),
    "verdicts": ("validity.parquet", "draw_truth"),
    "all admission": ("truth_admission.parquet", "write_report"),
    "cases": ("cases.json", "write_report"),
    "provenance": ("provenance.json", "write_report"),
    "figure": ("figures/haas-phantom.png", "write_report"),
}
# and what no job reads in this run
UNREAD = (
    f"models/{NETWORK}/history.parquet",
    "multiverse.parquet",
    "truth.parquet",
    "answer.txt",
    "report.html",
)


def neighbour(path):
    """Return another network's file of the same kind, or another one beside it."""
    if "seed0" in path.parts:
        return type(path)(str(path).replace("/seed0/", "/seed1/"))
    beside = [p for p in sorted(path.parent.glob("[!.]*")) if p != path and p.is_file()]
    alike = [p for p in beside if p.suffix == path.suffix]
    return (alike or beside)[0]


def named(kind):
    """Return the input by whose name a job reads a kind of file: that of images is the manifest."""
    name, rule = KINDS[kind]
    whole = kind in DATA and rule != "compare_methods"
    return f"{RESULTS}/{MANIFEST if whole else name}"


def answer(run, jobs, folder, kind, damage):
    """Damage a file in a copy of the run; return what the job that reads it says, and the file."""
    name, rule = KINDS[kind]
    path = folder / RESULTS / name
    damage(path, neighbour(path))
    code, said = jobs.run(folder, run.script(rule, named(kind)))
    assert code == 1, said or "the job noticed nothing"
    assert f"{RESULTS}/{name}" in said
    assert "Traceback" not in said
    assert "unexpected" not in said
    return said, path


def follow(said, path):
    """Do what a message advises: delete the file, or the folder that it is in, or nothing."""
    assert "run again" in said, said
    if re.search(r"delete the (data set's )?folder", said):
        shutil.rmtree(path.parent)
    elif "delete" in said:
        path.unlink(missing_ok=True)
    else:
        assert not path.exists(), said


@pytest.mark.parametrize("rule", ["collect_scores", "explain_gap"])
def test_a_job_of_sound_files_gives_the_same_bytes(run, jobs, copied, rule):
    folder = copied()
    before = run.contents(folder)
    script, job = next((path, job) for path, job in run.scripts if job.rule == rule)
    for name in job.output:
        (folder / name).unlink()
    assert jobs.run(folder, script)[0] == 0
    assert run.contents(folder) == before


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_job_that_reads_it_names_it_and_writes_nothing(run, jobs, copied, kind, damage):
    folder = copied()
    before = run.contents(folder)
    answer(run, jobs, folder, kind, DAMAGES[damage])
    changed = set(before.items()) ^ set(run.contents(folder).items())
    assert {name for name, _ in changed} == {KINDS[kind][0]}


@pytest.fixture(scope="module")
def made_again():
    """What was missing of prepared images where they were made again: tried once each."""
    return set()


@pytest.mark.parametrize("damage", ["flip", "remove"])
@pytest.mark.parametrize("kind", DATA)
def test_images_are_made_again_with_the_same_bytes(run, jobs, copied, made_again, kind, damage):
    folder = copied(records=True)
    before = run.contents(folder)
    follow(*answer(run, jobs, folder, kind, DAMAGES[damage]))
    left = run.contents(folder)
    missing = frozenset(before.keys() - left.keys())
    assert left.items() < before.items()
    if missing not in made_again:
        done = Workspace(run.workspace.repository, folder).run(named(kind))
        assert done.returncode == 0, done.stdout + done.stderr
        assert run.contents(folder) == before
        made_again.add(missing)


def test_all_else_is_made_again_with_the_same_bytes(run, jobs, copied):
    """What the advice leaves of each kind is put into one folder: one run makes all of it."""
    whole = copied(records=True)
    before = run.contents(whole)
    for kind in KINDS.keys() - DATA.keys():
        folder = copied()
        follow(*answer(run, jobs, folder, kind, flip))
        for name in before.keys() - run.contents(folder).keys():
            (whole / RESULTS / name).unlink(missing_ok=True)
        shutil.rmtree(folder)
    done = Workspace(run.workspace.repository, whole).run(cores=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run.contents(whole) == before


CONFIG = [str(ROOT / "config.yaml"), str(ROOT / "config" / "tiny.yaml")]


def test_a_sound_run_is_archived(copied, monkeypatch):
    monkeypatch.chdir(copied(records=True))
    assert archive.main(["archive", *CONFIG]) == 0


@pytest.mark.parametrize("damage", ["flip", "remove"])
@pytest.mark.parametrize("name", [*(name for name, _ in KINDS.values()), *UNREAD])
def test_a_damaged_run_is_not_archived(copied, monkeypatch, capsys, name, damage):
    folder = copied()
    monkeypatch.chdir(folder)
    DAMAGES[damage](folder / RESULTS / name, None)
    assert archive.main(["archive", *CONFIG]) == 1
    assert name in capsys.readouterr().err
    assert not (folder / f"{RESULTS}.tar").exists()
