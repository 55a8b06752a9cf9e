"""Maps from elsewhere in a run: docs/methods.md to the letter, then judged and replaced."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from workspace import ROOT, Workspace

from faithcam.results import io as tables

pytestmark = [pytest.mark.slow, pytest.mark.runs]

PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8").split("## Maps from elsewhere")[1]
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
(CONFIG,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
NETWORK = "phantom/vgg_small-flatten/seed0"
METRICS = ["aopc", "max_sensitivity", "truth_agreement", "blind"]
FILE = Path("our_maps", f"{NETWORK}.npz")


def follow(monkeypatch, directory, network):
    """Run the page's lines where the run was, for one of its networks."""
    monkeypatch.chdir(directory)
    code = EXAMPLE.replace("results/", "results/tiny/").replace(NETWORK, network)
    exec(compile(code, "methods.md", "exec"), {})


@pytest.fixture
def mine(finished, tmp_path, monkeypatch):
    """A copy of the run, with maps of its own beside it."""
    shutil.copytree(finished.directory, tmp_path / "run")
    for seed in (0, 1):
        follow(monkeypatch, tmp_path / "run", NETWORK.replace("seed0", f"seed{seed}"))
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(CONFIG), "metrics": METRICS}))
    return Workspace(finished.repository, tmp_path / "run"), ["config/tiny.yaml", file]


def test_maps_from_elsewhere_are_judged_beside_the_others(mine, finished):
    run, configs = mine
    planned = run.planned(configs=configs)
    assert planned["import_maps"] == 2
    assert not {rule for rule in planned if re.match("explain|train$|prepare|compute_truth", rule)}
    done = run.run(configs=configs, cores=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Note: our_maps (maps_from): no scores by max_sensitivity" in done.stderr

    before, scores = (
        tables.read(each.results / "scores.parquet").to_pandas() for each in (finished, run)
    )
    ours = scores[scores["method"] == "our_maps"]
    assert set(ours["metric"]) == {*METRICS} - {"max_sensitivity"}
    assert set(ours["head"]) == {"flatten"}
    assert set(ours[ours["metric"] == "aopc"]["status"]) == {"ok"}
    others = scores[scores["method"] != "our_maps"].reset_index(drop=True)
    kept = before[before["metric"].isin(METRICS)].reset_index(drop=True)
    assert others.equals(kept)

    with np.load(run.directory / FILE) as given:
        pixels = dict(zip(given["image_ids"].tolist(), given["maps"], strict=True))
    (stored,) = (run.results / "maps" / NETWORK / "our_maps").glob("*.parquet")
    for row in tables.read(stored).to_pylist():
        if row["explained_class"] == "predicted":
            h, w = row["height"], row["width"]
            cells = pixels[row["image_id"]].reshape(h, 32 // h, w, 32 // w).sum((1, 3))
            assert np.allclose(row["map"], cells.ravel(), rtol=1e-6)

    assert run.planned(configs=configs) == {}
    (run.directory / FILE).touch()
    assert run.planned(configs=configs) == {}
    with np.load(run.directory / FILE) as given:
        arrays = dict(given)
    np.savez(run.directory / FILE, **arrays | {"maps": -arrays["maps"]})
    os.utime(run.directory / FILE, (0, 0))  # also where the file is older than that it replaces
    planned = run.planned(configs=configs)
    assert planned["import_maps"] == planned["aopc"] == 1
    assert not {rule for rule in planned if re.match("explain|train$|prepare|compute_truth", rule)}


def test_a_bad_file_stops_before_anything_is_written(mine):
    run, configs = mine
    target = f"results/tiny/maps/{NETWORK}/our_maps/0-10.parquet"
    with np.load(run.directory / FILE) as given:
        arrays = dict(given)
    arrays["maps"][:, 0, 0] = np.nan
    np.savez(run.directory / FILE, **arrays)
    done = run.run(target, configs=configs)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert re.search(rf"{FILE}: the maps of images \[\d+, .*\] are not finite, expected", said)
    assert "Traceback" not in said
    assert not (run.directory / target).exists()

    np.savez(run.directory / FILE, **arrays | {"maps": arrays["maps"][:, 1:]})
    done = run.run("--dry-run", configs=configs)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"maps_from.our_maps: {FILE}: maps of shape (31, 32) found, expected" in said
    assert "Traceback" not in said
