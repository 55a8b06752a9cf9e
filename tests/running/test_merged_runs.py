"""Two runs of different seeds, merged, are the run of both seeds, byte for byte."""

import pytest
from workspace import Workspace

from faithcam.running import manifest
from faithcam.running.merging.merge import merge

pytestmark = [pytest.mark.slow, pytest.mark.runs]

# a control is never left out for its accuracy: all networks are compared and judged
UNTRAINED = "{dataset_definitions: {phantom: {control: untrained}}, seeds: %s, results: results/%s}"
SEEDS = {"first": [0], "second": [1], "whole": [0, 1]}
OWN = {"provenance.json", "report.html"}  # which name the runs that were merged


def hashes(folder):
    names, _ = manifest.listing(folder)
    return dict(
        reversed(line.split("  "))
        for line in manifest.text(folder, [n for n in names if "record" not in n]).splitlines()
    )


def test_parts_of_a_run_are_the_run_when_they_are_merged(repository, tmp_path):
    workspace = Workspace(repository, tmp_path / "run")
    for name, seeds in SEEDS.items():
        (tmp_path / f"{name}.yaml").write_text(UNTRAINED % (seeds, name))
        done = workspace.run(configs=["config/tiny.yaml", tmp_path / f"{name}.yaml"], cores=2)
        assert done.returncode == 0, done.stdout + done.stderr
    results = workspace.directory / "results"
    made = merge([(name, results / name) for name in ("second", "first")], tmp_path / "merged")
    actual, expected = hashes(made.path), hashes(results / "whole")
    common = {*actual} & {*expected}
    assert {n for n in common if actual[n] != expected[n]} == OWN
    of_tables = {n for n in expected if "/" not in n or n.startswith("figures/")}
    assert of_tables <= common
    assert {"scores.parquet", "validity.parquet", "answer.txt", "cases.json"} <= common
    assert {*actual} - common == {"candidates.parquet", "leaderboard.html"}
