"""Metrics that reward faithfulness are called valid, others not, and it is said why."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from judged import (
    CONFIG,
    EVALUATIONS,
    METRICS,
    RERENDERED,
    Scores,
    experiment_of,
    judged_settings,
    of_gauge,
)
from scipy import stats
from synthetic import named

from faithcam.core.setting import Setting
from faithcam.metrics.tables import PART_SHAPLEY, SCORES
from faithcam.results import io as tables
from faithcam.validity import dose, ladder, laws, preferences
from faithcam.validity.case import Case
from faithcam.validity.evidence import read
from faithcam.validity.judge import judge
from faithcam.validity.predictions import CONTROLS
from faithcam.validity.tables import MULTIVERSE, VALIDITY, VALIDITY_KEY

Z = stats.norm.ppf(0.975)
AOPC, SENSITIVITY, HAAS = (judged_settings()[m] for m in METRICS)


@pytest.fixture(scope="module")
def faithful(tmp_path_factory):
    path = tmp_path_factory.mktemp("faithful") / "scores.parquet"
    made = experiment_of(path, dict.fromkeys(METRICS, "faithful"), ("lesion", "real"))
    return judge(*made, EVALUATIONS, CONFIG)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """AOPC rewards smoothness, Max-Sensitivity nothing, HAAS faithfulness; the sham is too like."""
    path = tmp_path_factory.mktemp("others") / "scores.parquet"
    kinds = {"aopc": "smooth", "max_sensitivity": "deaf", "haas": "faithful"}
    made = experiment_of(path, kinds, draws=9)
    return judge(*made, EVALUATIONS, CONFIG)


def rows(tables_, **wanted):
    frame = tables_[0].to_pandas()
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    return frame


def outcomes(tables_, **wanted):
    return rows(tables_, **wanted).set_index("control")["outcome"]


def test_a_metric_of_faithfulness_is_valid(faithful):
    verdicts = rows(faithful, dataset="lesion", control="verdict")
    assert len(verdicts) == 6
    assert set(verdicts["outcome"]) == {"valid"}
    decided = rows(faithful, dataset="lesion")
    decided = decided[decided["role"].isin(["required", "control", "positive"])]
    assert set(decided["outcome"]) == {"pass"}
    declared = {c.name for c in CONTROLS if c.role != "descriptive"}
    assert set(decided["control"]) == declared


def test_without_a_known_truth_a_metric_is_not_called_valid(faithful):
    verdicts = rows(faithful, dataset="real", control="verdict")
    assert set(verdicts["outcome"]) == {"inconclusive"}
    assert set(verdicts["reason"]) == {
        "not passed: agreement (not measured), perfect_imputer (not measured)"
    }
    assert set(rows(faithful, dataset="all")["outcome"]) == {"valid"}


def test_a_metric_of_smoothness_is_not_valid(others):
    for protocol in ("thesis", "strict"):
        actual = outcomes(others, dataset="lesion", metric="aopc", protocol=protocol)
        assert actual["verdict"] == "not valid"
        for name in ("sham", "sham_not_over_gradcam", "centre", "template"):
            assert actual[name] == "fail", name
        assert actual["agreement"] != "pass"
        assert actual["smoothness"] == "reported", "no preference for HiResCAM to lose"
    assert outcomes(others, dataset="all", metric="aopc", protocol="strict")["verdict"] == (
        "not valid"
    )
    strict = outcomes(others, dataset="lesion", metric="aopc", protocol="strict")
    assert strict["dose"] == "fail"
    assert set(strict[["damage_noise", "damage_shift", "damage_inversion"]]) == {"reported"}


def test_a_metric_that_does_not_care_is_not_valid(others):
    actual = rows(others, dataset="lesion", metric="max_sensitivity", protocol="strict")
    actual = actual.set_index("control")
    assert actual.loc["sham", "outcome"] == "fail"
    assert "no difference: the interval lies within +-0.05" in actual.loc["sham", "reason"]
    assert actual.loc["agreement", "outcome"] == "fail"
    assert actual.loc["agreement", "estimate"] == 0.5
    assert actual.loc["sham_not_over_gradcam", "outcome"] == "pass"
    assert actual.loc["verdict", "outcome"] == "not valid"


def test_the_tables_are_typed_sorted_and_whole(faithful):
    validity, multiverse = faithful
    assert validity.schema.equals(VALIDITY, check_metadata=True)
    assert multiverse.schema.equals(MULTIVERSE, check_metadata=True)
    keys = list(zip(*(validity[name].to_pylist() for name in VALIDITY_KEY), strict=True))
    assert keys == sorted(set(keys))
    assert all(text for text in validity["reason"].to_pylist())


def test_the_damage_ladder_needs_ten_draws(faithful, others):
    ten = rows(faithful, dataset="lesion", metric="aopc", control="damage_noise")
    assert set(ten["outcome"]) == {"pass"}
    assert list(ten["setting"]) == [
        f"ladder=noise;metric=aopc;truth={truth}" for truth in ("feature_aopc", "rerendered")
    ]
    nine = rows(others, dataset="lesion", metric="aopc", control="damage_noise")
    assert set(nine["reason"]) == {"9 draws, fewer than 10"}
    assert (nine["low"] > 0).all(), "a metric of smoothness rises"
    sensitivity = rows(faithful, metric="max_sensitivity", control="damage_noise")
    assert set(sensitivity["role"]) == {"descriptive"}
    assert (sensitivity["high"] < 0).all(), "oriented: larger is better"


def test_reliability_and_convergence(faithful):
    actual = rows(faithful, dataset="lesion", protocol="strict", control="reliability")
    assert dict(zip(actual["metric"], actual["setting"], strict=True)) == {
        "aopc": "draws=20",
        "max_sensitivity": "blocks=2;samples=10",
    }
    aopc = rows(faithful, dataset="lesion", metric="aopc", control="convergence")
    assert set(aopc["setting"]) == {f"draws={n}" for n in range(1, 21)}
    width = (aopc["high"] - aopc["low"]).to_numpy()[aopc["setting"].isin(["draws=1", "draws=20"])]
    assert width[1] < width[0]
    samples = rows(faithful, dataset="lesion", metric="max_sensitivity", control="convergence")
    assert set(samples["setting"]) == {f"samples={n}" for n in (5, 10, 20)}
    assert (samples["estimate"] > 0).all(), "oriented: larger is better"


# --- small cases by hand ---


def case_of(scores, tmp_path, metric="aopc", protocol="strict"):
    made = scores.write(tmp_path / "scores.parquet")
    ((_, actual),) = read(*made, EVALUATIONS, CONFIG)
    return Case(actual, protocol, metric, Setting.parse(judged_settings(protocol)[metric]))


def estimate(control, case):
    ((actual),) = control(case)
    return actual.estimate


PREFERENCE = preferences.difference("hirescam", "gradcam")


def add_pair(scores, metric, setting, hirescam, gradcam, **more):
    status = more.pop("statuses", ("ok", "ok"))
    for method, values, kind in zip(
        ("hirescam", "gradcam"), (hirescam, gradcam), status, strict=True
    ):
        scores.add(metric, setting, method, values, kind, **more)


def test_wrong_predictions_count_where_the_protocol_says_so(tmp_path):
    scores = Scores()
    for seed, exempt in ((0, False), (1, True)):
        scores.network("real", "vgg_small", "flatten", seed, [True, True, False], exempt)
        for metric, setting in (("aopc", AOPC), ("max_sensitivity", SENSITIVITY), ("haas", HAAS)):
            add_pair(scores, metric, setting, [1, 2, 9], [0, 0, 0])
    for metric, expected in (
        ("aopc", (1.5 + 4) / 2),
        ("max_sensitivity", -(1.5 + 4) / 2),
        ("haas", 4),
    ):
        actual = estimate(PREFERENCE, case_of(scores, tmp_path, metric))
        assert actual.n == 2
        assert actual.estimate == pytest.approx(expected), metric


def test_excluded_networks_are_left_out(tmp_path):
    scores = Scores()
    for seed in range(3):
        scores.network("real", "vgg_small", "flatten", seed, [True], included=seed != 2)
        add_pair(scores, "aopc", AOPC, [seed + 1], [0])
    assert estimate(PREFERENCE, case_of(scores, tmp_path)).estimate == 1.5


def test_blank_maps_are_dropped_by_strict_and_kept_by_thesis(tmp_path):
    thesis = judged_settings("thesis")["aopc"]
    scores = Scores()
    scores.network("real", "vgg_small", "flatten", 0, [True, True])
    statuses = (["ok", "blank_map"], "ok")
    add_pair(scores, "aopc", AOPC, [1, 3], [0, 0], statuses=statuses)
    add_pair(scores, "aopc", thesis, [1, 3], [0, 0], statuses=statuses, protocol="thesis")
    assert estimate(PREFERENCE, case_of(scores, tmp_path)).estimate == 1
    assert estimate(PREFERENCE, case_of(scores, tmp_path, protocol="thesis")).estimate == 2


def test_networks_that_share_images_are_one_unit(tmp_path):
    for dataset, n in (("lesion", 2), ("real", 4)):
        scores = Scores()
        for seed in range(2):
            for bonus, architecture in enumerate(("resnet_small", "vgg_small")):
                scores.network(dataset, architecture, "flatten", seed, [True])
                add_pair(scores, "aopc", AOPC, [seed + 2 * bonus], [0])
                second = AOPC.replace("replicate=0", "replicate=1")
                add_pair(scores, "aopc", second, [seed], [0])
        actual = estimate(PREFERENCE, case_of(scores, tmp_path))
        assert (actual.n, actual.estimate) == (n, 1.5)
        # changes: 0 and 2 in either seed, by unit 1 and 1, or 0, 2, 0, 2
        assert actual.floor == pytest.approx(Z * np.sqrt(2 if n == 2 else 8) / n)


def test_a_truth_is_compared_where_the_class_is_the_one_it_is_about(tmp_path):
    thesis = judged_settings("thesis")["haas"]
    scores = Scores()
    correct = np.arange(40) < 30
    scores.network("lesion", "vgg_small", "flatten", 0, correct)
    truth = np.where(np.arange(40) % 2, 1.0, -1.0)
    says = np.where(correct, truth, -truth)  # the label's map says the opposite
    for protocol, setting in (("strict", HAAS), ("thesis", thesis)):
        add_pair(scores, "haas", setting, says, 0 * says, protocol=protocol)
        perfect = of_gauge(RERENDERED, protocol)
        add_pair(scores, "aopc", perfect, truth, 0 * truth)
    for protocol, expected in (("strict", 0.75), ("thesis", 1.0)):
        actual = estimate(preferences.perfect_imputer, case_of(scores, tmp_path, "haas", protocol))
        assert actual.estimate == expected, protocol


def test_gold_counts_where_it_exceeds_the_noise_of_the_decoys(tmp_path):
    scores = Scores()
    scores.network("lesion", "vgg_small", "flatten", 0, [True] * 24)
    part_shapley = np.tile([1.0, -1.0], 12)
    metric = part_shapley.copy()
    first, second = part_shapley.copy(), part_shapley.copy()
    first[:4] *= 5  # mean 3, difference between the streams 4: too noisy
    metric[:4] *= -1
    add_pair(scores, "aopc", AOPC, metric, 0 * metric)
    for replicate, values in enumerate((first, second)):
        add_pair(scores, "agreement", f"replicate={replicate}", values, 0 * values)
    assert estimate(preferences.agreement, case_of(scores, tmp_path)).estimate == 1


def orders(seed, consistent, parts):
    """Return Shapley values of parts: whether the parts' orders agree, how many there are."""
    return [
        {"dataset": "lesion", "architecture": "vgg_small", "head": head, "seed": seed}
        | {"image_id": i, "part": part, "replicate": replicate, "area": 9, "leave_one_out": 0.0}
        | {"shapley": np.nan if part == "decoy0" else 1.0, "consistent": bool(agree)}
        for i, agree in enumerate(consistent)
        for part in (*("lesion", "marker", "suppressor")[:parts], "decoy0")
        for replicate in (0, 1)
        for head in ("flatten", "gap")
    ]


def orders_case(tmp_path, *networks):
    """Return a case whose metric agrees with the parts just where their orders agree."""
    scores, actual = Scores(), []
    for seed, (consistent, parts) in enumerate(networks):
        truth = np.tile([1.0, -1.0], len(consistent) // 2)
        says = np.where(consistent, truth, -truth)
        scores.network("lesion", "vgg_small", "flatten", seed, [True] * len(truth))
        add_pair(scores, "aopc", AOPC, says, 0 * says)
        for replicate in (0, 1):
            add_pair(scores, "agreement", f"replicate={replicate}", truth, 0 * truth)
        actual += orders(seed, consistent, parts)
    part_shapley = pa.Table.from_pylist([*actual, *orders(9, [True], 3)], schema=PART_SHAPLEY)
    made = scores.write(tmp_path / "scores.parquet")
    return (
        part_shapley,
        made,
        Case(
            dict(read(*made, EVALUATIONS, CONFIG, part_shapley))["lesion"],
            "strict",
            "aopc",
            Setting.parse(AOPC),
        ),
    )


def test_images_whose_parts_orders_disagree_are_counted_and_analysed_apart(tmp_path):
    disagree = np.arange(40) < 10
    part_shapley, made, case = orders_case(tmp_path, (~disagree, 3), ([True] * 40, 3))
    assert estimate(preferences.part_shapley_inconsistent, case).estimate == (10 / 40 + 0) / 2
    agree, differ = (
        estimate(preferences.agreement_where(consistent=c), case) for c in (True, False)
    )
    assert (agree.n, agree.estimate) == (2, 1)
    assert (differ.n, differ.estimate) == (1, 0)  # of the second network no image disagrees
    assert estimate(preferences.agreement, case).estimate == pytest.approx((0.75 + 1) / 2)
    actual = rows(judge(*made, EVALUATIONS, CONFIG, part_shapley)).set_index("control")
    named = ["part_shapley_inconsistent", "agreement_consistent", "agreement_inconsistent"]
    assert actual.loc[named, "role"].eq("descriptive").all()
    assert actual.loc[named, "n"].tolist() == [2, 2, 1]


@pytest.mark.parametrize(("parts", "counted"), [(2, False), (3, True)])
def test_there_is_nothing_to_analyse_apart_where_all_orders_agree(tmp_path, parts, counted):
    _, made, case = orders_case(tmp_path, ([True] * 20, parts))
    assert bool(preferences.part_shapley_inconsistent(case)) == counted
    for consistent in (True, False):
        assert preferences.agreement_where(consistent=consistent)(case) == []
    without = Case(
        dict(read(*made, EVALUATIONS, CONFIG))["lesion"], "strict", "aopc", Setting.parse(AOPC)
    )
    assert preferences.part_shapley_inconsistent(without) == []


def laws_case(tmp_path, changes=(), metric="aopc"):
    """Return a case in which every law holds but for the given rows."""
    scores = Scores()
    broken = dict(changes)
    for head in ("flatten", "gap"):
        scores.network("real", "vgg_small", head, 0, [True, False])
        rows_of_law = {
            ("aopc", AOPC, "hirescam"): [1.0, 2.0],
            ("aopc", AOPC, "gradcam"): [1.0, 2.0],
            ("aopc", AOPC, "completed_gradcam"): [1.0, 2.0],
            ("haas", HAAS, "hirescam"): [1.0, 1.0],
            ("haas", HAAS, "gradcam"): [1.0, 1.0],
            ("haas", "explained_class=predicted;outcome=kept", "null_blank"): [1.0, 1.0],
            ("feature_aopc", "order=morf", "hirescam"): [3.0, -1.0],
            ("feature_aopc", "order=morf", "random"): [3.0, -2.0],
            ("dose_response", "kind=share;metric=dead_zone", "hirescam"): [0.0, 0.0],
            ("patch_net", "imputer=noise;output=logit", "oracle"): [2.0, -1.0],
            ("patch_net", "imputer=noise;output=logit", "hirescam"): [1.0, -1.0],
        }
        for t in (0.0, 0.25, 1.0):
            for method, gain in (("hirescam", t), ("gradcam", 0.0)):
                setting = named(metric="feature_aopc", t=t)
                rows_of_law["dose_response", setting, method] = [1 + gain, 2 + gain]
        for (metric_, setting, method), values in rows_of_law.items():
            values = broken.get((head, metric_, setting, method), values)
            scores.add(metric_, setting, method, values)
    return case_of(scores, tmp_path, metric)


BREAKS = [
    (laws.gap_twins, "aopc", ("gap", "aopc", AOPC, "gradcam"), [1.0, 2.1], 1),
    (laws.haas_blank, "haas",
     ("gap", "haas", "explained_class=predicted;outcome=kept", "null_blank"), [1.0, 0.0], 1),
    (laws.feature_space, "aopc",
     ("flatten", "feature_aopc", "order=morf", "random"), [4.0, -2.0], 1 / 4),
    (laws.feature_space, "aopc",
     ("flatten", "feature_aopc", "order=morf", "random"), [3.0, -0.5], 0.5 / 3),
    (laws.completed_ranks, "aopc", ("flatten", "aopc", AOPC, "completed_gradcam"), [1.5, 2.0], 1),
    (laws.dead_zone, "aopc",
     ("flatten", "dose_response", "kind=share;metric=dead_zone", "hirescam"), [0.0, 0.2], 0.2),
    (laws.patch_net, "aopc",
     ("flatten", "patch_net", "imputer=noise;output=logit", "hirescam"), [4.0, -1.0], 1 / 2),
    # D(0) is not 0; D falls; D is not convex
    (laws.feature_dose, "aopc",
     ("flatten", "dose_response", "metric=feature_aopc;t=0.0", "hirescam"), [0.5, 2.0], 0.25),
    (laws.feature_dose, "aopc",
     ("flatten", "dose_response", "metric=feature_aopc;t=0.25", "hirescam"), [0.8, 2.25], 0.1),
    (laws.feature_dose, "aopc",
     ("flatten", "dose_response", "metric=feature_aopc;t=0.25", "hirescam"), [1.45, 2.25], 0.1),
]  # fmt: skip


@pytest.mark.parametrize(("law", "metric", "where", "values", "worst"), BREAKS)
def test_laws_hold_and_the_worst_violation_is_found(tmp_path, law, metric, where, values, worst):
    for actual in law(laws_case(tmp_path, metric=metric)):
        assert actual.estimate.estimate == pytest.approx(0, abs=1e-12)
        assert actual.estimate.n > 0
    assert estimate(law, laws_case(tmp_path, {where: values}, metric)).estimate == (
        pytest.approx(worst)
    )


def test_laws_are_judged_by_their_tolerance(tmp_path):
    scores, models = experiment_of(
        tmp_path / "a.parquet", dict.fromkeys(METRICS, "faithful"), seeds=2, images=16, draws=1
    )
    frame = tables.read(scores).to_pandas()
    chosen = (frame["head"] == "gap") & (frame["method"] == "gradcam")
    chosen &= frame["setting"] == AOPC
    frame.loc[frame.index[chosen][:3], "value"] += 1e-9
    path = tmp_path / "b.parquet"
    tables.write(path, {name: frame[name].tolist() for name in frame}, SCORES)
    actual = rows(
        judge(path, models, EVALUATIONS, CONFIG), metric="aopc", protocol="strict", dataset="lesion"
    )
    replica = actual[actual["control"] == "gap_twin"].iloc[0]
    assert (replica["outcome"], replica["estimate"]) == ("fail", 3)
    assert "gap_twin" in actual[actual["control"] == "verdict"]["reason"].iloc[0]


@pytest.mark.parametrize(
    ("similarity", "outcome", "remark"),
    [
        (0.49, "pass", "Spearman(HiResCAM, sham) = 0.49"),
        (0.5, "reported", "not informative: Spearman(HiResCAM, sham) = 0.50, not below 0.5"),
        (np.nan, "pass", "Spearman(HiResCAM, sham) is not known"),
    ],
)
def test_a_sham_decides_only_if_it_differs_from_hirescam(tmp_path, similarity, outcome, remark):
    made = experiment_of(
        tmp_path / "scores.parquet",
        dict.fromkeys(METRICS, "faithful"),
        seeds=3,
        images=30,
        similarity=similarity,
        draws=1,
    )
    actual = rows(
        judge(*made, EVALUATIONS, CONFIG | {"protocols": ["thesis"]}),
        dataset="lesion",
        metric="aopc",
    )
    actual = actual.set_index("control")
    assert actual.loc["sham", "outcome"] == outcome
    assert remark in actual.loc["sham", "reason"]
    expected = "valid" if outcome == "pass" else "inconclusive"
    assert actual.loc["verdict", "outcome"] == expected


def smooth_case(tmp_path, metric_gain, feature_gain, smooth_gain):
    scores = Scores()
    for seed in range(3):
        scores.network("real", "vgg_small", "flatten", seed, [True])
        near = 0.01 * seed
        add_pair(scores, "aopc", AOPC, [metric_gain + near], [0])
        scores.add("aopc", AOPC, "hirescam_as_smooth_as_gradcam", [smooth_gain + near])
        add_pair(scores, "feature_aopc", "order=morf", [1], [0])
        smooth = [feature_gain + near]
        scores.add("feature_aopc", "order=morf", "hirescam_as_smooth_as_gradcam", smooth)
    path, models = scores.write(tmp_path / "scores.parquet")
    actual = rows(judge(path, models, EVALUATIONS, CONFIG), control="smoothness")
    return actual["outcome"].item()


def test_a_lost_advantage_counts_where_it_should_have_survived(tmp_path):
    assert smooth_case(tmp_path, 1, 1, 1) == "pass"
    assert smooth_case(tmp_path, 1, 1, -1) == "fail"
    assert smooth_case(tmp_path, 1, 0, -1) == "reported", "lost in feature space, too"
    assert smooth_case(tmp_path, 0, 1, -1) == "reported", "there was none"


def test_slopes_over_the_dose_are_compared_with_the_shams(tmp_path):
    scores = Scores()
    for seed in range(2):
        scores.network("real", "vgg_small", "flatten", seed, [True, True, False])
        add_pair(scores, "max_sensitivity", SENSITIVITY, [1] * 3, [1] * 3)
        for t in (0.0, 0.5, 1.0):
            for method, gain, dose_ in (
                ("hirescam", -0.6, 0.5),
                ("sham", -0.1, 1.0),
                ("gradcam", 0, 0),
            ):
                setting = named(metric="max_sensitivity", t=t)
                values = np.array([1, 3, 99]) + gain * t
                scores.add("dose_response", setting, method, values)
                setting = named(kind="norm", metric="dose", t=t)
                scores.add("dose_response", setting, method, [dose_ * t] * 3)
    actual = estimate(dose.sham_slopes, case_of(scores, tmp_path, "max_sensitivity"))
    # less is better: HiResCAM gains .6 over a dose of .5, its sham .1 over a dose of 1
    assert actual.estimate == pytest.approx(1.2 - 0.1)
    assert np.isnan(dose.slope(np.ones(3), np.arange(3.0)))


def test_only_the_rows_that_are_needed_are_read(tmp_path):
    scores = Scores()
    scores.network("real", "vgg_small", "flatten", 0, [True])
    add_pair(scores, "aopc", AOPC, [1], [0])
    add_pair(scores, "aopc", AOPC + ";fraction=0.1", [1], [0])
    add_pair(scores, "localisation", "kind=mass;mask=lesion", [1], [0])
    add_pair(scores, "haas", "explained_class=label", [1], [0])
    made = scores.write(tmp_path / "scores.parquet")
    ((_, evidence),) = read(*made, EVALUATIONS, CONFIG)
    assert len(evidence.rows("aopc")) == 2
    assert len(evidence.rows("haas")) == 2
    assert evidence.rows("localisation").empty


def test_a_run_without_controls_is_inconclusive(tmp_path):
    scores = Scores()
    for seed in range(3):
        scores.network("real", "vgg_small", "flatten", seed, [True] * 3)
        add_pair(scores, "aopc", AOPC, [1, 2, 3 + seed], [0, 0, 0])
    actual = rows(judge(*scores.write(tmp_path / "scores.parquet"), EVALUATIONS, CONFIG))
    assert set(actual["control"]) == {"preference", "verdict"}
    assert set(actual[actual["control"] == "verdict"]["outcome"]) == {"inconclusive"}
    assert isinstance(actual, pd.DataFrame)


def test_a_metric_that_is_blind_to_damage_does_not_pass_a_ladder(tmp_path):
    scores = Scores()
    for seed in range(3):
        scores.network("real", "vgg_small", "flatten", seed, [True] * 5)
        add_pair(scores, "aopc", AOPC, [1] * 5, [0] * 5)
        for step, draw in [(0, 0), *((s, d) for s in (1, 2) for d in range(10))]:
            # image 0 is ranked as it should be, the others all the same; 4 has no damage
            says = [-step, 7, 7, 7, -step]
            for metric, values in (("aopc", says), ("feature_aopc", [-step] * 4 + [3])):
                text = named(draw=draw, ladder="noise", metric=metric, step=step)
                scores.add("damage_ladder", text, "hirescam", values)
    actual = estimate(ladder.damage("noise"), case_of(scores, tmp_path))
    assert actual.estimate == pytest.approx(-1 / 4)


def test_margins_are_in_the_units_of_the_primary_settings(tmp_path):
    scores = Scores()
    for seed in range(3):
        scores.network("real", "vgg_small", "flatten", seed, [True])
        for protocol in ("thesis", "strict"):
            for metric, setting in judged_settings(protocol).items():
                for method in ("hirescam", "gradcam", "sham"):
                    near = 1e-4 * (seed - 1) * (method == "hirescam")
                    scores.add(metric, setting, method, [1 + near], protocol=protocol)
    judged = judge(*scores.write(tmp_path / "scores.parquet"), EVALUATIONS, CONFIG)
    actual = rows(judged, dataset="real", control="sham").set_index(["protocol", "metric"])
    thesis = actual.loc[("thesis", "max_sensitivity")]
    assert (thesis["outcome"], thesis["threshold"]) == ("inconclusive", 0), "an absolute norm"
    assert set(actual.drop(("thesis", "max_sensitivity"))["outcome"]) == {"fail"}


def controls_of(tmp_path, differences, metric="aopc"):
    """Return the rows of a metric by control, on three networks of ``lesion``.

    Args:
        differences: by (metric, setting), what each method's score is, beside a small spread.
    """
    scores = Scores()
    for seed in range(3):
        scores.network("lesion", "vgg_small", "flatten", seed, [True] * 12)
        for (name, setting), methods in differences.items():
            for method, values in methods.items():
                values = np.broadcast_to(np.asarray(values, float), 12) + 1e-3 * seed
                scores.add(name, setting, method, values)
    judged = judge(*scores.write(tmp_path / "scores.parquet"), EVALUATIONS, CONFIG)
    actual = rows(judged, dataset="lesion", metric=metric, protocol="strict")
    return actual.set_index("control")


PREFERS_SHAM = {("aopc", AOPC): {"hirescam": 3, "sham": 2, "gradcam": 1}}
SHAM_IS_BETTER = {"hirescam": 3, "sham": 2, "gradcam": 1}


@pytest.mark.parametrize(
    ("truth", "where"),
    [
        (("feature_aopc", "order=morf"), "in feature space"),
        (("aopc", RERENDERED), "with the perfect imputer"),
    ],
)
def test_a_sham_that_is_the_better_map_may_be_preferred(tmp_path, truth, where):
    actual = controls_of(tmp_path, PREFERS_SHAM)
    assert actual.loc["sham_not_over_gradcam", "outcome"] == "fail"
    actual = controls_of(tmp_path, PREFERS_SHAM | {truth: SHAM_IS_BETTER})
    assert actual.loc["sham_not_over_gradcam", "outcome"] == "reported"
    assert where in actual.loc["sham_not_over_gradcam", "reason"]
    assert actual.loc["verdict", "outcome"] == "inconclusive"


def test_a_truth_that_speaks_for_the_sham_is_no_failure_of_a_metric(tmp_path):
    truth = ("aopc", RERENDERED)
    actual = controls_of(tmp_path, PREFERS_SHAM | {truth: {"hirescam": 1, "sham": 2, "gradcam": 2}})
    assert actual.loc["perfect_imputer_sham", "high"] < 0
    assert actual.loc["perfect_imputer_sham", "outcome"] == "reported"
    assert "perfect_imputer_sham" not in actual.loc["verdict", "reason"]


@pytest.mark.parametrize(("alike", "outcome"), [(0.49, "fail"), (0.51, "reported")])
def test_a_wrong_map_that_is_like_hirescam_decides_nothing(tmp_path, alike, outcome):
    same = {"hirescam": 1, "gradcam": 1, "completed_gradcam": np.linspace(1.1, 1.3, 12)}
    spearman = {"completed_gradcam": np.full(12, alike) - 1e-3}
    actual = controls_of(
        tmp_path, {("aopc", AOPC): same, ("similarity", "kind=spearman"): spearman}
    )
    assert actual.loc["completed_gradcam", "outcome"] == outcome


def test_a_wrong_map_that_the_perfect_imputer_prefers_decides_nothing(tmp_path):
    preferred = {"hirescam": 1, "gradcam": 1, "centre": 2}
    metric, truth = ("aopc", AOPC), ("aopc", RERENDERED)
    actual = controls_of(tmp_path, {metric: preferred, truth: preferred | {"centre": 0}})
    assert actual.loc["centre", "outcome"] == "fail"
    actual = controls_of(tmp_path, {metric: preferred, truth: preferred})
    assert actual.loc["centre", "outcome"] == "reported"
    assert "perfect imputer" in actual.loc["centre", "reason"]


def test_the_thesis_is_compared_with_truths_about_its_own_maps(tmp_path):
    scores = Scores()
    scores.network("lesion", "vgg_small", "flatten", 0, [True] * 40)
    truth = np.tile([1.0, -1.0], 20)
    for protocol, sign in (("strict", 1), ("thesis", -1)):
        setting = judged_settings(protocol)["aopc"]
        add_pair(scores, "aopc", setting, truth, 0 * truth, protocol=protocol)
        perfect = of_gauge(RERENDERED, protocol)
        add_pair(scores, "aopc", perfect, sign * truth, 0 * truth)
        for replicate in (0, 1):
            part_shapley = of_gauge(f"replicate={replicate}", protocol)
            add_pair(scores, "agreement", part_shapley, sign * truth, 0 * truth)
    for protocol, expected in (("strict", 1), ("thesis", 0)):
        case = case_of(scores, tmp_path, "aopc", protocol)
        for measure in (preferences.perfect_imputer, preferences.agreement):
            assert estimate(measure, case).estimate == expected, protocol


def test_rounding_is_no_preference_of_the_perfect_imputer(tmp_path):
    scores = Scores()
    scores.network("lesion", "vgg_small", "flatten", 0, [True] * 40)
    truth = np.tile([1.0, -1.0], 20)
    says = truth.copy()
    truth[:20] *= 1e-8  # of scores around 5
    says[:20] *= -1
    add_pair(scores, "aopc", AOPC, says, 0 * says)
    add_pair(scores, "aopc", RERENDERED, 5 + truth, 5 + 0 * truth)
    assert estimate(preferences.perfect_imputer, case_of(scores, tmp_path)).estimate == 1


def test_an_agreement_of_ties_fails_but_for_haas(tmp_path):
    truth = np.tile([1.0, -1.0], 6)
    part_shapley = {
        ("agreement", f"replicate={s}"): {"hirescam": truth, "gradcam": 0} for s in (0, 1)
    }
    tied = {("aopc", AOPC): {"hirescam": 0, "gradcam": 0}}
    tied |= {("haas", HAAS): {"hirescam": 0, "gradcam": 0}}
    for metric, outcome in (("aopc", "fail"), ("haas", "inconclusive")):
        actual = controls_of(tmp_path, part_shapley | tied, metric)
        assert actual.loc["agreement", "outcome"] == outcome, metric


def test_networks_that_need_no_accuracy_are_asked_whether_their_prediction_is_kept():
    haas = {name: judged_settings("strict", name)["haas"] for name in ("lesion", "untrained")}
    assert haas == {"lesion": HAAS, "untrained": f"{HAAS};outcome=kept"}
    assert judged_settings("thesis", "untrained") == judged_settings("thesis")
