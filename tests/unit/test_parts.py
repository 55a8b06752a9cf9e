"""What the parts of images contribute: in one table, over seeds, in the report and its figure."""

from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats
from synthetic import named

from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.figures import part_shapley as figure
from faithcam.figures import style
from faithcam.metrics.tables import PART_SHAPLEY, PART_SHAPLEY_KEY
from faithcam.report import control_tables
from faithcam.report.table import number
from faithcam.results import io as tables
from faithcam.running import collect, plan
from faithcam.statistics.parts import of_networks

DATASETS = ["none", "always"]
SETTINGS = {
    "datasets": ["always", "none", "other"],
    "data": {**{name: {"nested": True} for name in DATASETS}, "other": {"nested": False}},
    "statistics": {"confidence": 0.9},
}
DECOYS = 6


def gold_of(shapley, decoys, dataset="none", architecture="a", head="flatten", seed=0):
    """Return rows of Shapley values {part: (n,)} and of the decoys' falls (2, n, DECOYS)."""
    rows = []
    falls = {f"decoy{d}": decoys[:, :, d] for d in range(DECOYS)}
    for replicate, (part, values) in product((0, 1), [*shapley.items(), *falls.items()]):
        planted = part in shapley
        for i, value in enumerate(values if planted else values[replicate]):
            rows.append(
                {"dataset": dataset, "architecture": architecture, "head": head, "seed": seed}
                | {"image_id": i, "part": part, "replicate": replicate, "area": 9}
                | {"shapley": value if planted else np.nan}
                | {"leave_one_out": 100.0 if planted else value}
                | {"add_one_in": np.nan, "interaction": np.nan, "consistent": True}
            )
    return pa.Table.from_pylist(rows, schema=PART_SHAPLEY)


def models_of(part_shapley, excluded=()):
    known = part_shapley.to_pandas()[list(tables.IDENTITY)].drop_duplicates()
    included = [tuple(key) not in excluded for key in known.to_numpy()]
    return pa.Table.from_pandas(known.assign(included=included), preserve_index=False)


def experiment_of(seeds=3):
    """Return Shapley values of parts of two data sets, two architectures, and its models."""
    actual, rng = [], np.random.default_rng(0)
    for dataset, architecture, seed in product(DATASETS, "ab", range(seeds)):
        marker = 4.0 if dataset == "always" else 0.0
        shapley = {"lesion": 2 + rng.normal(0, 0.3, 5), "marker": marker + rng.normal(0, 0.3, 5)}
        decoys = rng.normal(0, 0.1, (2, 5, DECOYS))
        actual.append(gold_of(shapley, decoys, dataset, architecture, seed=seed))
    part_shapley = pa.concat_tables(actual)
    return part_shapley, models_of(part_shapley)


def test_contributions_by_hand():
    decoys = np.zeros((2, 4, DECOYS))
    decoys[0, :, 0] = 6  # the mean over six decoys and two streams is 0.5
    decoys[0, 3, 0] = -6
    shapley = {"lesion": [1.0, -7, 1, 1], "marker": [2.0, 2, 8, -2]}
    part_shapley = gold_of({part: np.array(values) for part, values in shapley.items()}, decoys)
    actual = of_networks(part_shapley, models_of(part_shapley)).set_index("part")
    assert actual["size"].to_dict() == {"lesion": 2.5, "marker": 3.5, "decoy": 0.5}
    assert actual["mean"].to_dict() == {"lesion": -1, "marker": 2.5, "decoy": 0.25}
    # replicate 0: decoy, lesion, marker, decoy; replicate 1: marker, lesion, marker, marker
    assert actual["strongest"].to_dict() == {"lesion": 2 / 8, "marker": 4 / 8, "decoy": 2 / 8}


def test_a_part_that_is_never_the_strongest_has_the_share_zero():
    part_shapley = gold_of({"lesion": np.ones(2), "marker": np.zeros(2)}, np.zeros((2, 2, DECOYS)))
    actual = of_networks(part_shapley, models_of(part_shapley)).set_index("part")["strongest"]
    assert actual.to_dict() == {"lesion": 1, "marker": 0, "decoy": 0}


def test_excluded_networks_and_gap_heads_do_not_count():
    shapley, decoys = {"lesion": np.ones(2)}, np.zeros((2, 2, DECOYS))
    part_shapley = pa.concat_tables(
        [gold_of(shapley, decoys, head="gap"), *(gold_of(shapley, decoys, seed=s) for s in (0, 1))]
    )
    actual = of_networks(part_shapley, models_of(part_shapley, [("none", "a", "flatten", 1)]))
    assert set(zip(actual["head"], actual["seed"], strict=True)) == {("flatten", 0)}


def test_shards_are_collected_once(tmp_path):
    part_shapley = gold_of({"lesion": np.arange(4.0)}, np.zeros((2, 4, DECOYS)))
    for name, ids in (("b", {0, 1}), ("a", {2, 3})):
        part = part_shapley.filter(pa.compute.field("image_id").isin(list(ids)))
        tables.write(tmp_path / name, part, PART_SHAPLEY)
    files = [str(tmp_path / name) for name in "ab"]
    table = collect.part_shapley(files)
    whole = tables.concatenate([part_shapley], PART_SHAPLEY, PART_SHAPLEY_KEY).to_pandas()
    assert table.to_pandas().equals(whole)
    assert collect.part_shapley(files[::-1]).to_pandas().equals(whole)
    with pytest.raises(ValueError, match="two rows"):
        collect.part_shapley([*files, files[0]])


def test_the_table_is_over_seeds_and_shows_the_shortcut():
    part_shapley, models = experiment_of()
    table = control_tables.gold_table(part_shapley, models, SETTINGS)
    rows = {tuple(row[:2]): row[2:] for row in table.rows}
    assert list(rows) == [(d, p) for d in ("always", "none") for p in ("lesion", "marker", "decoy")]
    sizes = of_networks(part_shapley, models)
    sizes = sizes[(sizes["dataset"] == "always") & (sizes["part"] == "marker")]
    seeds = sizes.groupby("seed")["size"].mean()
    low, high = scipy.stats.t.interval(0.9, 2, seeds.mean(), scipy.stats.sem(seeds))
    n, size, interval, mean, strongest = rows["always", "marker"]
    assert (n, size) == ("3", number(seeds.mean()))
    assert interval == f"{number(low)} to {number(high)}"
    assert (mean, strongest) == (f"+{size}", "100 %")
    assert rows["none", "lesion"][-1] == "100 %"
    assert rows["none", "decoy"][-1] == "0 %"


def test_the_figure_marks_means_over_seeds_and_each_network(tmp_path, monkeypatch):
    figures, save = [], style.Figure.savefig
    monkeypatch.setattr(
        style.Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k))
    )
    part_shapley, models = experiment_of()
    figure.draw(part_shapley, models, SETTINGS, tmp_path / "a.png")
    ax = figures[0].axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["always", "none"]
    sizes = of_networks(part_shapley, models).groupby(["dataset", "part"])["size"]
    means = [line for line in ax.lines if line.get_marker() == "D"]
    parts = list(product(("always", "none"), ("lesion", "marker", "decoy")))
    assert [line.get_ydata()[0] for line in means] == pytest.approx(sizes.mean()[parts].tolist())
    dots = [line for line in ax.lines if line.get_marker() in "osX"]
    for line, part in zip(dots, parts, strict=True):
        assert sorted(line.get_ydata()) == pytest.approx(sorted(sizes.get_group(part)))
    figure.draw(part_shapley, models, SETTINGS, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    figure.draw(part_shapley, models.slice(0, 0), SETTINGS, tmp_path / "b.png")
    assert figures[-1].texts[-1].get_text().startswith("no Shapley values of parts")


def test_gold_is_collected_only_where_parts_are_known():
    def rules(**over):
        base = experiment.read([plan.SCHEMA.resolve().parents[2] / "config.yaml"])
        return {job.rule for job in plan.jobs(Plan(experiment.merged(base, over)))}

    wanted = {"datasets": ["phantom_lesion"], "metrics": ["aopc", "agreement"]}
    assert {"collect_part_shapley", "draw_part_shapley"} <= rules(**wanted)
    for less in ({"datasets": ["phantom"]}, {"metrics": ["aopc"]}):
        assert "collect_part_shapley" not in rules(**wanted | less)


def localised(dataset, mask, kind, method, name, estimate, architecture="all"):
    known = {"dataset": dataset, "architecture": architecture, "head": "flatten", "level": "model"}
    known |= {"metric": "localisation", "setting": named(kind=kind, mask=mask), "n": 3}
    known |= {"method_a": method, "effect_name": name, "estimate": estimate}
    return known | {"low": estimate - 0.1, "high": estimate + 0.1}


def test_localisation_has_a_row_per_mask_and_map():
    rows = [
        localised(dataset, mask, kind, method, name, value + 0.01 * i)
        for dataset, mask in (("none", "lesion"), ("always", "lesion"), ("always", "marker"))
        for method, value in (("gradcam", 0.2), ("hirescam", 0.3))
        for i, (kind, name) in enumerate(
            product(("pointing", "mass", "rank"), ("mean", "empty mask share"))
        )
    ]
    rows += [localised("none", "lesion", "mass", "hirescam", "mean", 0.9, architecture="a")]
    frame = pd.DataFrame(rows)
    table = control_tables.localisation_table(frame, SETTINGS)
    assert [row[:2] for row in table.rows[::2]] == [
        ["always", "lesion"], ["always", "marker"], ["none", "lesion"]
    ]  # fmt: skip
    assert table.rows[0] == [
        *("always", "lesion", "Flatten", "HiResCAM", "3"),
        *("0.300 (0.200 to 0.400)", "0.320 (0.220 to 0.420)", "0.340 (0.240 to 0.440)", "35 %"),
    ]
