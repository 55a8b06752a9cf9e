"""How far a run is, in lines: every stage once it begins, now and then, and at its end."""

import re
import subprocess
import sys

import pytest
from folders import classes

from faithcam.running import progress
from faithcam.running.progress import OF_RULE, Progress, stage_of

RULES = {"prepare_data": 1, "train": 3, "aopc": 2, "report": 1, "all": 1, "total": 8}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def run(clock):
    return Progress(RULES, clock)


def test_what_is_to_be_done_counts_jobs_by_stage(run):
    assert run.opening() == ["6 jobs to do: data 1, models 3, metrics 2"]
    assert Progress({"total": 0}).opening() == []


def test_a_stage_has_a_line_when_it_begins_goes_on_and_ends(run, clock):
    assert run.started(1, "train") == ["0:00:00  models           0 of 3       all 0 of 6"]
    assert run.started(2, "train") == []
    clock.now = 60
    assert run.finished(1) == [
        "0:01:00  models           1 of 3       all 1 of 6, about 5 min left"
    ]
    clock.now = 70  # too soon after the last line
    assert run.finished(2) == []
    run.started(3, "train")
    clock.now = 75
    assert run.finished(3) == [
        "0:01:15  models           3 of 3       all 3 of 6, about 1 min left"
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(20, "under a minute"), (2000, "about 67 min"), (20_000, "about 11 h")]
)
def test_time_left_is_said_in_a_unit_that_fits(clock, seconds, words):
    run = Progress({"train": 3}, clock)
    run.started(1, "train")
    clock.now = seconds
    assert run.finished(1)[0].endswith(f"all 1 of 3, {words} left")


def test_jobs_count_by_what_the_plan_says(clock, monkeypatch):
    monkeypatch.setattr(progress, "_EXPECTED", {})
    progress.expect({"train": 97, "explain": 1.5})
    run = Progress({"explain_flatten": 2, "train": 1}, clock)
    run.started(1, "explain_flatten")
    clock.now = 30
    assert run.finished(1) == ["0:00:30  maps             1 of 2       all 1 of 3"]  # too little
    run.started(2, "train")
    clock.now = 985
    assert run.finished(2)[0].endswith("all 2 of 3, under a minute left")


def test_targets_are_no_jobs(run):
    assert run.started(1, "report") == run.finished(1) == []


def test_a_failed_job_is_named_with_the_end_of_its_log(run, tmp_path):
    (tmp_path / "a.log").write_text("epoch 1\nerror: NaN found\n\n")
    lines = run.failed("Train a", [f"{tmp_path}/a.log", f"{tmp_path}/none.log"])
    assert lines == [
        "0:00:00  failed: Train a",
        f"         {tmp_path}/a.log: error: NaN found",
        f"         {tmp_path}/none.log: no log",
    ]


def test_every_rule_belongs_to_a_stage(repository):
    files = {
        "data": "data", "train": "models", "maps": "maps", "truth": "truth", "metrics": "metrics",
        "concordance": "concordance", "statistics": "statistics", "validity": "validity",
        "report": "report",
    }  # fmt: skip
    known = set()
    for file, stage in files.items():
        text = (repository / f"workflow/rules/{file}.smk").read_text()
        rules = set(re.findall(r"^ *rule (\w+):", text, re.M))
        known |= rules
        assert {stage_of(rule) for rule in rules} <= {stage}, file
    # the rule of every head has a name that is made
    assert {stage_of(f"explain_{head}") for head in ("flatten", "gap", "other")} == {"maps"}
    named = {rule for rule in OF_RULE if not rule.startswith(("prepare_", "draw_"))}
    assert named <= known


def snakemake(repository, folder, monkeypatch, *configs):
    """Prepare images in a folder, as make targets do; return the exit code and what was shown."""
    monkeypatch.setenv("PYTHONPATH", str(repository / "workflow/progress"))
    files = [repository / "config.yaml", repository / "config/tiny.yaml", *configs]
    command = [sys.executable, "-m", "snakemake", "data", "--logger", "progress", "-j1"]
    run = subprocess.run(
        [*command, "--configfile", *map(str, files), "--directory", str(folder)],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.returncode, run.stderr.splitlines()


@pytest.mark.slow
def test_snakemake_finds_it_and_prints_nothing_else(repository, tmp_path, monkeypatch):
    code, lines = snakemake(repository, tmp_path, monkeypatch)
    assert code == 0
    assert lines[1] == "1 job to do: data 1"
    assert re.fullmatch(r"0:\d\d:\d\d  data             1 of 1       all 1 of 1", lines[-1])
    assert len(lines) == 4
    (log,) = (tmp_path / ".snakemake/log").iterdir()
    assert "Prepare the images of phantom" in log.read_text()


@pytest.mark.slow
def test_a_job_that_fails_is_shown_with_the_end_of_its_log(repository, tmp_path, monkeypatch):
    classes(tmp_path / "images", 60)
    (tmp_path / "images" / "cat" / "broken.png").write_bytes(b"no image")
    definition = f"{{source: folder, path: {tmp_path}/images, size: 32, test: 0.4}}"
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"datasets: [mine]\ndataset_definitions: {{mine: {definition}}}\n")
    code, lines = snakemake(repository, tmp_path, monkeypatch, mine)
    assert code != 0
    failed = next(i for i, line in enumerate(lines) if "  failed: " in line)
    assert lines[failed].endswith("failed: Prepare the images of mine")
    assert re.search(r"prepare_data/mine\.log: .*error: .*broken\.png", lines[failed + 1])
    assert not any("Traceback" in line for line in lines)
