"""HiResCAM - Grad-CAM by class, and by columns of the user's CSV."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import synthetic
from comparing import table_of

from faithcam.data.tables import SUBGROUPS_OF_IMAGES
from faithcam.report import page
from faithcam.report.subgroup_table import by_group
from faithcam.results import io as tables
from faithcam.statistics import subgroups
from faithcam.statistics.intervals import t_interval


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=synthetic.SMALL)


def found(run, groups=None):
    settings = run.config | {"additive": []}
    return subgroups.compute(run.scores, run.models, run.evaluations, settings, groups or {})


def expected(run, metric, inside, sign):
    """Return the networks' means of a group's paired differences, written down anew."""
    frame = run.scores.to_pandas()
    setting = str(run.evaluations.primary()[metric])
    frame = frame[(frame["metric"] == metric) & (frame["setting"] == setting)]
    frame = frame[(frame["protocol"] == "strict") & (frame["head"] == "flatten")]
    frame = frame[frame["correct"] & (frame["status"] == "ok") & inside(frame)]
    keys = ["architecture", "seed", "image_id"]
    wide = frame.pivot(index=keys, columns="method", values="value")
    differences = sign * (wide["hirescam"] - wide["gradcam"]).dropna()
    return differences.groupby(["architecture", "seed"]).mean()


@pytest.mark.parametrize(("metric", "sign"), [("aopc", 1), ("max_sensitivity", -1)])
def test_each_class_is_the_mean_over_networks_of_its_images(run, metric, sign):
    frame = found(run).to_pandas()
    rows = frame[(frame["metric"] == metric) & (frame["head"] == "flatten")]
    assert list(rows["group"]) == ["0", "1", "2"]
    for _, row in rows.iterrows():
        means = expected(run, metric, lambda f, row=row: f["label"] == int(row["group"]), sign)
        assert row["column"] == "class"
        assert row["n"] == len(means)
        assert row["estimate"] == pytest.approx(means.mean())
        assert (row["low"], row["high"]) == pytest.approx(t_interval(means.to_numpy(), 0.95))


def test_columns_of_the_csv_are_groups_too(run):
    ids = sorted(set(run.scores["image_id"].to_pylist()))
    rows = [{"image_id": i, "column": "sex", "group": "FM"[i % 2]} for i in ids]
    table = pa.Table.from_pylist(rows, SUBGROUPS_OF_IMAGES)
    names = set(run.scores["dataset"].to_pylist())
    frame = found(run, dict.fromkeys(names, table)).to_pandas()
    rows = frame[(frame["metric"] == "aopc") & (frame["head"] == "flatten")]
    assert list(zip(rows["column"], rows["group"], strict=True)) == [
        *(("class", place) for place in "012"), ("sex", "F"), ("sex", "M"),
    ]  # fmt: skip
    means = expected(run, "aopc", lambda f: f["image_id"] % 2 == 0, 1)
    row = rows[rows["group"] == "F"].iloc[0]
    assert (row["estimate"], row["n"]) == (pytest.approx(means.mean()), len(means))
    assert row["images"] <= len([image for image in ids if image % 2 == 0])


def test_the_report_names_classes_and_leaves_gap_out(run):
    names = {name: ["a", "b", "c"] for name in set(run.scores["dataset"].to_pylist())}
    board = by_group(found(run).to_pandas(), names, run.evaluations, run.config)
    assert {row[4] for row in board.rows} == {"a", "b", "c"}
    assert {row[2] for row in board.rows} == {"Flatten"}
    assert board.folded
    assert len(board.rows) == len({tuple(row[:5]) for row in board.rows})
    assert not np.isnan(pd.to_numeric([row[5] for row in board.rows])).any()


def test_classes_have_names_where_each_seed_has_images_of_its_own(run):
    table = found(run)
    manifests = {f"{name}/seed0": {"classes": ["a", "b", "c"]}
                 for name in table["dataset"].unique().to_pylist()}  # fmt: skip
    (board,) = page._by_group(table, {"data": manifests}, run.evaluations, run.config)
    assert {row[4] for row in board.rows} == {"a", "b", "c"}


def test_classes_stand_in_their_own_order(run):
    frame = found(run).to_pandas()
    one = frame[(frame["metric"] == "aopc") & (frame["head"] == "flatten")].head(1)
    many = pd.concat([one.assign(group=str(place)) for place in (10, 2, 0)])
    names = {key: [f"class {place}" for place in range(11)] for key in set(many["dataset"])}
    board = by_group(many, names, run.evaluations, run.config)
    assert [row[4] for row in board.rows] == ["class 0", "class 2", "class 10"]


@pytest.mark.parametrize(
    ("metric", "setting", "expected"),
    [("truth_agreement", "estimand=background;measure=spearman", (1, 0.1)),
     ("insertion", "replicate=0", (2, 0.3))],
)  # fmt: skip
def test_patch_networks_say_nothing_of_the_agreement_with_the_truth(metric, setting, expected):
    networks = {("a", 0): [0.6], ("patch_small", 0): [1.0]}
    values = {key: {"hirescam": value, "gradcam": [0.5]} for key, value in networks.items()}
    scores = table_of(values, setting, metric)
    models = scores.select(tables.IDENTITY).to_pandas().drop_duplicates()
    models = pa.Table.from_pandas(models.assign(included=True, exempt=False))
    known = {"d": {"nested": False, "multi_label": False}}
    settings = {"statistics": {"confidence": 0.95}, "data": known}
    settings |= {"additive": [["d", "patch_small"]]}
    declared = synthetic.evaluations(scores, chosen=[("strict", metric, setting)])
    found = subgroups.compute(scores, models, declared, settings, {})
    (row,) = found.to_pylist()
    assert (row["n"], row["estimate"]) == (expected[0], pytest.approx(expected[1]))
