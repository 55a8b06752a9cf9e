"""The tiny experiment end to end: what is planned, what comes out, what survives a kill."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from waiting import wait_for
from workspace import MODELS, ROOT, Workspace, copy_repository

from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.results import io as tables
from faithcam.running import plan

pytestmark = pytest.mark.slow

JOBS = {
    "all": 1,
    "prepare_data": 1,
    "train": MODELS,
    "explain_flatten": 2,
    "explain_gap": 2,
    "aopc": MODELS,
    "max_sensitivity": MODELS,
    "haas": MODELS,
    "feature_aopc": 2,
    "compute_truth": 2,
    "collect_truth": 1,
    "similarity": 2,
    "collect_scores": 1,
    "collect_curves": 1,
    "collect_checks": 1,
    "evaluate_models": 1,
    "truth_agreement": 2,
    "blind": 2,
    "score_candidates": 2,
    "judge_metrics": 1,
    "compare_specifications": 1,
    "draw_controls": 1,
    "draw_truth": 1,
    "draw_truth_examples": 1,
    "collect_cases": 1,
}


@pytest.mark.parametrize("name", ["tiny", "full", "medmnist", "study", "thesis"])
def test_make_plan_counts_the_jobs_that_snakemake_plans(repository, tmp_path, name):
    files = [ROOT / "config" / f"{name}.yaml", tmp_path / "seeds.yaml"]
    files[1].write_text("seeds: [0, 1]\n")
    planned = Workspace(repository, tmp_path).planned(configs=files)
    if name == "tiny":
        assert {rule: planned.get(rule) for rule in JOBS} == JOBS
    assert planned.pop("all") == 1
    planned["explain"] = planned.pop("explain_flatten") + planned.pop("explain_gap", 0)
    planned["truth"] = planned.pop("compute_truth")
    planned["candidates"] = planned.pop("score_candidates")
    config = experiment.read([ROOT / "config.yaml", *files])
    assert Counter(job.rule for job in plan.jobs(Plan(config))) == planned


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        ("data", {"prepare_data"}),
        ("models", {"train", "evaluate_models"}),
        ("truth", {"compute_truth", "collect_truth"}),
        ("metrics", {"aopc", "haas", "max_sensitivity", "collect_scores", "collect_curves"}),
        ("validity", {"judge_metrics", "compare_specifications"}),
    ],
)
def test_stages_are_targets(repository, tmp_path, target, rules):
    planned = Workspace(repository, tmp_path).planned(target)
    assert rules <= set(planned)
    assert "write_report" not in planned


def test_the_documented_rule_graph_is_snakemake_s(repository, tmp_path):
    graph = Workspace(repository, tmp_path).run("--rulegraph", "mermaid-js").stdout
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", graph)}
    text = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)$", text, re.M))
    assert drawn == {edge for edge in edges if edge[1] != "all"}


def test_all_results_are_there_and_whole(finished):
    names = {path.name for path in finished.results.iterdir()}
    assert {
        *(f"{t}.parquet" for t in ("scores", "models", "checks", "curves", "statistics", "truth")),
        *(
            "validity.parquet",
            "concordance.parquet",
            "multiverse.parquet",
            "cases.json",
            "provenance.json",
        ),
        "report.html",
        "version.txt",
        "answer.txt",
        "figures",
    } <= names
    assert not list(finished.results.rglob("*.part"))
    assert not list(finished.results.rglob("checkpoint*"))


def test_scores_are_unique_sorted_and_complete(finished):
    scores = tables.read(finished.results / "scores.parquet")
    assert scores.schema.equals(SCORES, check_metadata=True)
    keys = list(zip(*(scores[name].to_pylist() for name in SCORES_KEY), strict=True))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    frame = scores.to_pandas()
    fewer = (
        frame.groupby(["head", "seed", "protocol", "metric", "setting", "method"])
        .size()
        .where(lambda n: n != 10)
        .dropna()
    )
    truth = {"truth_agreement", "blind"}
    assert set(fewer.index.get_level_values("metric")) == truth
    assert fewer.eq(3).all()  # truth.images
    metrics = {"aopc", "max_sensitivity", "haas"}
    assert set(frame[frame["head"] == "gap"].metric) == metrics
    metrics |= {"feature_aopc", "similarity", *truth}
    assert set(frame[frame["head"] == "flatten"].metric) == metrics
    assert set(frame[frame["head"] == "flatten"].method) >= {"gradcam", "hirescam", "random"}
    assert not frame[frame["head"] == "flatten"].method.eq("cam").any()
    assert (frame.value.notna() | frame.status.isin(["undefined", "blank_map"])).all()


def test_gap_twins_have_exactly_the_same_scores(finished):
    frame = tables.read(finished.results / "scores.parquet").to_pandas()
    gap = frame[frame["head"] == "gap"]
    keys = ["seed", "protocol", "metric", "setting", "image_id"]
    one, other = (
        gap[gap.method == method].set_index(keys).value for method in ("gradcam", "hirescam")
    )
    assert len(one)
    assert np.array_equal(one, other.loc[one.index], equal_nan=True)


def test_the_null_map_of_haas_changes_nothing(finished):
    frame = tables.read(finished.results / "scores.parquet").to_pandas()
    blank = frame[(frame.method == "null_blank") & (frame.setting == "explained_class=predicted")]
    assert len(blank)
    assert (blank.value == blank.correct).all()


def test_all_laws_hold_for_every_model(finished):
    checks = tables.read(finished.results / "checks.parquet").to_pandas()
    assert checks.passed.all()
    assert (checks.images > 0).all()
    flatten = set(checks[checks["head"] == "flatten"].check)
    gap = set(checks[checks["head"] == "gap"].check)
    assert any("completeness" in name for name in flatten)
    assert any("gradcam = cam / Z" in name for name in gap)
    assert any("SRG" in name for name in flatten & gap)
    assert checks.groupby(["architecture", "head", "seed"]).ngroups == MODELS


@pytest.mark.runs
def test_a_run_on_two_cores_killed_and_resumed_gives_the_same_bytes(finished, tmp_path):
    replica = Workspace(finished.repository, tmp_path)
    process = subprocess.Popen(
        replica.command(cores=2),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    scores = "metrics/*/phantom/*/*/*.parquet"
    wait_for(process, lambda: any(replica.results.glob(scores)))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    script = f"{process.args[0]} {finished.repository}/workflow/unlock.py && echo snakemake"
    unlock = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "unlocked" in unlock.stdout
    assert unlock.returncode == 0, unlock.stdout + unlock.stderr
    done = replica.run(cores=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert replica.hashes() == finished.hashes()


def test_a_wrong_key_stops_before_anything_runs(repository, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("explaned_images: 3\n")
    done = Workspace(repository, tmp_path).run(configs=(wrong,))
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "explaned_images: unknown key; did you mean explained_images?" in output
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()


def test_a_failing_job_says_why_and_leaves_nothing_half_written(repository, tmp_path):
    images = tmp_path / "images with [brackets]"
    for number in range(200):
        broken = images / f"class {number % 2}" / f"{number}.png"
        broken.parent.mkdir(parents=True, exist_ok=True)
        broken.write_bytes(b"")
    extra = tmp_path / "extra.yaml"
    extra.write_text(
        "datasets: [mine]\n"
        f"dataset_definitions: {{mine: {{source: folder, path: '{images}', size: 32}}}}\n"
    )
    workspace = Workspace(repository, tmp_path)
    done = workspace.run("data", configs=("config/tiny.yaml", extra))
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "error: " in output
    assert "images with [brackets]" in output
    assert "Traceback" not in output
    assert not (workspace.results / "data" / "mine" / "manifest.json").exists()


@pytest.mark.runs
def test_a_report_can_be_made_from_an_incomplete_grid(finished, tmp_path):
    replica = Workspace(finished.repository, tmp_path)
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    lost = replica.results / "models" / "phantom" / "vgg_small-flatten" / "seed1"
    shutil.rmtree(lost)
    shutil.rmtree(replica.results / "metrics" / "aopc" / "phantom" / "vgg_small-flatten" / "seed1")
    incomplete = tmp_path / "incomplete.yaml"
    incomplete.write_text(
        "datasets: [phantom, second]\n"
        "dataset_definitions:\n"
        "  second: {source: phantom, size: 32, train: 300, val: 60, test: 60}\n"
    )
    makefile = (ROOT / "Makefile").read_text()
    (option,) = re.findall(r"--config (incomplete=\S+)", makefile)
    done = replica.run("--config", option, configs=("config/tiny.yaml", incomplete))
    assert done.returncode == 0, done.stdout + done.stderr
    models = tables.read(replica.results / "models.parquet").to_pylist()
    reasons = {
        (row["dataset"], row["head"], row["seed"]): row["reason"]
        for row in models
        if not row["included"]
    }
    assert "the training has not ended" in reasons["phantom", "flatten", 1]
    assert sum("has not been prepared" in reason for reason in reasons.values()) == MODELS
    assert "the training has not ended" in (replica.results / "report.html").read_text()
    assert not lost.exists()


def test_config_files_are_merged_as_snakemake_merges_them(finished):
    record = json.loads((finished.results / "provenance.json").read_text())
    files = [finished.repository / name for name in ("config.yaml", "config/tiny.yaml")]
    assert experiment.read(files) == record["config"]


def archive_command(workspace, action):
    command = [sys.executable, "workflow/archive.py", action, "config.yaml", "config/tiny.yaml"]
    return subprocess.run(
        command, cwd=workspace.directory, capture_output=True, text=True, check=False
    )


@pytest.mark.runs
def test_an_archive_unpacked_in_a_clone_is_whole_and_reruns_nothing(finished, tmp_path):
    here = Workspace(tmp_path / "here", copy_repository(tmp_path / "here"))
    shutil.copytree(finished.directory, here.directory, dirs_exist_ok=True)
    done = archive_command(here, "archive")
    assert done.returncode == 0, done.stdout + done.stderr
    clone = Workspace(tmp_path / "clone", copy_repository(tmp_path / "clone"))
    tar = here.results.parent / "tiny.tar"
    subprocess.run(["tar", "-xf", str(tar)], cwd=clone.directory, check=True)
    records = [
        {path.name for path in (workspace.directory / ".snakemake/metadata").iterdir()}
        for workspace in (here, clone)
    ]
    assert records[0] == records[1]
    assert len(records[0]) > 60
    assert clone.hashes() == finished.hashes()
    # the repository's files are newer than the results, and lie elsewhere
    assert clone.planned() == {}
    done = archive_command(clone, "verify")
    assert done.returncode == 0, done.stdout + done.stderr

    changed = clone.results / "scores.parquet"
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    times = changed.stat()
    changed.write_bytes(content)
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = archive_command(clone, "verify")
    assert done.returncode == 1
    assert "results/tiny/scores.parquet: changed" in done.stdout
    assert "1 are not" in done.stdout
    assert "Traceback" not in done.stderr
    done = archive_command(clone, "archive")
    assert done.returncode == 1
    assert "scores.parquet: changed or damaged since the run wrote it" in done.stderr
    changed.unlink()
    (map_file, *_) = sorted((clone.results / "maps").rglob("*.parquet"))
    map_file.unlink()
    done = archive_command(clone, "archive")
    assert done.returncode == 1
    for missing in (changed, map_file):
        assert f"{missing.relative_to(clone.directory)}: missing" in done.stderr


def test_snakemakes_own_report_works(finished, tmp_path):
    path = tmp_path / "report.zip"
    done = finished.run("--report", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert path.stat().st_size > 10_000
