import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import synthetic
from scipy import stats

from faithcam import tables
from faithcam.answer import Counts, answer, published_claims
from faithcam.statistics import (
    better,
    compute,
    primary_settings,
    sign_flip,
    smallest_p,
    thesis_settings,
)

PRIMARY = primary_settings(synthetic.CONFIG)
PUBLISHED = thesis_settings(synthetic.CONFIG)


@pytest.fixture(scope="module")
def run():
    return synthetic.run()


@pytest.fixture(scope="module")
def result(run):
    return compute(run.scores, run.models, run.config)


def rows(table, **wanted):
    chosen = [r for r in table.to_pylist() if all(r[k] == v for k, v in wanted.items())]
    return sorted(chosen, key=lambda r: r["seed"])


def one(table, **wanted):
    found = rows(table, **wanted)
    assert len(found) == 1, found
    return found[0]


PAIR = {"method_a": "hirescam", "method_b": "gradcam"}


def one_network(
    values, statuses=None, protocol="strict", metric="aopc", head="flatten", correct=None
):
    """Scores of one model: {method: per-image values}."""
    setting = (PRIMARY if protocol == "strict" else PUBLISHED)[metric]
    lines = []
    for method, numbers in values.items():
        status = (statuses or {}).get(method, ["ok"] * len(numbers))
        for i, number in enumerate(numbers):
            right = correct is None or bool(correct[i])
            fixed = ("d", "a", head, 0, protocol, metric, setting, method, i, 1)
            lines.append((*fixed, int(right), right, float(number), status[i]))
    columns = dict(zip(tables.SCORES.names, zip(*lines, strict=True), strict=True))
    scores = pa.table({k: list(v) for k, v in columns.items()}, schema=tables.SCORES)
    model = {"dataset": "d", "architecture": "a", "head": head, "seed": 0, "included": True}
    return compute(scores, pa.Table.from_pylist([model]), synthetic.CONFIG)


# --- sign-flip test ---


@pytest.mark.parametrize("n", [2, 3, 6, 9])
def test_sign_flip_equals_scipy(n):
    differences = np.random.default_rng(n).normal(0.5, 1, n)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_flip(differences) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 6, 20, 33])
def test_sign_flip_reaches_its_smallest_p_when_all_differences_agree(n):
    assert sign_flip(np.linspace(1, 2, n)) == smallest_p(n)


def test_six_networks_reach_p_031():
    assert smallest_p(6) == 0.03125


def test_sign_flip_counts_ties_in_favour_of_no_difference():
    assert sign_flip(np.zeros(5)) == 1.0
    assert sign_flip(np.array([0.1, 0.2, 0.0])) == 0.5  # a zero keeps its value under both signs
    assert sign_flip(np.array([0.1, 0.1, -0.1])) == 1.0


def test_sign_flip_of_many_differences_is_keyed_and_near_the_t_test():
    differences = np.random.default_rng(0).normal(0.3, 1, 60)
    p = sign_flip(differences, "key")
    assert p == sign_flip(differences, "key") != sign_flip(differences, "other")
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=0.2)


# --- estimates over networks ---


def test_primary_row_is_the_mean_over_networks_of_their_mean_differences(run, result):
    frame = run.scores.to_pandas()
    frame = frame[
        (frame["setting"] == PRIMARY["aopc"]) & (frame["head"] == "flatten") & frame["correct"]
    ]
    keys = ["architecture", "seed", "image_id"]
    wide = frame.pivot(index=keys, columns="method", values="value")
    means = (wide["hirescam"] - wide["gradcam"]).groupby(level=keys[:2]).mean()
    row = one(result, metric="aopc", primary=True)
    test = stats.ttest_1samp(means, 0)
    interval = test.confidence_interval()
    assert row["n"] == 6
    assert row["estimate"] == pytest.approx(means.mean())
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert row["effect"] == pytest.approx(means.mean() / means.std())
    assert row["test"] == "exact sign flip (p >= 0.031)"
    per_network = rows(result, level="image", setting=PRIMARY["aopc"], head="flatten", **PAIR)
    assert [r["estimate"] for r in per_network] == pytest.approx(
        [means[r["architecture"], int(r["seed"])] for r in per_network]
    )


def test_each_architecture_has_its_own_row_and_all_pools_them(result):
    wanted = {"setting": PRIMARY["aopc"], "head": "flatten", "effect_name": "Cohen dz", **PAIR}
    found = {r["architecture"]: r for r in rows(result, **wanted)}
    assert {name: r["n"] for name, r in found.items()} == {
        "all": 6,
        "resnet_small": 3,
        "vgg_small": 3,
    }
    parts = [found["resnet_small"]["estimate"], found["vgg_small"]["estimate"]]
    assert found["all"]["estimate"] == pytest.approx(np.mean(parts))


def test_holm_over_the_primary_metrics_and_nowhere_else(result):
    family = rows(result, primary=True)
    assert {r["metric"] for r in family} == {"aopc", "max_sensitivity", "haas"}
    largest = 0.0
    for k, row in enumerate(sorted(family, key=lambda r: r["p"])):
        largest = max(largest, min(1.0, (3 - k) * row["p"]))
        assert row["p_holm"] == pytest.approx(largest)
    others = result.filter(pc.invert(result["primary"]))
    assert np.isnan(others["p_holm"].to_numpy()).all()


def test_floor_is_the_change_between_the_two_noise_streams(run, result):
    frame = run.scores.to_pandas()
    frame = frame[(frame["head"] == "flatten") & frame["correct"] & (frame["metric"] == "aopc")]
    keys = ["architecture", "seed", "setting", "image_id"]
    wide = frame.pivot(index=keys, columns="method", values="value")
    means = (wide["hirescam"] - wide["gradcam"]).groupby(level=keys[:3]).mean().unstack()
    second = PRIMARY["aopc"].replace("stream=0", "stream=1")
    floors = (means[PRIMARY["aopc"]] - means[second]).abs()
    expected = np.sqrt((floors**2).sum()) / len(floors)
    assert one(result, metric="aopc", primary=True)["floor"] == pytest.approx(expected)
    one_each = rows(result, level="image", setting=PRIMARY["aopc"], head="flatten", **PAIR)
    assert [r["floor"] for r in one_each] == pytest.approx(
        [floors[r["architecture"], int(r["seed"])] for r in one_each]
    )
    assert not rows(result, setting=second)
    assert np.isnan(one(result, metric="haas", primary=True)["floor"])


def test_each_map_is_compared_with_random(result):
    wanted = {"architecture": "all", "setting": PRIMARY["aopc"], "method_b": "random"}
    found = {(r["head"], r["method_a"]) for r in rows(result, **wanted)}
    assert found == {("flatten", m) for m in ("hirescam", "gradcam")} | {
        ("gap", m) for m in ("hirescam", "gradcam", "cam")
    }


def test_bca_row_appears_from_15_networks_on():
    for seeds, expected in ((7, 0), (8, 1)):
        config = synthetic.small(heads=["flatten"], seeds=list(range(seeds)), metrics=["aopc"])
        run = synthetic.run(config=config)
        table = compute(run.scores, run.models, config)
        wanted = {"setting": PRIMARY["aopc"], "test": "BCa interval", "architecture": "all"}
        found = rows(table, **wanted, **PAIR)
        assert len(found) == expected
    assert found[0]["low"] < found[0]["estimate"] < found[0]["high"]
    assert np.isnan(found[0]["p"])


def test_excluded_networks_change_nothing():
    key = ("vgg_small", "flatten", 1)
    excluded, absent = (
        synthetic.run(config=synthetic.SMALL, **{how: [key]}) for how in ("excluded", "without")
    )
    tables_ = [compute(r.scores, r.models, r.config).to_pandas() for r in (excluded, absent)]
    assert tables_[0].equals(tables_[1])


def test_nothing_depends_on_the_order_of_rows_or_on_how_they_come(run, result, tmp_path):
    shuffled = run.scores.take(np.random.default_rng(0).permutation(len(run.scores)))
    expected = result.to_pandas()
    assert compute(shuffled, run.models, run.config).to_pandas().equals(expected)
    tables.write(tmp_path / "scores.parquet", run.scores, tables.SCORES)
    path = tmp_path / "scores.parquet"
    assert compute(path, run.models, run.config).to_pandas().equals(expected)


def test_no_included_network_gives_an_empty_table(run):
    models = run.models.set_column(
        run.models.schema.get_field_index("included"), "included", pa.array([False] * 12)
    )
    assert len(compute(run.scores, models, run.config)) == 0


# --- which images count ---


def test_strict_drops_a_blank_map_for_both_methods():
    values = {"hirescam": [0.5, 0.9, 0.3], "gradcam": [0.4, 0.1, 0.1]}
    table = one_network(values, {"hirescam": ["ok", "blank_map", "ok"]})
    row = one(table, level="image", effect_name="rank-biserial")
    assert (row["n"], row["estimate"]) == (2, pytest.approx(0.15))


def test_thesis_keeps_a_blank_map_with_its_value_and_drops_an_undefined_one():
    values = {"hirescam": [0.5, 0.9, np.nan], "gradcam": [0.4, 0.1, 0.1]}
    table = one_network(values, {"hirescam": ["ok", "blank_map", "undefined"]}, "thesis")
    row = one(table, level="image", effect_name="rank-biserial")
    assert (row["n"], row["estimate"]) == (2, pytest.approx(0.45))
    share = one(table, level="image", effect_name="blank share", method_a="hirescam")
    assert share["estimate"] == pytest.approx(1 / 3)
    share = one(table, level="image", effect_name="undefined share", method_a="hirescam")
    assert share["estimate"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("protocol", ["thesis", "strict"])
def test_only_correct_images_count_except_for_haas(protocol):
    values = {"hirescam": [1, 0, 1], "gradcam": [0, 0, 1]}
    for metric, n in (("aopc", 2), ("haas", 3)):
        table = one_network(values, None, protocol, metric, correct=[1, 0, 1])
        assert one(table, level="image", **PAIR)["n"] == n


def test_strict_haas_drops_a_blank_map_in_a_pair_and_keeps_it_in_a_ratio():
    values = {"hirescam": [1, 1, 0, 1], "gradcam": [0, 0, 0, 1]}
    statuses = {"hirescam": ["ok", "blank_map", "ok", "ok"]}
    table = one_network(values, statuses, metric="haas", correct=[1, 1, 0, 1])
    row = one(table, level="image", effect_name="discordant")
    assert (row["n"], row["estimate"]) == (3, pytest.approx(1 / 3))
    assert row["p"] == pytest.approx(stats.binomtest(1, 1).pvalue)
    assert one(table, architecture="all", effect_name="Cohen dz")["estimate"] == pytest.approx(
        1 / 3
    )
    ratio = one(table, level="image", effect_name="ratio", method_a="hirescam")
    assert (ratio["n"], ratio["estimate"]) == (4, pytest.approx(1))
    thesis = one_network(values, statuses, "thesis", "haas")
    assert one(thesis, level="image", effect_name="discordant")["n"] == 4


# --- within one network ---


def test_rank_biserial_and_wilcoxon():
    gains = np.array([0.1, 0.2, -0.3, 0.4, 0.0])
    row = one(one_network({"hirescam": gains, "gradcam": np.zeros(5)}), effect_name="rank-biserial")
    assert row["effect"] == pytest.approx((2 + 3 - 4 + 5) / 14)  # Pratt: the zero has rank 1
    assert row["p"] == pytest.approx(8 / 16)  # 4 of 16 sign patterns reach 6, and 4 reach -6
    assert row["low"] <= row["estimate"] <= row["high"]


@pytest.mark.parametrize("n", [12, 60])
def test_wilcoxon_equals_scipy(n):
    gains = np.random.default_rng(n).normal(0.3, 1, n)
    row = one(one_network({"hirescam": gains, "gradcam": np.zeros(n)}), effect_name="rank-biserial")
    method = "exact" if n < 40 else "asymptotic"
    assert row["p"] == pytest.approx(stats.wilcoxon(gains, method=method).pvalue)


def test_haas_is_compared_by_mcnemar_and_its_ratio_to_clean_accuracy():
    correct = [1, 1, 1, 1, 1, 0, 0, 1]
    values = {"hirescam": [1, 1, 1, 1, 0, 1, 0, 1], "gradcam": [0, 0, 0, 1, 1, 0, 0, 1]}
    table = one_network(values, metric="haas", correct=correct)
    row = one(table, level="image", effect_name="discordant")
    assert row["p"] == pytest.approx(stats.binomtest(4, 5).pvalue)
    assert row["effect"] == pytest.approx((4 - 1) / 5)
    assert row["estimate"] == pytest.approx(3 / 8)
    ratios = {r["method_a"]: r for r in rows(table, level="image", effect_name="ratio")}
    assert ratios["hirescam"]["estimate"] == pytest.approx(6 / 6)
    assert ratios["gradcam"]["estimate"] == pytest.approx(3 / 6)
    assert ratios["gradcam"]["low"] < 0.5 < ratios["gradcam"]["high"]


def test_null_blank_has_ratio_one(result):
    found = rows(result, effect_name="ratio", method_a="null_blank")
    assert len(found) == 18
    assert {r["estimate"] for r in found} == {1.0}


def test_facts_that_are_no_scores_are_only_averaged(result):
    tied = rows(result, setting="output=tied_share;region=native")
    assert {r["effect_name"] for r in tied} == {"mean"}
    kept = rows(result, setting="class=predicted;outcome=kept")
    assert "ratio" not in {r["effect_name"] for r in kept}


# --- GAP twins ---


def test_gap_twins_are_exactly_equal_and_give_no_p(result):
    found = rows(result, head="gap", **PAIR)
    assert {r["test"] for r in found} == {"exact equality"}
    assert {(r["estimate"], r["effect"]) for r in found} == {(0.0, 0.0)}
    assert np.isnan([r["p"] for r in found]).all()
    assert {r["architecture"] for r in found} == {"all", "resnet_small", "vgg_small"}


def test_twins_count_the_scores_of_all_images():
    values = {"hirescam": [0.5, 0.2, 0.3], "gradcam": [0.5, 0.1, 0.3]}
    statuses = {"hirescam": ["ok", "ok", "blank_map"], "gradcam": ["ok", "ok", "blank_map"]}
    table = one_network(values, statuses, head="gap", correct=[1, 0, 1])
    row = one(table, level="image", effect_name="images that differ")
    assert (row["n"], row["effect"], row["estimate"]) == (3, 1, 0)


@pytest.mark.parametrize("correct", [True, False])
def test_one_unequal_score_of_the_twins_is_found(run, correct):
    columns = run.scores.to_pydict()
    spoiled = next(
        i
        for i in range(len(run.scores))
        if (columns["head"][i], columns["method"][i]) == ("gap", "hirescam")
        and columns["setting"][i] == PRIMARY["aopc"]
        and columns["correct"][i] == correct
    )
    columns["value"][spoiled] = np.nextafter(columns["value"][spoiled], 1)
    scores = pa.table(columns, schema=tables.SCORES)
    table = compute(scores, run.models, run.config)
    found = [r for r in rows(table, effect_name="images that differ") if r["effect"]]
    assert {(r["level"], r["setting"], r["effect"]) for r in found} == {
        ("model", PRIMARY["aopc"], 1.0),
        ("image", PRIMARY["aopc"], 1.0),
    }
    text = answer(table, run.models, run.checks, run.config)
    pairs = sum(r["n"] for r in rows(table, effect_name="images that differ", level="image"))
    assert f"GAP TWINS DIFFER in 1 of {pairs} pairs of scores" in text


# --- words ---


def test_published_p_values_are_those_of_the_source(result):
    aopc, sensitivity, haas = published_claims(result)
    assert aopc.published.p("against") == pytest.approx(0.070, abs=5e-4)
    assert aopc.published.p("dropped") == pytest.approx(0.016, abs=5e-4)
    assert sensitivity.published.p("dropped") == pytest.approx(0.0078, abs=5e-5)
    assert haas.published == Counts(15, 1)
    assert aopc.ours == Counts(6, 0)
    assert sensitivity.ours == Counts(6, 0)
    assert haas.ours.cases == 12


def text_of(config=synthetic.SMALL, **changes):
    run = synthetic.run(config=config, **changes)
    table = compute(run.scores, run.models, run.config)
    return answer(table, run.models, run.checks, run.config)


def test_answer_when_hirescam_wins(run, result):
    text = answer(result, run.models, run.checks, run.config)
    row = one(result, metric="aopc", primary=True)
    assert text.isascii()
    assert "\n" not in text
    assert "AOPC and Max-Sensitivity favour HiResCAM; HAAS cannot tell them apart" in text
    assert "judged by 95 % interval and noise floor (HAAS: no noise floor): AOPC" in text
    assert text.count("no noise floor") == 2  # the verdict's and the one beside HAAS's numbers
    assert f"noise floor {row['floor']:.2g}, p = {row['p']:.2g}" in text
    assert f"{row['estimate']:+#.3g} (95 % interval {row['low']:+#.3g} to" in text
    assert "cannot reach a p below 0.031 (0.094 after Holm over 3 metrics)" in text
    assert "at least 7 networks" in text
    assert "none is significant at 0.05 after Holm" in text
    published = "In the published protocol, by interval: AOPC and Max-Sensitivity favour HiResCAM"
    assert published in text
    assert "AOPC is higher for HiResCAM in 6 of 6 networks" in text
    assert "12 of 12 planned networks are there, none was left out" in text
    assert "all 42 checks of 12 networks passed" in text
    assert "GAP twins: exactly zero difference" in text
    assert "preference is not validity" in text


def test_answer_without_any_noise_floor_does_not_claim_to_judge_by_it():
    text = text_of(config=synthetic.small(metrics=["haas"]))
    assert "judged by 95 % interval (HAAS: no noise floor): HAAS" in text
    assert "and noise floor" not in text


def test_answer_when_hirescam_loses():
    text = text_of(effect=-1.0)
    assert "AOPC and Max-Sensitivity favour Grad-CAM" in text
    assert "favour HiResCAM" not in text
    assert "AOPC is higher for HiResCAM in 0 of 6 networks" in text


def test_answer_says_when_the_protocols_disagree(run, result):
    columns = result.to_pydict()
    for i, protocol in enumerate(columns["protocol"]):
        if protocol == "thesis":
            columns["low"][i], columns["high"][i] = -columns["high"][i], -columns["low"][i]
            columns["estimate"][i] *= -1
    table = pa.table(columns, schema=tables.STATISTICS)
    text = answer(table, run.models, run.checks, run.config)
    assert "(HAAS: no noise floor): AOPC and Max-Sensitivity favour HiResCAM" in text
    assert "published protocol, by interval: AOPC and Max-Sensitivity favour Grad-CAM" in text


def test_answer_when_nothing_can_be_said():
    text = text_of(effect=0.0)
    assert "AOPC, Max-Sensitivity and HAAS cannot tell them apart" in text
    assert "none is significant" in text


def test_answer_when_the_difference_is_within_the_noise_floor(run, result):
    columns = result.to_pydict()
    for i, primary in enumerate(columns["primary"]):
        if primary and columns["metric"][i] == "aopc":
            columns["floor"][i] = 1.0
    table = pa.table(columns, schema=tables.STATISTICS)
    text = answer(table, run.models, run.checks, run.config)
    assert "AOPC differs by no more than the noise floor" in text


def test_answer_with_enough_networks_names_what_is_significant():
    text = text_of(config=synthetic.small(heads=["flatten"], seeds=[0, 1, 2, 3, 4]))
    assert "AOPC and Max-Sensitivity are significant at 0.05 after Holm" in text
    assert "the smallest p that the sign-flip test can reach is 0.002" in text
    assert "GAP twins: not run" in text


def test_answer_for_one_head_and_for_one_network():
    assert "no Flatten head was run" in text_of(config=synthetic.small(heads=["gap"]))
    single = synthetic.small(heads=["flatten"], seeds=[0], architectures=["vgg_small"])
    text = text_of(config=single)
    assert "cannot be judged from a single network" in text
    assert "interval +" not in text
    assert "nan" not in text


def test_answer_names_missing_excluded_and_failing_networks(run, result):
    text = text_of(without=[("vgg_small", "gap", 2)], excluded=[("vgg_small", "flatten", 1)])
    assert "INCOMPLETE, missing: phantom/vgg_small-gap/seed2" in text
    assert "1 left out (phantom/vgg_small-flatten/seed1: balanced accuracy not above" in text
    failed = run.checks.to_pylist()
    failed[0]["passed"] = False
    checks = pa.Table.from_pylist(failed, schema=tables.CHECKS)
    text = answer(result, run.models, checks, run.config)
    assert "AXIOMS VIOLATED, trust nothing here: phantom/resnet_small-flatten/seed0" in text


def test_each_data_set_has_its_own_answer():
    text = text_of(config=synthetic.small(datasets=["phantom", "other"]))
    assert "Answer on phantom" in text
    assert "Answer on other" in text
    assert "images of phantom are simulated" in text


def test_directions():
    assert better("aopc") == better("haas") == 1
    assert better("max_sensitivity") == better("aopc", "draws=1;order=lerf") == -1


def test_statistics_and_answer_do_not_import_torch():
    code = "import sys, faithcam.answer; assert 'torch' not in sys.modules"
    folder = Path(__file__).parents[2] / "workflow" / "scripts"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
