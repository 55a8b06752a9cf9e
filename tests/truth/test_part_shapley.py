"""Gold: the laws of exact contributions, and how far maps agree with them."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import Counting, random_images, random_net
from scipy import stats
from scored import inputs_of, network_of, scores_of

from faithcam.metrics import registry
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness import agreement
from faithcam.truth.parts import contributions, kendall

PARTS, DECOYS = ("lesion", "marker", "suppressor"), 3
FULL = 2 ** len(PARTS) - 1
ONE = replace(network_of(task="shortcut"), methods=("given",))
NETWORK = network_of(methods=("gradcam", "hirescam"))


class GivenMaps:
    """Maps by image; the logit's are upside down."""

    def __init__(self, raw):
        self.raw = raw

    def of(self, method, explained_class, explained_score):
        assert explained_class == "predicted"
        return -self.raw if explained_score == "logit" else self.raw


def planted(raw=None, absent=(), ids=range(10), **options):
    """Return inputs with parts and decoys, made of noise; ``absent``: (image, part or decoy)."""
    images = random_images(10)
    masks = torch.zeros(10, len(PARTS) + DECOYS, 16, 16, dtype=torch.uint8)
    for i in range(masks.shape[1]):
        masks[:, i, 2 * i : 2 * i + 2, i : i + 3 + i] = 1
    renderings = random_images(10 * (FULL + 1 + 2 * DECOYS), seed=1).unflatten(0, (-1, 10))
    renderings[FULL] = images
    for image, part in absent:
        masks[image, part] = 0
        if part < len(PARTS):  # no rendering has it
            for s in range(FULL + 1):
                renderings[s | 1 << part, image] = renderings[s & ~(1 << part), image]
            renderings[FULL & ~(1 << part), image] = renderings[FULL, image] = images[image]
    ids = list(ids)
    if raw is not None:
        options["maps"] = GivenMaps(raw[ids])
    parts = {"parts": PARTS, "part_masks": masks[ids], "renderings": renderings[:, ids].unbind()}
    return inputs_of(images=images, places=ids, **parts, **options)


def gold_of(scores):
    """Return the table of Shapley values of parts."""
    rows = [{"image_id": list(part.places), **part.columns} for part in scores.rows["part_shapley"]]
    return pd.concat([pd.DataFrame(part) for part in rows])


def games(parts, seed=0, count=5):
    return np.random.default_rng(seed).normal(size=(count, 2**parts))


# --- Shapley values -----------------------------------------------------------------
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_shapley_values_are_the_mean_gain_over_all_orders_of_arrival(parts):
    values = games(parts)
    expected = np.zeros((len(values), parts))
    for order in permutations(range(parts)):
        coalition = 0
        for part in order:
            expected[:, part] += values[:, coalition | 1 << part] - values[:, coalition]
            coalition |= 1 << part
    actual = contributions(values)
    np.testing.assert_allclose(actual.shapley, expected / math.factorial(parts), atol=1e-12)
    np.testing.assert_allclose(actual.shapley.sum(1), values[:, -1] - values[:, 0], atol=1e-12)


def test_a_game_by_hand():
    # v: 0 without parts, lesion alone 1, marker alone 3, both 10
    actual = contributions(np.array([[0.0, 1.0, 3.0, 10.0]]))
    assert actual.shapley.tolist() == [[4.0, 6.0]]
    assert actual.leave_one_out.tolist() == [[7.0, 9.0]]
    assert actual.add_one_in.tolist() == [[1.0, 3.0]]
    assert actual.interaction.tolist() == [[6.0, 6.0]]


def test_parts_with_the_same_gains_have_the_same_value_and_dummies_have_none():
    values = games(3)
    values[:, [1, 5]] = values[:, [2, 6]]  # parts 0 and 1 may be exchanged
    actual = contributions(values)
    for part in (actual.shapley, actual.leave_one_out, actual.add_one_in):
        np.testing.assert_allclose(part[:, 0], part[:, 1], atol=1e-12)
    dummy = games(3)
    dummy[:, 4:] = dummy[:, :4]  # part 2 changes nothing
    actual = contributions(dummy)
    for part in (actual.shapley, actual.leave_one_out, actual.add_one_in):
        assert not part[:, 2].any()
    np.testing.assert_allclose(actual.shapley[:, :2], contributions(dummy[:, :4]).shapley)


def test_the_value_of_a_sum_of_games_is_the_sum_of_values():
    one, other = games(3, 0), games(3, 1)
    together = contributions(one + other).shapley
    np.testing.assert_allclose(together, contributions(one).shapley + contributions(other).shapley)


def test_in_a_linear_game_all_three_are_the_parts_own_values():
    values = np.random.default_rng(2).normal(size=(5, 3))
    sets = [[s >> i & 1 for i in range(3)] for s in range(8)]
    actual = contributions(values @ np.array(sets).T + 7)
    for part in (actual.shapley, actual.leave_one_out, actual.add_one_in):
        np.testing.assert_allclose(part, values, atol=1e-12)
    np.testing.assert_allclose(actual.interaction, 0, atol=1e-12)
    assert actual.consistent(np.ones((5, 3), bool)).all()


def test_orders_are_compared_among_the_parts_that_are_there():
    # alone, part 0 does most; last of all, part 2; part 1 is a dummy
    values = np.array([[0.0, 2.0, 0.0, 2.0, 1.0, 9.0, 1.0, 9.0]])
    actual = contributions(values)
    assert actual.leave_one_out.tolist() == [[8.0, 0.0, 7.0]]
    assert actual.add_one_in.tolist() == [[2.0, 0.0, 1.0]]
    assert actual.consistent(np.array([[True, True, True]])).tolist() == [True]
    values = np.array([[0.0, 2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]])
    actual = contributions(values)
    assert actual.add_one_in.tolist() == [[2.0, -1.0, 1.0]]
    assert actual.leave_one_out.tolist() == [[1.0, 2.0, 4.0]]
    for present, same in (((1, 1, 1), False), ((1, 0, 1), False), ((0, 1, 1), True)):
        assert actual.consistent(np.array([present], bool)).tolist() == [same]
    assert actual.consistent(np.zeros((1, 3), bool)).tolist() == [True]


def test_two_parts_are_always_in_one_order():
    assert contributions(games(2, 3, 100)).consistent(np.ones((100, 2), bool)).all()
    assert not contributions(games(3, 3, 100)).consistent(np.ones((100, 3), bool)).all()


def test_values_of_all_sets_are_needed():
    with pytest.raises(ValueError, match=r"6 sets found, expected 2\^P"):
        contributions(np.zeros((1, 6)))


# --- rank agreement -----------------------------------------------------------------
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_tau_is_that_of_scipy_with_ties_and_missing_entries(seed, n):
    random = np.random.default_rng(seed)
    a, b = random.integers(0, 4, (2, 3, n)).astype(float)
    b[random.random(b.shape) < 0.2] = np.nan
    for x, y, tau in zip(a, b, kendall(a, b), strict=True):
        there = ~np.isnan(y)
        expected = stats.kendalltau(x[there], y[there]).statistic if there.sum() > 1 else np.nan
        assert tau == pytest.approx(expected, nan_ok=True)


def test_the_order_of_two_parts_that_are_not_asked_for_does_not_count():
    part_shapley = np.array([[3.0, -2.0, 0.0, 0.1, 0.2]])
    asked = np.arange(5) < 2
    reversed_decoys = np.array([[3.0, -2.0, 0.2, 0.1, 0.0]])
    assert kendall(reversed_decoys, part_shapley)[0] == pytest.approx(0.4)
    assert kendall(reversed_decoys, part_shapley, asked)[0] == 1
    assert kendall(-part_shapley, part_shapley, asked)[0] == -1
    # 7 pairs: 3 of part 1 with decoys the wrong way round
    wrong = np.array([[3.0, 2.0, 0.0, 0.1, 0.2]])
    assert kendall(wrong, part_shapley, asked)[0] == pytest.approx((4 - 3) / 7)
    assert kendall(wrong, part_shapley, np.ones(5, bool)) == kendall(wrong, part_shapley)
    assert np.isnan(kendall(part_shapley, part_shapley, np.zeros(5, bool)))


def test_mass_is_the_sum_over_a_parts_pixels():
    raw = torch.arange(4.0).reshape(1, 2, 2)
    masks = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    masks[0, 0], masks[0, 1, :1, :1], masks[0, 2, 7, 6:] = 1, 1, 1
    assert agreement.masses(raw, masks).tolist() == [[96.0, 0.0, 6.0]]


# --- Shapley values of parts of a network
# -------------------------------------------------------------
def centred(inputs, images):
    with torch.no_grad():
        logits = inputs.network(images).double()
    chosen = logits.gather(1, inputs.classes[:, None])[:, 0]
    return (chosen - logits.mean(1)).numpy()


def test_gold_is_what_the_network_says_about_the_renderings():
    inputs = planted()
    frame = (
        gold_of(scores_of("agreement", inputs, NETWORK))
        .set_index(["replicate", "part", "image_id"])
        .sort_index()
    )
    full, empty = centred(inputs, inputs.images), centred(inputs, inputs.renderings[0])
    for replicate in (0, 1):
        shapley = sum(frame.loc[(replicate, part), "shapley"].to_numpy() for part in PARTS)
        np.testing.assert_allclose(shapley, full - empty, atol=1e-6)
        for i, part in enumerate(PARTS):
            rows = frame.loc[(replicate, part)]
            without = centred(inputs, inputs.renderings[FULL - (1 << i)])
            alone = centred(inputs, inputs.renderings[1 << i])
            np.testing.assert_allclose(rows["leave_one_out"], full - without, atol=1e-6)
            np.testing.assert_allclose(rows["add_one_in"], alone - empty, atol=1e-6)
            np.testing.assert_allclose(
                rows["interaction"], rows["leave_one_out"] - rows["add_one_in"], atol=1e-12
            )
            assert set(rows["area"]) == {2 * (3 + i)}
        for d in range(DECOYS):
            rows = frame.loc[(replicate, f"decoy{d}")]
            again = centred(inputs, inputs.renderings[FULL + 1 + replicate * DECOYS + d])
            np.testing.assert_allclose(rows["leave_one_out"], full - again, atol=1e-6)
            assert rows[["shapley", "add_one_in", "interaction"]].isna().to_numpy().all()
    by_image = frame.groupby("image_id")["consistent"]
    assert (by_image.nunique() == 1).all()
    assert 0 < by_image.first().sum() < 10


def test_a_map_that_says_gold_agrees_and_its_negative_disagrees():
    absent = [(1, 1), (2, 4)]
    inputs = planted(torch.rand(10, 16, 16), absent)
    part_shapley = gold_of(scores_of("agreement", inputs, ONE))
    maps = {replicate: torch.zeros(10, 16, 16) for replicate in (0, 1)}
    names = [*PARTS, *(f"decoy{d}" for d in range(DECOYS))]
    for row in part_shapley.to_dict("records"):
        value = row["shapley"] if row["part"] in PARTS else row["leave_one_out"]
        mask = inputs.part_masks[row["image_id"], names.index(row["part"])]
        maps[row["replicate"]][row["image_id"]] += mask * value / row["area"]
    for replicate, raw in maps.items():
        for sign in (1, -1):
            actual = scores_of("agreement", planted(sign * raw, absent), ONE).by_method()
            for explained_score, expected in (("", sign), ("explained_score=logit;", -sign)):
                values = actual[f"{explained_score}replicate={replicate}", "given"]
                assert values.tolist() == [pytest.approx(expected)] * 10
    parts = set(zip(part_shapley["image_id"], part_shapley["part"], strict=True))
    assert len(parts) == 10 * len(names) - 2
    assert {(1, "marker"), (2, "decoy1")}.isdisjoint(parts)


def test_images_with_too_few_parts_and_blank_maps_have_no_agreement():
    few = [(3, part) for part in range(4)]
    absent = [*few, *((4, part) for part in range(1, 3)), (7, 0), (7, 1), (7, 2)]
    raw = torch.rand(10, 4, 4)
    raw[5], raw[6] = 0, 1
    actual = scores_of("agreement", planted(raw, absent), ONE)
    (scored,) = [s for s in actual.scored if str(s.evaluation.setting) == "replicate=1"]
    assert scored.values.isnan().tolist()[3:8] == [True, False, True, False, True]
    assert scored.statuses[5:7] == ["blank_map", "undefined"]


def test_the_second_texture_is_the_first_ones_replicate_in_both_gauges():
    asked = registry.evaluations({}, "agreement", ONE)
    assert {str(e.setting): (e.role, e.replicate_of and str(e.replicate_of)) for e in asked} == {
        "replicate=0": ("primary", None),
        "replicate=1": ("replicate", "replicate=0"),
        "explained_score=logit;replicate=0": ("variant", None),
        "explained_score=logit;replicate=1": ("replicate", "explained_score=logit;replicate=0"),
    }
    assert total_passes(asked) == 2**3 + 2 * 6
    assert total_passes(registry.evaluations({}, "agreement", network_of(task="lesion"))) == 16
    assert not registry.METRICS["agreement"].supports(NETWORK)[0]


def test_every_rendering_is_asked_about_once():
    counting = Counting(random_net())
    inputs = replace(planted(torch.rand(10, 4, 4), ids=range(4)), network=counting)
    scores_of("agreement", inputs, ONE)
    renderings = 2 ** len(PARTS) + 2 * DECOYS
    assert (counting.passes, counting.images) == (renderings, renderings * 4)


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_images_do_not_change_each_others_scores(head):
    def tables_of(ids):
        actual = scores_of(
            "agreement", planted(absent=[(1, 1)], ids=ids, network=random_net(head)), NETWORK
        )
        part_shapley = gold_of(actual)
        part_shapley["image_id"] = [list(ids)[place] for place in part_shapley["image_id"]]
        return actual.by_method(), part_shapley.set_index(
            ["image_id", "part", "replicate"]
        ).sort_index()

    scores, part_shapley = tables_of(range(10))
    part, of_part = tables_of([1, 4])
    for key, values in part.items():
        assert torch.allclose(scores[key][[1, 4]], values, atol=1e-6)
    pd.testing.assert_frame_equal(part_shapley.loc[[1, 4]], of_part, atol=1e-6)


def test_without_masks_of_parts_there_is_no_agreement():
    with pytest.raises(ValueError, match="part_masks: none found"):
        scores_of("agreement", replace(planted(), part_masks=None), NETWORK)
