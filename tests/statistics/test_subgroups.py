"""HiResCAM - Grad-CAM by class, and by columns of the user's CSV."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import synthetic

from faithcam.report.subgroup_table import by_group
from faithcam.results.io import TEXT
from faithcam.statistics import subgroups
from faithcam.statistics.intervals import t_interval


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=synthetic.SMALL)


def found(run, images=None):
    asked = (run.scores, run.models, run.evaluations, run.config, images or {})
    return subgroups.compute(*asked)


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
    sex = {image: "FM"[image % 2] for image in ids}
    column = pa.array([[("sex", sex[image])] for image in ids], pa.map_(TEXT, TEXT))
    table = pa.table({"image_id": ids, "further": column})
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
