"""Judgement of whole experiments whose concordance is known."""

import concordant
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from faithcam.core.errors import FaithcamError
from faithcam.core.setting import Setting
from faithcam.metrics import registry
from faithcam.metrics.tables import SCORES
from faithcam.results import io
from faithcam.validity.concordance import c_index
from faithcam.validity.judgement import ESTIMANDS, judge
from faithcam.validity.tables import CONCORDANCE, VERDICTS, gap_columns

STRENGTHS = {"aopc": 2, "grey_aopc": 1, "haas": 0, "max_sensitivity": (None, 2)}
NETWORK = ["dataset", "architecture", "head", "seed"]


def judged(path, files, models, datasets=("real",), declared=None, primary=None, **changes):
    """Return both tables as frames."""
    declared = declared or concordant.declared(datasets)
    settings = concordant.settings(primary or STRENGTHS, datasets, **changes)
    return [table.to_pandas() for table in judge(path, files, models, declared, settings)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return concordant.experiment(tmp_path_factory.mktemp("run"), STRENGTHS)


@pytest.fixture(scope="module")
def tables(run):
    return judged(*run)


def changed(path, folder, where, **columns):
    """Write a file of scores again with other entries in some rows."""
    frame = pq.read_table(path).to_pandas()
    rows = frame.eval(where)
    assert rows.any()
    for name, value in columns.items():
        frame.loc[rows, name] = value
    target = folder / f"changed_{path.name}"
    io.write(target, pa.Table.from_pandas(frame, SCORES, preserve_index=False), SCORES)
    return target


def one(frame, **wanted):
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    (row,) = frame.to_dict("records")
    return row


def test_the_tables_are_what_their_schemas_say(run):
    settings = concordant.settings(STRENGTHS)
    concordance, verdict = judge(*run, concordant.declared(["real"]), settings)
    assert concordance.schema.equals(CONCORDANCE)
    assert verdict.schema.equals(VERDICTS)
    again = judge(*run, concordant.declared(["real"]), settings)
    assert concordance.equals(again[0])
    pd.testing.assert_frame_equal(verdict.to_pandas(), again[1].to_pandas())  # NaN equals NaN


def test_every_network_metric_family_and_estimand_has_a_row(tables):
    rows = tables[0]
    asked = 3 * 2 + 1 + 2 * len(concordant.BLIND)  # max_sensitivity makes its maps itself
    assert len(rows) == 10 * 2 * asked
    assert set(rows.loc[rows["metric"] == "max_sensitivity", "family"]) == {"methods"}
    assert not rows["metric"].isin(["truth_agreement"]).any()
    assert (rows["images"] == 12).all()
    assert (rows["undefined"] == 0).all()
    assert rows["low"].le(rows["concordance"]).all()
    assert rows["high"].ge(rows["concordance"]).all()


def test_a_row_by_hand(run, tables):
    scores = pq.read_table(run[0]).to_pandas()
    scores = scores[scores["seed"] == 4]
    setting = str(concordant.SETTINGS["aopc"])

    def of(metric, text):
        rows = scores[(scores["metric"] == metric) & (scores["setting"] == text)]
        return rows.pivot(index="image_id", columns="method", values="value").to_numpy()

    q = of("truth_agreement", str(concordant.truth("grey")))
    expected = c_index(of("aopc", setting)[None], q, np.stack([q, q]))
    row = one(tables[0], metric="aopc", family="methods", estimand="grey", seed=4)
    assert row["concordance"] == pytest.approx(expected.c.mean(), abs=1e-12)
    assert row["pairs"] == expected.pairs.sum()
    assert row["tied"] == 0
    gaps = np.nanmean(expected.by_gap[:, 0], axis=1)
    assert [row[name] for name in gap_columns()] == pytest.approx(gaps.tolist(), nan_ok=True)
    half = 2.201 * expected.c[0].std(ddof=1) / np.sqrt(12)  # Student's, 11 degrees of freedom
    assert row["high"] == pytest.approx(min(1, expected.c.mean() + half), abs=1e-4)


def test_what_is_smaller_when_better_is_turned_round(tables):
    rows = tables[0].groupby(["metric", "family"])["concordance"].mean()
    assert rows["max_sensitivity", "methods"] > 0.85
    assert rows["aopc", "methods"] > 0.85
    assert rows["haas", "methods"] == pytest.approx(0.5, abs=0.03)


def test_the_floor_is_the_networks_best_blind_metric(tables):
    rows = tables[0]
    blind = rows[rows["metric"] == "blind"]
    for key, part in rows.groupby([*NETWORK, "family", "estimand"]):
        same = blind.set_index([*NETWORK, "family", "estimand"]).loc[key]
        best = same.loc[same["concordance"].idxmax()] if len(same) else None
        known = same[["setting", "concordance"]].set_index("setting")["concordance"]
        assert best is not None
        assert part["floor"].nunique() == 1
        assert part["floor"].iloc[0] == known.max()
        assert f"kind={part['floor_metric'].iloc[0]}" == known.idxmax()


def test_verdicts(tables):
    rows = tables[1]
    assert len(rows) == 4 * 2
    words = rows.set_index(["metric", "estimand"])["word"]
    assert words["aopc", "background"] == words["aopc", "grey"] == "usable"
    assert words["grey_aopc", "background"] == "usable"
    assert words["grey_aopc", "grey"] == "own reference"
    assert words["haas", "grey"] == "undecided"
    assert words["max_sensitivity", "grey"] == "usable"
    chosen = rows[rows["recommended"]]
    assert set(chosen["metric"]) == {"aopc"}
    assert set(rows.loc[rows["in_confidence_set"], "metric"]) == {"aopc"}
    assert (rows["scope"] == "these networks").all()
    assert (rows["networks"] == 10).all()
    assert rows.loc[rows["metric"] == "max_sensitivity", "damaged_difference"].isna().all()
    assert rows["methods_i_squared"].isna().all()


def test_a_verdicts_numbers_are_means_over_networks(tables):
    concordance, verdict = tables
    row = one(verdict, metric="aopc", estimand="grey")
    part = concordance[(concordance["metric"] == "aopc") & (concordance["estimand"] == "grey")]
    for family, of_family in part.groupby("family"):
        assert row[f"{family}_concordance"] == pytest.approx(of_family["concordance"].mean())
        assert row[f"{family}_floor"] == pytest.approx(of_family["floor"].mean())
        difference = (of_family["concordance"] - of_family["floor"]).mean()
        assert row[f"{family}_difference"] == pytest.approx(difference)
    lowest = concordance[concordance["metric"] == "aopc"].groupby(["family", "estimand"])
    assert row["lowest"] == pytest.approx(lowest["concordance"].mean().min())


def test_references_are_those_of_estimands():
    references = {spec.reference for spec in registry.METRICS.values()}
    assert references <= {*ESTIMANDS, "noise", ""}
    assert registry.METRICS["deletion"].reference == "grey"


def test_networks_with_gap_are_judged_only_where_there_are_no_others(run):
    path, files, models = run
    rows = models.to_pylist()
    rows[2]["head"] = "gap"
    concordance, _ = judged(path, files, pa.Table.from_pylist(rows))
    assert set(concordance["seed"]) == set(range(10)) - {2}


def test_an_estimand_outside_the_declared_set_has_numbers_alone(tmp_path):
    names = ("background", "noise")
    run = concordant.experiment(tmp_path, {"aopc": 2}, networks=8, images=5, estimands=names)
    declared = concordant.declared(("real",), ("aopc",), names)
    concordance, verdict = judged(*run, declared=declared, primary=["aopc"])
    assert set(concordance["estimand"]) == {*names}
    assert set(verdict["estimand"]) == {"background"}


def test_only_included_networks_count(run):
    path, files, models = run
    rows = models.to_pylist()
    rows[2]["included"] = rows[7]["included"] = rows[8]["included"] = False
    concordance, verdict = judged(path, files, pa.Table.from_pylist(rows))
    assert set(concordance["seed"]) == set(range(10)) - {2, 7, 8}
    assert set(verdict["word"]) == {"too few networks", "own reference"}
    assert not verdict["recommended"].any()
    assert (verdict["networks"] == 7).all()


def test_one_network_is_judged_over_its_images(tmp_path):
    run = concordant.experiment(tmp_path, STRENGTHS, networks=1, images=30)
    _, verdict = judged(*run)
    assert (verdict["scope"] == "this network").all()
    assert (verdict["networks"] == 30).all()
    assert set(verdict.loc[verdict["metric"] == "aopc", "word"]) == {"usable"}


def test_patients_are_the_unit_where_they_are_known(tmp_path):
    path, files, models = concordant.experiment(tmp_path, STRENGTHS, networks=1, images=30)
    images = {"real": pa.table({"image_id": range(30), "group": [i // 3 for i in range(30)]})}
    declared, settings = concordant.declared(["real"]), concordant.settings(STRENGTHS)
    _, verdict = judge(path, files, models, declared, settings, images)
    assert set(verdict["networks"].to_pylist()) == {10}


def test_images_without_a_truth_do_not_count(run, tmp_path, tables):
    path, files, models = run
    where = "metric == 'truth_agreement' and image_id in [3, 5]"
    less = changed(path, tmp_path, where, value=np.nan, status="undefined")
    concordance, verdict = judged(less, files, models)
    counts = concordance.groupby("family")["images"].agg(set)
    assert counts.to_dict() == {"damaged": {12}, "methods": {10}}
    assert verdict["methods_low"].notna().all()
    same = concordance["family"] == "damaged"
    pd.testing.assert_frame_equal(concordance[same], tables[0][tables[0]["family"] == "damaged"])


def test_undefined_scores_are_counted_but_thesis_keeps_its_values(run, tmp_path):
    path, files, models = run
    where = "metric == 'aopc' and method == 'map3'"
    less = changed(path, tmp_path, where, status="blank_map")
    concordance, _ = judged(less, files, models)
    share = concordance[(concordance["metric"] == "aopc") & (concordance["family"] == "methods")]
    assert share["undefined"].between(1 / 12, 3 / 12).all()  # 11 of 66 pairs, if all count
    where = "metric == 'aopc' and method == 'background.truth'"
    damaged = changed(files[0], tmp_path, where, status="blank_map")
    undefined = judged(path, [damaged], models)[0]
    rows = undefined[(undefined["metric"] == "aopc") & (undefined["family"] == "damaged")]
    assert (rows["undefined"] > 0).tolist() == (rows["estimand"] == "background").tolist()


def test_evaluations_of_the_label_are_judged_on_correct_images(run, tmp_path):
    path, files, models = run
    label = Setting.of(explained_class="label")
    right = changed(files[0], tmp_path, "image_id < 5", correct=False)
    part = pq.read_table(right).to_pandas()
    part = part[part["metric"] == "haas"].assign(setting=str(label), protocol="thesis")
    more = tmp_path / "label.parquet"
    io.write(more, pa.Table.from_pandas(part, SCORES, preserve_index=False), SCORES)
    declared = concordant.declared(["real"], settings={"haas": [("thesis", label)]})
    concordance, _ = judged(path, [right, more], models, declared=declared)
    rows = concordance[(concordance["metric"] == "haas") & (concordance["family"] == "damaged")]
    assert set(rows.loc[rows["protocol"] == "thesis", "images"]) == {7}
    assert set(rows.loc[rows["protocol"] == "strict", "images"]) == {12}


def test_maps_of_the_raw_logit_are_no_candidates(run, tmp_path):
    """Their names are those of the centred logit's, whose distance from the truth is known."""
    path, files, models = run
    logit = concordant.SETTINGS["aopc"].replace(explained_score="logit")
    frames = [pq.read_table(path).to_pandas(), pq.read_table(files[0]).to_pandas()]
    targets = []
    for name, frame in zip(("scores", "candidates"), frames, strict=True):
        rows = frame[frame["metric"] == "aopc"]
        more = [rows.assign(setting=str(logit)), rows.assign(protocol="thesis")]
        targets.append(tmp_path / f"{name}.parquet")
        whole = pa.Table.from_pandas(pd.concat([frame, *more]), SCORES, preserve_index=False)
        io.write(targets[-1], whole, whole.schema)
    settings = [("strict", logit), ("thesis", concordant.SETTINGS["aopc"])]
    declared = concordant.declared(["real"], settings={"aopc": settings})
    concordance, _ = judged(targets[0], targets[1:], models, declared=declared)
    aopc = concordance[concordance["metric"] == "aopc"]
    others = (aopc["protocol"] == "thesis") | (aopc["setting"] == str(logit))
    assert set(aopc.loc[others, "family"]) == {"damaged"}
    assert set(aopc.loc[~others, "family"]) == {"damaged", "methods"}


def test_several_labels_of_an_image_count_together(run, tmp_path):
    path, files, models = run
    frame = pq.read_table(path).to_pandas()
    rng = np.random.default_rng(6)
    second = frame[frame["image_id"] < 6].assign(label=3)
    second["value"] += np.where(second["metric"] == "aopc", rng.normal(0, 2, len(second)), 0)
    several = tmp_path / "labels.parquet"
    whole = pa.Table.from_pandas(pd.concat([frame, second]), SCORES, preserve_index=False)
    io.write(several, whole, whole.schema)
    concordance, _ = judged(several, files, models)
    before, _ = judged(path, files, models)
    of = {"metric": "aopc", "family": "methods", "estimand": "grey", "seed": 1}
    once, twice = one(before, **of), one(concordance, **of)
    assert twice["images"] == once["images"] == 12
    assert twice["pairs"] > once["pairs"]
    assert twice["concordance"] != once["concordance"]
    same = {"metric": "haas"} | {k: v for k, v in of.items() if k != "metric"}
    assert one(concordance, **same)["concordance"] == one(before, **same)["concordance"]


# --- what must not happen -------------------------------------------------------------------------


def test_more_than_twelve_primary_metrics_are_refused(run):
    with pytest.raises(FaithcamError, match=r"concordance.primary: 13 metrics found, at most 12"):
        judged(*run, primary=[f"metric{i}" for i in range(13)])


def test_without_blind_metrics_nothing_is_judged(run, tmp_path):
    path, files, models = run
    none = changed(
        path, tmp_path, "metric == 'blind' and seed == 3", value=np.nan, status="undefined"
    )
    with pytest.raises(FaithcamError, match=r"real, methods, .*, vgg_small/flatten/3: no score"):
        judged(none, files, models)


def test_without_the_halves_of_the_truth_nothing_is_judged(run, tmp_path):
    path, files, models = run
    where = "metric == 'truth_agreement' and setting.str.contains('second')"
    none = changed(path, tmp_path, where, value=np.nan)
    with pytest.raises(FaithcamError, match=r"vgg_small/flatten/0: methods .* none of the halves"):
        judged(none, files, models)


def test_a_broken_gate_stops_the_judge(run, tmp_path):
    path, files, models = run
    where = "setting == 'kind=sparseness' and seed == 3 and method.str.contains('_1_')"
    broken = changed(files[0], tmp_path, where, value=0.41)
    with pytest.raises(FaithcamError, match=r"real, damaged, \w+: sparseness found"):
        judged(path, [broken], models)


def test_without_truths_the_tables_are_empty(run):
    path, files, models = run
    declared = concordant.declared(["real"], estimands=())
    assert [len(table) for table in judged(path, files, models, declared=declared)] == [0, 0]


def test_without_candidates_metrics_are_asked_about_methods_alone(run):
    path, _, models = run
    concordance, verdict = judged(path, [], models)
    assert set(concordance["family"]) == {"methods"}
    own = verdict["word"] == "own reference"
    assert verdict.loc[~own, "reason"].str.startswith("asked about methods alone; ").all()
    assert not verdict["recommended"].any()


# --- several data sets ----------------------------------------------------------------------------


def test_over_data_sets(tmp_path):
    names = tuple(f"set{i}" for i in range(7))
    strengths = {"aopc": 2, "grey_aopc": 1}
    run = concordant.experiment(tmp_path, strengths, names, networks=8, images=5)
    control = ("set6",)
    _, verdict = judged(*run, datasets=names, primary=strengths, control=control)
    assert set(verdict["dataset"]) == {*names, "all"}
    row = one(verdict, dataset="all", metric="aopc", estimand="grey")
    assert row["networks"] == 6  # the control is shown, but does not count
    assert (row["word"], row["scope"], row["recommended"]) == ("confirmed", "data sets", True)
    assert row["reason"].startswith("usable: set0, set1, set2, set3, set4, set5; chosen on set")
    single = verdict[(verdict["metric"] == "aopc") & (verdict["estimand"] == "grey")]
    single = single[single["dataset"].isin(names[:6])]
    expected = single["methods_difference"]
    assert expected.min() < row["methods_difference"] < expected.max()
    assert row["methods_prediction_low"] < row["methods_low"] < row["methods_difference"]
    assert 0 <= row["methods_i_squared"] <= 1
    own = one(verdict, dataset="all", metric="grey_aopc", estimand="grey")
    assert own["own_reference"]
    assert (own["word"], own["recommended"]) == ("", False)


def test_data_sets_that_confirm_are_those_of_the_config(tmp_path):
    names, strengths = ("set0", "set1", "set2"), {"aopc": 2}
    run = concordant.experiment(tmp_path, strengths, names, networks=8, images=5)
    _, verdict = judged(*run, datasets=names, primary=strengths, confirm=["set1"])
    reasons = verdict.loc[verdict["dataset"] == "all", "reason"]
    assert reasons.str.endswith("chosen on set0, set2; confirmed on set1").all()


def test_a_data_set_is_judged_as_if_it_were_alone(tmp_path):
    names, strengths = ("set0", "set1"), {"aopc": 2}
    run = concordant.experiment(tmp_path, strengths, names, networks=8, images=6)
    both = judged(*run, datasets=names, primary=strengths)
    path, files, models = run
    first = models.filter(pc.equal(models["dataset"], "set0"))
    alone = judged(path, files, first, datasets=names[:1], primary=strengths)
    for table, expected in zip(both, alone, strict=True):
        actual = table[table["dataset"] == "set0"].reset_index(drop=True)
        pd.testing.assert_frame_equal(actual, expected)
