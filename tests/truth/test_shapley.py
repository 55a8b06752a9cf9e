"""Contributions of cells: captum's values, exact where they can be, laws, pairs, independence."""

from dataclasses import replace
from itertools import permutations

import pytest
import torch
from networks import net_of, random_images, random_net, volumes
from torch import nn

from faithcam.core.seeding import Noise, Streams
from faithcam.maps.explain import explain
from faithcam.removal.grid import region_of
from faithcam.truth import sampling
from faithcam.truth.contributions import LEAST_RELIABILITY, Truth
from faithcam.truth.estimands import ESTIMANDS, supported
from faithcam.truth.game import Game
from faithcam.truth.sampling import (
    Sampling,
    completeness,
    gains,
    orders_of,
    reliability,
    sampled,
)
from faithcam.truth.shapley import additive, engine_checks, shapley

PIXELS = [name for name, estimand in ESTIMANDS.items() if estimand.space == "pixels"]
FEW = Sampling(8, 8)
TRAINING = random_images(40, 16, seed=7)


def loud(network):
    """Let the score differ by more than rounding, as training would."""
    network.classifier.weight.data.mul_(20)
    return network


def patch_net(cells=4, seed=0):
    """A cell sees its own 4 x 4 pixels alone."""
    torch.manual_seed(seed)
    layers = [nn.Conv2d(3, 6, 2, 2), nn.ReLU(), nn.Conv2d(6, 5, 2, 2), nn.ReLU()]
    return loud(net_of(nn.Sequential(*layers), (4 * cells, 4 * cells)))


def backgrounds_of(places, training):
    return lambda draw: torch.stack([training[(draw * 7 + p) % len(training)] for p in places])


def game_of(network=None, places=(0, 1, 2), size=16, training=TRAINING, **fields):
    """Return a game of some of ten images, each the same whichever others are there."""
    network = loud(random_net()) if network is None else network
    places = list(places)
    images = random_images(10, size)[places]
    with torch.no_grad():
        mean = torch.stack([network.activations(x[None])[0] for x in training]).mean(0)
    return Game(
        network,
        images,
        torch.tensor([0, 2, 1, 2, 0, 1, 1, 0, 2, 0])[places],
        Noise(Streams(1, "made", "net"), places),
        backgrounds=backgrounds_of(places, training),
        train_mean=training.mean(0),
        renderings=[images.roll(3, 3)],
        mean_activations=mean,
        **fields,
    )


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_the_mean_of_all_orders_is_captum_s_shapley_value(head):
    from captum.attr import ShapleyValues

    game = game_of(loud(random_net(head, cells=2)), size=8, training=random_images(5, 8))
    mask = region_of(game.regions)[None, None]

    def score(images, classes):
        logits = game.network(images)
        return logits.gather(1, classes[:, None])[:, 0] - logits.mean(1)

    expected = ShapleyValues(score).attribute(
        game.images,
        baselines=TRAINING[:1, :, :8, :8],
        additional_forward_args=game.classes,
        feature_mask=mask,
    )[:, 0, ::4, ::4]
    orders = torch.tensor(list(permutations(range(4))))
    for place in range(3):
        actual = gains(game, place, orders, TRAINING[:1, :, :8, :8]).mean(0)
        assert torch.allclose(actual, expected[place].flatten().double(), atol=5e-6)
        assert actual.abs().max() > 0.01


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("estimand", ESTIMANDS)
@pytest.mark.parametrize("patches", [False, True])
def test_contributions_add_up_to_what_the_image_has_over_its_references(
    estimand, patches, multi_label
):
    network = patch_net() if patches else loud(random_net())
    game = game_of(network, patches=patches, multi_label=multi_label)
    truth, checks = shapley(game, estimand, FEW)
    assert all((check.errors <= 1).all() for check in checks)
    logits = network(game.images).double()
    score = logits.gather(1, game.classes[:, None])[:, 0]
    score = score if multi_label else score - logits.mean(1)
    assert torch.allclose(truth.score, score, atol=1e-5)
    assert torch.allclose(truth.values.sum((1, 2)), truth.score - truth.reference_score, atol=1e-5)
    assert (truth.values.flatten(1).std(1) > 1e-3).all()
    assert torch.allclose(truth.halves.mean(0), truth.values)


def test_a_missing_part_of_the_sum_breaks_the_law():
    truth, _ = shapley(game_of(), "grey", FEW)
    worse = truth.values.clone()
    worse[1, 0, 0] += 0.01
    check = completeness(worse, truth.score, truth.reference_score, torch.full((3,), 1e-3))
    assert (check.errors > 1).tolist() == [False, True, False]


@pytest.mark.parametrize("estimand", PIXELS)
def test_every_permutation_of_a_patch_network_has_the_exact_gains(estimand):
    game, spec = game_of(patch_net()), ESTIMANDS[estimand]
    sampling = Sampling(16, 16, reliability=0.999999)
    hirescam = explain(
        game.network, game.images, game.classes, ["hirescam"], explained_score="centred"
    )["hirescam"]
    for pair in range(3):
        for side in range(2):
            fill = game.reference(spec, 2 * pair + side)
            of_fill = explain(
                game.network, fill, game.classes, ["hirescam"], explained_score="centred"
            )["hirescam"]
            for place in range(3):
                order = orders_of(game, pair)[place, side : side + 1]
                actual = gains(game, place, order, fill[place][None])[0]
                expected = (hirescam - of_fill)[place].flatten().double()
                assert torch.allclose(actual, expected, atol=5e-6)
    # so the mean over permutations is the exact one over the same references
    actual, _ = sampled(game, spec, sampling)
    drawn = range(16) if spec.drawn else range(1)
    fills = [game.network.activations(game.reference(spec, draw)) for draw in drawn]
    expected, _ = additive(game, [torch.stack(fills).double().mean(0)])
    assert torch.allclose(actual.values, expected.values, atol=5e-6)
    assert torch.allclose(actual.reference_score, expected.reference_score, atol=5e-6)


def test_the_background_of_a_patch_network_is_that_of_all_training_images():
    game = game_of(patch_net(), patches=True)
    exact, _ = shapley(game, "background")
    features, _ = shapley(game, "features")
    assert torch.equal(exact.values, features.values)
    whole = replace(game, patches=False)  # forty draws meet every training image once
    drawn, _ = shapley(whole, "background", Sampling(40, 40))
    assert torch.allclose(drawn.values, exact.values, atol=5e-6)
    assert exact.permutations.tolist() == [0] * 3
    assert exact.reliability.tolist() == [1.0] * 3
    assert torch.equal(exact.halves[0], exact.values)


def test_features_zero_is_hirescam():
    game = game_of()
    truth, _ = shapley(game, "features_zero")
    expected = explain(
        game.network, game.images, game.classes, ["hirescam"], explained_score="centred"
    )
    assert torch.allclose(truth.values.float(), expected["hirescam"], atol=5e-6)


def test_noise_on_a_patch_network_has_halves_of_its_draws():
    game = game_of(patch_net(), patches=True)
    truth, _ = shapley(game, "noise", Sampling(16, 8))
    assert truth.permutations.tolist() == [16] * 3
    assert not torch.allclose(truth.halves[0], truth.halves[1])
    slow, _ = shapley(replace(game, patches=False), "noise", Sampling(16, 16))
    assert torch.allclose(truth.halves, slow.halves, atol=5e-6)
    assert ((truth.reliability > 0) & (truth.reliability < 1)).all()


def test_a_cell_that_no_class_weighs_contributes_nothing():
    network = patch_net()
    weights = network.classifier.weight.data.view(3, 5, 4, 4)
    weights[:, :, 1, 2] = 0
    game = game_of(network, patches=True)
    truth, checks = shapley(game, "background")
    (check,) = [c for c in checks if "without weights" in c.name]
    assert check.asked.all()
    assert (truth.values[:, 1, 2] == 0).all()
    assert (truth.values.abs().flatten(1) > 0).sum(1).tolist() == [15] * 3
    slow, _ = shapley(replace(game, patches=False), "grey", FEW)
    assert slow.values[:, 1, 2].abs().max() < 5e-6
    _, checks = shapley(game_of(patch_net(), patches=True), "background")
    (check,) = [c for c in checks if "without weights" in c.name]
    assert not check.asked.any()


def test_a_network_whose_cells_see_more_is_no_patch_network():
    (check,) = engine_checks(game_of(), ESTIMANDS["grey"])
    assert (check.errors > 1).all()


def test_pairs_are_an_order_and_its_reverse_with_references_of_their_own(monkeypatch):
    asked = []

    def watched(game, place, orders, references):
        asked.append((orders, references))
        return gains(game, place, orders, references)

    monkeypatch.setattr(sampling, "gains", watched)
    sampled(game_of(places=[4]), ESTIMANDS["background"], FEW)
    ((orders, references),) = asked
    assert torch.equal(orders[0::2], orders[1::2].flip(1))
    assert len({tuple(order) for order in orders.tolist()}) == 8
    assert len({tuple(r) for r in references.flatten(1).tolist()}) == 8
    asked.clear()
    sampled(game_of(places=[4]), ESTIMANDS["blur"], FEW)
    assert len(asked[0][1]) == 1  # all share one replacement
    assert torch.equal(asked[0][0], orders)  # the same orders for every estimand


def test_halves_are_the_even_and_the_odd_pairs():
    game, spec = game_of(), ESTIMANDS["background"]
    truth, _ = sampled(game, spec, FEW)
    by_pair = []
    for pair in range(4):
        fills = [game.reference(spec, 2 * pair + side) for side in range(2)]
        by_pair.append(
            torch.stack(
                [
                    gains(game, p, orders_of(game, pair)[p], torch.stack([f[p] for f in fills]))
                    for p in range(3)
                ]
            ).mean(1)
        )
    for half in range(2):
        expected = torch.stack(by_pair[half::2]).mean(0)
        assert torch.allclose(truth.halves[half].flatten(1), expected, atol=5e-6)


@pytest.mark.parametrize("estimand", ["background", "noise", "mean", "features"])
@pytest.mark.parametrize("patches", [False, True])
def test_an_image_s_values_do_not_depend_on_the_others(estimand, patches):
    network = patch_net() if patches else loud(random_net())
    sampling = Sampling(32, 8, reliability=0.9)
    whole, _ = shapley(game_of(network, range(6), patches=patches), estimand, sampling)
    for places in ([5, 2], [3]):
        part, _ = shapley(game_of(network, places, patches=patches), estimand, sampling)
        for name in ("values", "reliability", "permutations", "score", "reference_score"):
            assert torch.equal(getattr(part, name), getattr(whole, name)[places]), name
        assert torch.equal(part.halves, whole.halves[:, places])


def test_an_image_stops_when_it_is_reliable_or_at_the_cap():
    game = game_of(places=range(6))
    easy, _ = shapley(game, "background", Sampling(64, 8, reliability=0.01))
    hard, _ = shapley(game, "background", Sampling(64, 8, reliability=0.9999))
    some, _ = shapley(game, "background", Sampling(64, 8, reliability=0.9))
    assert (easy.permutations < 64).any()
    assert hard.permutations.tolist() == [64] * 6
    assert len(set(some.permutations.tolist())) > 1
    stopped = some.permutations < 64
    assert stopped.any()
    assert (some.reliability[stopped] >= 0.9).all()
    # one block less was not enough
    place = int(some.permutations.argmax())
    before = int(some.permutations[place]) - 8
    less, _ = shapley(game, "background", Sampling(before, before, reliability=0.9))
    assert less.reliability[place] < 0.9
    assert hard.reliability.mean() > easy.reliability.mean()


def test_reliability_is_the_halves_rank_correlation_of_both_together():
    first = torch.arange(5.0).view(1, 1, 5).double()
    swapped = first[:, :, [1, 0, 2, 3, 4]]  # Spearman 0.9
    pairs = [(first, first), (first, swapped), (first, first.flip(2)), (first, first * 0)]
    actual = [float(reliability(torch.stack(pair))[0]) for pair in pairs]
    assert actual[:3] == pytest.approx([1, 1.8 / 1.9, -1])
    assert actual[3] != actual[3]
    truth = Truth(first, torch.stack([first, first]), torch.tensor(actual))
    assert truth.resolved.tolist() == [True, True, False, False]
    assert LEAST_RELIABILITY == 0.9


def test_volumes_and_what_is_missing_are_refused_by_name():
    given = (torch.zeros(2, dtype=torch.int64), Noise(Streams(1, "made", "net"), [0, 1]))
    with pytest.raises(ValueError, match="volumes' cells are not supported"):
        Game(random_net(), volumes(2), *given)
    bare = Game(random_net(), random_images(2), *given)
    for estimand, missing in (
        ("background", "backgrounds"),
        ("train_mean", "train_mean"),
        ("features", "mean_activations"),
    ):
        with pytest.raises(ValueError, match=missing):
            shapley(bare, estimand, FEW)
    with pytest.raises(ValueError, match="did you mean grey"):
        shapley(bare, "gray", FEW)
    for wrong in ((10, 5), (30, 6), (20, 8)):
        with pytest.raises(ValueError, match="multiple of 4"):
            Sampling(*wrong)


def test_which_estimands_a_data_set_allows():
    named = ["grey", "rerendered", "features"]
    assert supported(named, volumes=True, renderings=True) == []
    assert supported(named, volumes=False, renderings=True) == named
    assert supported(named, volumes=False, renderings=False) == ["grey", "features"]
    assert all(estimand.asks.endswith("?") for estimand in ESTIMANDS.values())
