"""What holds of every metric that is compared but not judged: shards, range, statuses, twins."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import GivenMaps
from test_shard import as_rows, make_shard, settings_of, stored_maps

from faithcam.cams import registry as cams
from faithcam.metrics.registry import METRICS

FURTHER = (
    *("deletion", "insertion", "average_drop", "increase_in_confidence", "infidelity", "road"),
    *("normalised_aopc", "complexity", "sparseness"),
    *("average_sensitivity", "mprt", "smooth_mprt", "efficient_mprt"),
)
TABLES = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text().split("\n## ")
(FORMULAS,) = [text for text in TABLES if text.startswith("What each one computes")]
PRIMARY, SETTINGS = FORMULAS.split("What else stands in settings")
MAIN = ["gradcam", "hirescam", "random"]
CONTROLS = ["sham", "template", "constant"]


def scored(name, shard, maps, controls=()):
    metric = import_module(f"faithcam.metrics.{name}")
    return metric.score_shard(shard, maps, settings_of(["strict"], list(controls)))


def methods_of(name, head):
    methods = cams.supported([*(["cam"] if head == "gap" else []), *MAIN, *CONTROLS], head)
    return cams.from_model(methods) if METRICS[name].maps == "own" else methods


def frame_of(name, shard, maps, controls=()):
    return scored(name, shard, maps, controls).to_pandas()


@pytest.mark.parametrize("name", FURTHER)
@pytest.mark.parametrize(("head", "channels"), [("flatten", 1), ("gap", 3)])
def test_shards_and_padding_change_no_row(tmp_path, name, head, channels):
    def tables_of(start, stop):
        shard = make_shard(head, channels, start=start, stop=stop)
        loaded, _, _ = stored_maps(shard, methods_of(name, head), tmp_path)
        return {"scores": scored(name, shard, loaded, CONTROLS)}

    whole = tables_of(0, 10)
    parts = [tables_of(start, stop) for start, stop in ((0, 4), (4, 8), (8, 10))]
    assert as_rows([whole], "scores") == as_rows(parts, "scores")
    assert len(whole["scores"]) > 0


@pytest.mark.parametrize("name", FURTHER)
def test_scores_lie_in_the_range_and_the_primary_setting_is_there(tmp_path, name):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, methods_of(name, "flatten"), tmp_path)
    frame = frame_of(name, shard, loaded, CONTROLS)
    parts = {part for setting in frame["setting"] for part in setting.split(";")}
    named = {part for part in parts if not part.split("=")[1].replace(".", "").isdigit()}
    assert all(f"`{part}`" in SETTINGS or part in PRIMARY for part in named)
    rows = frame[frame["setting"] == METRICS[name].primary_setting(settings_of())]
    assert set(rows["method"]) == set(loaded.methods)  # controls, too
    assert rows.groupby("method").size().eq(10).all()
    assert rows["value"].isna().eq(rows["status"].eq("undefined")).all()
    low, high = METRICS[name].range
    slack = 0.5 if name == "normalised_aopc" else 1e-9
    assert rows["value"].dropna().between(low - slack, high + slack).all()
    assert rows[rows["method"] == "hirescam"]["value"].nunique() > 1


@pytest.mark.parametrize("name", FURTHER)
def test_gap_twins_score_exactly_the_same(tmp_path, name):
    shard = make_shard("gap")
    loaded, _, _ = stored_maps(shard, ["gradcam", "hirescam"], tmp_path)
    frame = frame_of(name, shard, loaded)
    one, other = (
        frame[frame["method"] == m].set_index(["setting", "image_id"])["value"]
        for m in ("gradcam", "hirescam")
    )
    assert np.array_equal(one, other.loc[one.index], equal_nan=True)
    assert one.notna().any()


@pytest.mark.parametrize("name", [name for name in FURTHER if METRICS[name].maps == "stored"])
def test_blank_maps_have_a_status_and_constant_ones_no_order(name):
    raw = torch.rand(10, 4, 4) - 0.5
    raw[2], raw[3] = 0, 1
    frame = frame_of(name, make_shard(stop=4), GivenMaps(raw))
    status = frame.groupby("image_id")["status"].agg(set)
    assert status[0] == {"ok"}
    assert status[2] == {"blank_map"}
    assert status[3] == ({"ok"} if name in ("complexity", "sparseness") else {"undefined"})


@pytest.mark.parametrize("name", FURTHER)
def test_a_score_does_not_depend_on_what_else_is_scored(tmp_path, name):
    shard = make_shard(stop=4)
    rows = []
    for methods in (["hirescam"], ["gradcam", "hirescam"]):
        loaded, _, _ = stored_maps(shard, methods, tmp_path)
        found = scored(name, shard, loaded).to_pylist()
        rows.append([row for row in found if row["method"] == "hirescam"])
    assert str(rows[0]) == str(rows[1])
