"""Agreement of maps with the truth over networks."""

import agreeing
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats

from faithcam.statistics import agreement
from faithcam.statistics.tables import AGREEMENT, STATISTICS

NETWORKS = [("vgg_small", 0, -0.01), ("vgg_small", 1, 0.0), ("resnet_small", 0, 0.04)]
PATCHES = [("patch_small", 0, 0.1), ("patch_small", 1, 0.1)]


def computed(nested=False, **changes):
    rows = agreeing.statistics(NETWORKS + PATCHES, **changes)
    return agreement.compute(rows, agreeing.settings(nested=nested))


def one(table, **wanted):
    (row,) = (r for r in table.to_pylist() if all(r[k] == v for k, v in wanted.items()))
    return row


def test_a_map_s_mean_is_over_networks_and_patch_networks_stand_apart():
    table = computed()
    assert table.schema.equals(AGREEMENT)
    known = {"estimand": "grey", "method_a": "layercam"}
    row = one(table, networks="overlapping", **known)
    values = [0.59, 0.6, 0.64]
    low, high = scipy.stats.t.interval(0.95, 2, 0.61, scipy.stats.sem(values))
    assert [row["n"], row["estimate"]] == [3, pytest.approx(0.61)]
    assert [row["low"], row["high"]] == [pytest.approx(low), pytest.approx(high)]
    patches = one(table, networks="patches", **known)
    assert [patches["n"], patches["estimate"]] == [2, pytest.approx(0.7)]


def test_the_difference_of_the_two_maps_is_tested_by_flipping_signs():
    row = one(computed(), networks="overlapping", estimand="background", method_b="gradcam")
    assert [row["method_a"], row["n"]] == ["hirescam", 3]
    assert row["estimate"] == pytest.approx((0.19 + 0.2 + 0.24) / 3)
    assert row["p"] == 2 / 2**3


def test_a_corrected_map_is_compared_with_itself_as_it_is_where_there_are_both():
    maps = agreeing.MAPS | {"expected_gradcam": 0.7, "gradcam_shifted": 0.65}
    maps |= {"expected_gradcam_shifted": 0.5, "hirescam_shifted": 0.9}
    rows = agreeing.statistics(NETWORKS, maps).to_pylist()
    rows = [r for r in rows if (r["method_a"], r["seed"]) != ("hirescam_shifted", "1")]
    table = pa.Table.from_pylist(rows, STATISTICS)
    table = agreement.compute(table, agreeing.settings())
    found = {
        (row["method_a"], row["method_b"]): row
        for row in table.to_pylist()
        if row["estimand"] == "background" and row["method_b"]
    }
    assert set(found) == {
        ("hirescam", "gradcam"),
        ("expected_gradcam", "gradcam"),
        ("gradcam_shifted", "gradcam"),
        ("hirescam_shifted", "hirescam"),
        ("expected_gradcam_shifted", "expected_gradcam"),
    }
    row = found["expected_gradcam", "gradcam"]  # Grad-CAM alone is the same in all networks
    values = [0.09, 0.1, 0.14]
    low, high = scipy.stats.t.interval(0.95, 2, 0.11, scipy.stats.sem(values))
    assert [row[k] for k in ("n", "estimate", "low", "high", "p")] == [
        3, *map(pytest.approx, (0.11, low, high)), 0.25,
    ]  # fmt: skip
    assert found["expected_gradcam_shifted", "expected_gradcam"]["estimate"] == pytest.approx(-0.2)
    row = found["hirescam_shifted", "hirescam"]
    assert [row["n"], row["estimate"]] == [2, pytest.approx(0.1)]


def test_where_seeds_draw_their_own_images_the_unit_is_the_seed():
    row = one(computed(nested=True), networks="overlapping", estimand="grey", method_a="sham")
    assert [row["n"], row["estimate"]] == [2, pytest.approx((0.015 + 0.0) / 2)]


def same(table, other):
    pd.testing.assert_frame_equal(table.to_pandas(), other.to_pandas())  # NaN equals NaN


def alone(folder, groups=None, **changes):
    scores = folder / "scores.parquet"
    rows = agreeing.one_network(scores, **changes)
    images = groups and {"phantom": pa.table({"image_id": range(len(groups)), "group": groups})}
    return agreement.compute(rows, agreeing.settings(), scores, images)


def test_of_a_network_alone_the_unit_is_the_image(tmp_path):
    row = one(alone(tmp_path), estimand="grey", method_b="gradcam")
    values = np.where(np.arange(12) % 2, 0.3, 0.1)
    low, high = scipy.stats.t.interval(0.95, 11, 0.2, scipy.stats.sem(values))
    assert [row["n"], row["unit"], row["estimate"]] == [12, "images", pytest.approx(0.2)]
    assert [row["low"], row["high"]] == [pytest.approx(low), pytest.approx(high)]
    assert row["p"] == 2 / 2**12
    row = one(alone(tmp_path), estimand="background", method_a="layercam")
    assert [row["n"], row["estimate"]] == [12, pytest.approx(0.7)]
    assert row["low"] == pytest.approx(0.7 - (0.2 - low))


def test_or_the_patient_where_they_are_known(tmp_path):
    groups = ["a", "a", "a", "b", *"cdefghij"[:6], "i", "i"]
    row = one(alone(tmp_path, groups), estimand="grey", method_b="gradcam")
    image = np.where(np.arange(12) % 2, 0.3, 0.1)
    units = [image[:3].mean(), image[3], *image[4:10], image[10:].mean()]
    assert [row["n"], row["unit"]] == [9, "groups of images"]
    assert row["estimate"] == pytest.approx(np.mean(units))
    low, _ = scipy.stats.t.interval(0.95, 8, np.mean(units), scipy.stats.sem(units))
    assert row["low"] == pytest.approx(low)


def test_several_networks_or_seeds_are_the_units_whatever_images_there_are(tmp_path):
    agreeing.one_network(tmp_path / "scores.parquet")
    rows, path = agreeing.statistics(NETWORKS + PATCHES), tmp_path / "scores.parquet"
    for nested, unit in ((False, "networks"), (True, "seeds")):
        chosen = agreeing.settings(nested=nested)
        table = agreement.compute(rows, chosen, path)
        same(table, agreement.compute(rows, chosen))
        assert set(table["unit"].to_pylist()) == {unit}


def test_with_gap_heads_alone_maps_are_compared_and_both_are_one(tmp_path):
    table = alone(tmp_path, head="gap", estimands=("features_zero", "grey"))
    assert set(table["method_b"].to_pylist()) == {""}
    laws = {r["method_a"] for r in table.to_pylist() if r["law"]}
    assert laws == {"hirescam", "gradcam"}


@pytest.mark.parametrize(("head", "kind"), [("flatten", "overlapping"), ("other", "other heads")])
def test_a_network_with_a_gap_head_is_compared_beside_those_with_others(head, kind):
    estimands = ("features_zero", "grey")
    mixed = pa.concat_tables([
        agreeing.statistics(NETWORKS, estimands=estimands, head=head),
        agreeing.statistics([("mymodels_build", 0, 0.09)], estimands=estimands, head="gap"),
    ])  # fmt: skip
    table = agreement.compute(mixed, agreeing.settings())
    known = {"estimand": "features_zero", "method_a": "hirescam", "networks": "overlapping"}
    row = one(table, method_b="", **known)
    together = kind == "overlapping"
    expected = [4, pytest.approx(0.83)] if together else [1, pytest.approx(0.89)]
    assert [row["n"], row["estimate"], row["law"]] == [*expected, True]
    # its two maps are one: that is no difference of theirs, and no law of the others
    row = one(table, method_b="gradcam", estimand="grey", method_a="hirescam")
    assert [row["n"], row["networks"]] == [3, kind]
    known["method_a"] = "gradcam"
    assert one(table, **known)["law"] == (not together)


def test_images_without_a_resolved_truth_are_counted():
    row = one(computed(unresolved=2), networks="overlapping", estimand="grey", method_a="sham")
    assert [row["unresolved"], row["images"]] == [6, 36]
    assert {r["unresolved"] for r in computed().to_pylist()} == {0}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("patches", "background", "expected_hirescam"), True),
        (("overlapping", "background", "expected_hirescam"), False),
        (("patches", "grey", "expected_hirescam"), False),
        (("patches", "grey", "occlusion_grey"), True),
        (("patches", "grey", "occlusion_background"), False),
        (("overlapping", "features_zero", "hirescam"), True),
        (("overlapping", "background", "shapley_16"), True),
        (("overlapping", "grey", "shapley_16"), False),
        (("overlapping", "background", "hirescam", "gradcam"), False),
        (("patches", "background", "hirescam", "gradcam"), True),
        (("patches", "background", "expected_hirescam", "hirescam"), True),
        (("patches", "grey", "expected_hirescam", "hirescam"), False),
        (("overlapping", "background", "expected_hirescam", "hirescam"), False),
        (("overlapping", "background", "gradcam_shifted", "gradcam"), False),
    ],
)
def test_what_follows_from_the_definitions_is_no_evidence(asked, expected):
    assert agreement.is_law(*asked) is expected


def test_without_a_truth_there_are_no_rows():
    rows = agreeing.statistics(NETWORKS)
    assert agreement.compute(rows.slice(0, 0), agreeing.settings()).num_rows == 0
