"""Which images count, comparisons within a network, and GAP twins."""

import numpy as np
import pyarrow as pa
import pytest
from comparing import PAIR, PRIMARY, PUBLISHED, compared, one_network, table_of
from scipy import stats
from synthetic import one, rows

from faithcam.metrics.tables import SCORES
from faithcam.report.answer import answer
from faithcam.statistics.compare import compute

# --- which images count ---


def test_exempt_networks_count_with_all_images_though_not_included():
    values = {"hirescam": [0.5, 0.9, 0.4], "gradcam": [0.4, 0.1, 0.2], "correct": [1, 0, 1]}
    for metric, protocol in (("aopc", "strict"), ("max_sensitivity", "thesis")):
        setting = (PRIMARY if protocol == "strict" else PUBLISHED)[metric]
        scores = table_of({("a", 0): values}, setting, metric, protocol)
        row = one(compared(scores, exempt=True, included=False), effect_name="rank-biserial")
        assert (row["n"], row["estimate"]) == (3, pytest.approx(1.1 / 3))
        assert one(compared(scores), effect_name="rank-biserial")["n"] == 2
        assert len(compared(scores, included=False)) == 0


@pytest.mark.parametrize(
    ("metric", "images"),
    [("feature_aopc", 3), ("agreement", 3), ("localisation", 2), ("insertion", 2)],
)
def test_metrics_that_are_not_published_are_compared_too(metric, images):
    values = {"hirescam": [0.5, 0.9, 0.4], "gradcam": [0.4, 0.1, 0.2], "correct": [1, 0, 1]}
    setting = "replicate=0" if metric == "agreement" else "kind=mass"
    table = compared(table_of({("a", 0): values}, setting, metric))
    assert one(table, effect_name="rank-biserial")["n"] == images
    assert not rows(table, primary=True)


def test_empty_masks_are_left_out_and_counted():
    actual = ([0.5, np.nan, 0.4, np.nan], ["ok", "empty_mask", "ok", "empty_mask"])
    values = {"hirescam": actual, "gradcam": actual}
    table = compared(table_of({("a", 0): values}, "kind=mass;mask=lesion", "localisation"))
    wanted = {"level": "image", "method_a": "hirescam"}
    assert one(table, **wanted, effect_name="empty mask share")["estimate"] == 0.5
    assert one(table, **wanted, method_b="", effect_name="mean")["n"] == 2


@pytest.mark.parametrize("metric", ["dose_response", "damage_ladder", "multiverse", "patch_net"])
def test_metrics_with_tables_of_their_own_are_not_compared(metric):
    values = {"hirescam": [0.5], "gradcam": [0.4]}
    assert len(compared(table_of({("a", 0): values}, "t=0", metric))) == 0


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
    actual = rows(result, effect_name="ratio", method_a="null_blank")
    assert len(actual) == 18
    assert {r["estimate"] for r in actual} == {1.0}


def test_facts_that_are_no_scores_are_only_averaged(result):
    tied = rows(result, setting="output=tied_share;region=native")
    assert {r["effect_name"] for r in tied} == {"mean"}
    kept = rows(result, setting="explained_class=predicted;outcome=kept")
    assert "ratio" not in {r["effect_name"] for r in kept}


# --- GAP twins ---


def test_gap_twins_are_exactly_equal_and_give_no_p(result):
    actual = rows(result, head="gap", **PAIR)
    assert {r["test"] for r in actual} == {"exact equality"}
    assert {(r["estimate"], r["effect"]) for r in actual} == {(0.0, 0.0)}
    assert np.isnan([r["p"] for r in actual]).all()
    assert {r["architecture"] for r in actual} == {"all", "resnet_small", "vgg_small"}


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
    scores = pa.table(columns, schema=SCORES)
    table = compute(scores, run.models, run.evaluations, run.config)
    actual = [r for r in rows(table, effect_name="images that differ") if r["effect"]]
    assert {(r["level"], r["setting"], r["effect"]) for r in actual} == {
        ("model", PRIMARY["aopc"], 1.0),
        ("image", PRIMARY["aopc"], 1.0),
    }
    text = answer(table, run.models, run.checks, run.evaluations, run.config).text()
    pairs = sum(r["n"] for r in rows(table, effect_name="images that differ", level="image"))
    assert f"GAP TWINS DIFFER in 1 of {pairs} pairs of scores" in text
