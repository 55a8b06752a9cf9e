"""Estimates over networks: their floors, intervals, and what is asked of primary comparisons."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import synthetic
from comparing import PAIR, PRIMARY, compared, table_of
from scipy import stats
from synthetic import one, rows

from faithcam.metrics.tables import SCORES
from faithcam.results import io as tables
from faithcam.statistics.compare import compute
from faithcam.statistics.questions import detectable

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
    wanted = {"setting": PRIMARY["aopc"], "head": "flatten", "effect_name": "rank-biserial"}
    per_network = rows(result, **wanted, **PAIR)
    assert [r["estimate"] for r in per_network] == pytest.approx(
        [means[r["architecture"], int(r["seed"])] for r in per_network]
    )


def test_each_architecture_has_its_own_row_and_all_pools_them(result):
    wanted = {"setting": PRIMARY["aopc"], "head": "flatten", "effect_name": "Cohen dz", **PAIR}
    actual = {r["architecture"]: r for r in rows(result, **wanted)}
    assert {name: r["n"] for name, r in actual.items()} == {
        "all": 6,
        "resnet_small": 3,
        "vgg_small": 3,
    }
    parts = [actual["resnet_small"]["estimate"], actual["vgg_small"]["estimate"]]
    assert actual["all"]["estimate"] == pytest.approx(np.mean(parts))


def test_holm_over_the_primary_metrics_and_nowhere_else(result):
    family = rows(result, primary=True)
    assert {r["metric"] for r in family} == {"aopc", "max_sensitivity", "haas"}
    largest = 0.0
    for k, row in enumerate(sorted(family, key=lambda r: r["p"])):
        largest = max(largest, min(1.0, (3 - k) * row["p"]))
        assert row["p_holm"] == pytest.approx(largest)
    others = result.filter(pc.invert(result["primary"]))
    assert np.isnan(others["p_holm"].to_numpy()).all()


def test_floor_is_made_of_the_changes_between_the_two_noise_streams(run, result):
    frame = run.scores.to_pandas()
    frame = frame[(frame["head"] == "flatten") & frame["correct"] & (frame["metric"] == "aopc")]
    keys = ["architecture", "seed", "setting", "image_id"]
    wide = frame.pivot(index=keys, columns="method", values="value")
    second = PRIMARY["aopc"].replace("replicate=0", "replicate=1")
    streams = (wide["hirescam"] - wide["gradcam"]).unstack("setting")
    changes = (streams[PRIMARY["aopc"]] - streams[second]).groupby(level=keys[:2])
    floors = 1.959964 * np.sqrt(changes.apply(lambda c: (c**2).sum() / len(c) ** 2))
    expected = np.sqrt((floors**2).sum()) / len(floors)
    assert one(result, metric="aopc", primary=True)["floor"] == pytest.approx(expected)
    wanted = {"level": "image", "setting": PRIMARY["aopc"], "head": "flatten", **PAIR}
    one_each = rows(result, **wanted, effect_name="rank-biserial")
    assert [r["floor"] for r in one_each] == pytest.approx(
        [floors[r["architecture"], int(r["seed"])] for r in one_each]
    )
    single = changes.apply(lambda c: c.abs().quantile(0.95))
    actual = rows(result, **wanted, effect_name="floor of one image")
    assert [r["estimate"] for r in actual] == pytest.approx(
        [single[r["architecture"], int(r["seed"])] for r in actual]
    )
    assert not rows(result, setting=second)
    assert np.isnan(one(result, metric="haas", primary=True)["floor"])


def test_hirescam_is_compared_with_all_methods_and_all_with_gradcam(result):
    wanted = {"architecture": "all", "setting": PRIMARY["aopc"], "effect_name": "Cohen dz"}
    actual = {(r["head"], r["method_a"], r["method_b"]) for r in rows(result, **wanted)}
    others = {"flatten": ["random", "random_order"], "gap": ["cam", "random", "random_order"]}
    assert actual == {("flatten", "hirescam", "gradcam")} | {
        (head, *pair)
        for head, names in others.items()
        for name in names
        for pair in (("hirescam", name), (name, "gradcam"))
    }


def test_bca_row_appears_from_20_networks_on():
    gains = np.random.default_rng(0).normal(0.2, 0.1, (20, 4))
    networks = {("a", k): {"hirescam": row, "gradcam": row * 0} for k, row in enumerate(gains)}
    actual = one(compared(table_of(networks)), architecture="all", effect_name="BCa")
    assert actual["low"] < actual["estimate"] < actual["high"]
    assert np.isnan(actual["p"])
    networks.popitem()
    assert not rows(compared(table_of(networks)), effect_name="BCa")


def test_excluded_networks_change_nothing():
    key = ("vgg_small", "flatten", 1)
    excluded, absent = (
        synthetic.run(config=synthetic.SMALL, **{how: [key]}) for how in ("excluded", "without")
    )
    tables_ = [
        compute(r.scores, r.models, r.evaluations, r.config).to_pandas() for r in (excluded, absent)
    ]
    assert tables_[0].equals(tables_[1])


def test_nothing_depends_on_the_order_of_rows_or_on_how_they_come(run, result, tmp_path):
    shuffled = run.scores.take(np.random.default_rng(0).permutation(len(run.scores)))
    expected = result.to_pandas()
    assert compute(shuffled, run.models, run.evaluations, run.config).to_pandas().equals(expected)
    tables.write(tmp_path / "scores.parquet", run.scores, SCORES)
    path = tmp_path / "scores.parquet"
    assert compute(path, run.models, run.evaluations, run.config).to_pandas().equals(expected)


def test_no_included_network_gives_an_empty_table(run):
    models = run.models.set_column(
        run.models.schema.get_field_index("included"), "included", pa.array([False] * 12)
    )
    assert len(compute(run.scores, models, run.evaluations, run.config)) == 0


# --- images of all networks, or of one seed ---


def crossed(spread, networks=8, images=30, seed=0):
    """Differences with an effect of each image that all networks share."""
    rng = np.random.default_rng(seed)
    common = spread * rng.normal(size=images)
    separate = 0.1 * rng.normal(size=(networks, 1)) + 0.1 * rng.normal(size=(networks, images))
    gains = 0.1 + common + separate
    return {("a", k): {"hirescam": row, "gradcam": row * 0} for k, row in enumerate(gains)}


def width(row):
    return row["high"] - row["low"]


def test_two_way_interval_is_wider_only_if_images_matter():
    actual = {}
    for spread in (0.0, 1.0):
        table = compared(table_of(crossed(spread)), resamples=2000)
        kinds = ("Cohen dz", "two-way")
        t, both = (one(table, architecture="all", effect_name=kind) for kind in kinds)
        assert t["estimate"] == both["estimate"] == pytest.approx((both["low"] + both["high"]) / 2)
        actual[spread] = width(both) / width(t)
    assert 1 <= actual[0.0] < 1.15
    assert actual[1.0] > 2


def test_images_of_one_patient_are_resampled_together():
    data = crossed(0.0, images=10)
    for methods in data.values():  # three images of each patient, alike
        methods["hirescam"] = np.repeat(methods["hirescam"], 3)
        methods["gradcam"] = np.repeat(methods["gradcam"], 3)
    groups = pa.table({"image_id": range(30), "group": [f"patient {i // 3}" for i in range(30)]})
    alone = compared(table_of(data), resamples=2000)
    together = compared(table_of(data), resamples=2000, images={"d": groups})
    wanted = {"architecture": "all", "effect_name": "two-way"}
    assert width(one(together, **wanted)) > width(one(alone, **wanted))
    wanted = {"seed": "0", "effect_name": "rank-biserial"}
    ratio = width(one(together, **wanted)) / width(one(alone, **wanted))
    assert ratio == pytest.approx(np.sqrt(3), rel=0.1)


def nested_networks():
    gains = {("a", 0): 0.1, ("b", 0): 0.3, ("a", 1): 0.2, ("b", 1): 0.6}
    return {
        key: {"hirescam": np.full(4, gain), "gradcam": np.zeros(4)} for key, gain in gains.items()
    }


def test_where_seeds_draw_their_own_images_the_seed_is_the_unit_over_architectures():
    scores = table_of(nested_networks())
    table = compared(scores, nested=True)
    wanted = {"effect_name": "Cohen dz", **PAIR}
    pooled = one(table, architecture="all", **wanted)
    assert (pooled["n"], pooled["estimate"]) == (2, pytest.approx(0.3))
    assert pooled["effect"] == pytest.approx(0.3 / np.std([0.2, 0.4], ddof=1))
    assert pooled["p"] == 0.5
    mean = one(table, architecture="all", effect_name="mean", method_a="hirescam", level="model")
    assert (mean["n"], mean["low"]) == (2, pytest.approx(pooled["low"]))
    alone = one(table, architecture="a", **wanted)
    assert (alone["n"], alone["estimate"]) == (2, pytest.approx(0.15))
    assert not rows(table, effect_name="two-way")
    table = compared(scores)
    assert one(table, architecture="all", **wanted)["n"] == 4
    assert len(rows(table, effect_name="two-way")) == 3


def test_the_floor_of_seeds_is_that_of_their_networks():
    rng = np.random.default_rng(0)
    streams = [
        table_of(
            {
                key: {"hirescam": rng.normal(size=9), "gradcam": np.zeros(9)}
                for key in nested_networks()
            },
            PRIMARY["aopc"].replace("replicate=0", f"replicate={replicate}"),
        )
        for replicate in (0, 1)
    ]
    table = compared(*streams, nested=True)
    each = [r["floor"] for r in rows(table, effect_name="rank-biserial")]
    pooled = one(table, architecture="all", effect_name="Cohen dz")
    assert pooled["floor"] == pytest.approx(np.sqrt(np.sum(np.square(each))) / 4)


def test_the_floor_of_new_weights_is_that_of_a_draw_per_network():
    rng = np.random.default_rng(0)
    streams = [
        {("a", s): {"hirescam": rng.normal(size=9), "gradcam": np.zeros(9)} for s in range(3)}
        for _ in range(2)
    ]
    table = compared(
        *(table_of(x, f"replicate={s};stage=mean", "mprt") for s, x in enumerate(streams))
    )
    moved = [
        (first["hirescam"] - second["hirescam"]).mean()
        for first, second in zip(*(x.values() for x in streams), strict=True)
    ]
    pooled = one(table, architecture="all", effect_name="Cohen dz")
    quantile = 3.182446  # Student's t, 3 degrees of freedom
    assert pooled["floor"] == pytest.approx(quantile * np.linalg.norm(moved) / 3)
    each = [r["floor"] for r in rows(table, effect_name="rank-biserial")]
    assert each == pytest.approx(12.706205 * np.abs(moved))


# --- what else is asked of primary comparisons ---

FACTORS = ("mixed model, architecture", "mixed model, class")


def test_the_family_is_what_the_config_says(run):
    config = run.config | {"statistics": run.config["statistics"] | {"primary": ["haas", "aopc"]}}
    family = rows(compute(run.scores, run.models, run.evaluations, config), primary=True)
    assert {r["metric"] for r in family} == {"aopc", "haas"}
    smallest = min(family, key=lambda r: r["p"])
    assert smallest["p_holm"] == pytest.approx(min(1, 2 * smallest["p"]))


def test_every_primary_comparison_has_its_further_rows_and_no_other(result):
    for name in ("power", "mixed model", *FACTORS):
        actual = rows(result, effect_name=name)
        assert sorted(r["metric"] for r in actual) == ["aopc", "haas", "max_sensitivity"]
        for row in actual:
            primary = one(result, metric=row["metric"], primary=True)
            same = ("dataset", "architecture", "head", "protocol", "setting", "method_a", "level")
            assert [row[k] for k in same] == [primary[k] for k in same]
            assert not row["primary"]
            assert row["n"] == 6


def test_power_says_what_could_be_seen():
    gains = np.array([-1.0, 1, -1, 1, -1, 1])
    networks = {("a", k): {"hirescam": [g], "gradcam": [0.0]} for k, g in enumerate(gains)}
    row = one(compared(table_of(networks)), effect_name="power")
    assert row["estimate"] == pytest.approx(gains.std(ddof=1) * detectable(6, 0.05))
    assert row["n"] == 6


@pytest.mark.parametrize("n", [3, 6, 20])
def test_the_detectable_mean_is_detected_in_80_percent(n):
    values = np.random.default_rng(n).normal(detectable(n, 0.05), 1, (20_000, n))
    p = stats.ttest_1samp(values, 0, axis=1).pvalue
    assert (p < 0.05).mean() == pytest.approx(0.8, abs=0.01)


def test_one_network_has_no_power_and_no_interval():
    table = compared(table_of({("a", 0): {"hirescam": [1, 2], "gradcam": [0, 0]}}))
    assert not rows(table, effect_name="power")
    for name in ("Cohen dz", "two-way"):
        row = one(table, architecture="all", effect_name=name)
        assert np.isnan([row["low"], row["high"]]).all()


def test_the_mixed_model_takes_the_classes_from_the_labels():
    rng = np.random.default_rng(1)
    labels = np.array([0, 0, 0, 1, 1, 2])
    networks = {}
    for k in range(8):
        gains = np.array([1, 1, 1, 5, 5, 9]) + rng.normal(0, 0.3) + rng.normal(0, 0.1, 6)
        networks["a", k] = {"hirescam": gains, "gradcam": gains * 0, "label": labels}
    table = compared(table_of(networks))
    mean = one(table, effect_name="mixed model")
    assert mean["estimate"] == pytest.approx(5, abs=0.3)  # not that over images, 22/6
    classes = one(table, effect_name="mixed model, class")
    assert classes["estimate"] == pytest.approx(8, abs=0.3)
    assert classes["p"] < 1e-6
    assert not rows(table, effect_name="mixed model, architecture")
