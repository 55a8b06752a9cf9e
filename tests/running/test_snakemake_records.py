"""The installed Snakemake keeps its records where we look for them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_for

from faithcam.running import snakemake_records as records

ROOT = Path(__file__).parents[2]
# the last one's name is longer in base64 than a file's may be: it is cut twice
MADE = ["results/scores.parquet", "results/a???.log", "results/" + "long/" * 40 + "b" * 200]
LATER = "results/report.html"
SNAKEFILE = f"""
rule all:
    input: {LATER!r}

rule make:
    output: {MADE}
    shell: "touch {{output:q}}; while test -e wait; do sleep 0.05; done"

rule report:
    input: {MADE}
    output: {LATER!r}
    shell: "touch {{output}}"
"""
pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Snakemake, started on a small workflow in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(SNAKEFILE)
    Path("wait").touch()
    command = [sys.executable, "-m", "snakemake", "--executor", "local", "--cores", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(process, Path(MADE[-1]).exists)
        yield process
    finally:
        Path("wait").unlink(missing_ok=True)
        process.wait()


def test_a_file_that_is_there_and_would_be_made_again_says_so():
    rows = [
        ("output_file", "date", "rule", "log-file(s)", "status", "plan"),
        ("a", "-", "r", "", "ok", "no update"),
        ("b", "-", "r", "", "ok", "update pending"),
        ("c", "-", "r", "", "missing", "no update"),
    ]
    text = "\n".join("\t".join(row) for row in rows)
    assert records.outputs(text) == {"a": "", "b": "update pending", "c": "missing"}


def summary():
    command = [sys.executable, "-m", "snakemake", "--summary"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return records.outputs(done.stdout)


def test_outputs_are_unfinished_until_the_run_ends_and_then_have_records(run):
    here, outputs = Path.cwd(), [*MADE, LATER]
    assert records.is_locked(here)
    assert records.unfinished([*outputs, "results/other"]) == outputs
    Path("wait").unlink()
    assert run.wait() == 0
    assert summary() == dict.fromkeys(outputs, "")
    begun, ended = records.times(LATER)
    assert records.times(MADE[0])[0] < begun <= ended
    assert records.times("results/other") is None
    Path(MADE[0]).unlink()
    found = summary()
    assert (found.pop(MADE[0]), set(found.values())) == ("missing", {""})
    Path(MADE[0]).touch()
    Path("Snakefile").write_text(SNAKEFILE.replace("touch {output}", "touch -c {output}"))
    assert summary()[LATER]
    assert not records.is_locked(here)
    assert records.unfinished(outputs) == []
    kept = {path for path in Path(".snakemake", "metadata").rglob("*") if path.is_file()}
    assert kept == {records.metadata(output) for output in outputs}


def test_what_a_killed_run_was_making_is_unfinished_when_the_folder_is_unlocked(run):
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert records.is_locked(Path.cwd())
    assert records.unfinished([*MADE, LATER]) == [*MADE, LATER]
    command = [sys.executable, ROOT / "workflow" / "unlock.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("unlocked"), done.stderr
    assert not records.is_locked(Path.cwd())
    assert records.unfinished([*MADE, LATER]) == MADE
