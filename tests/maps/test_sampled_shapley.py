"""Shapley values from few permutations: exact where they must be, and independent of the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import Counting, net_of, random_images, random_net
from shards import CONFIG, make_shard, network_of
from torch import nn

from faithcam.core.explained import scores
from faithcam.core.ranks import ranks, spearman
from faithcam.core.seeding import Noise, Streams
from faithcam.experiment.evaluations import Plan
from faithcam.maps import registry
from faithcam.maps.explain import explain, maps_of
from faithcam.maps.method import ExplainedNetwork
from faithcam.removal import permutations
from faithcam.running import explaining as maps
from faithcam.running.references import backgrounds
from faithcam.truth.game import Game
from faithcam.truth.sampling import Sampling, orders_of
from faithcam.truth.shapley import shapley

NAMES = ["shapley_4", "shapley_16", "shapley_64"]
CLASSES = torch.tensor([0, 2, 1, 2])
IDS = [3, 1, 2, 0]
TRAINING = random_images(90, seed=7)
STREAMS = Streams(1, "made", "net")


def loud(network):
    """Let the score differ by more than rounding, as training would."""
    network.classifier.weight.data.mul_(20)
    return network


def patch_net():
    """A cell sees its own 4 x 4 pixels alone."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 2, 2), nn.ReLU(), nn.Conv2d(6, 5, 2, 2), nn.ReLU()]
    return loud(net_of(nn.Sequential(*layers), (16, 16)))


def drawn(ids, purpose=11):
    """Return what gives training images of a draw, keyed by the image."""
    return lambda draw: torch.stack([TRAINING[(purpose * i + draw) % 90] for i in ids])


def maps_for(model, names=NAMES, explained_score="centred", ids=IDS, classes=CLASSES, of=drawn):
    images = torch.stack([random_images(10)[i] for i in ids])
    given = {"images": images, "image_ids": ids, "streams": STREAMS, "backgrounds": of(ids)}
    with torch.inference_mode():
        return maps_of(model, model.activations(images), classes, names, explained_score, given)


@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_with_one_reference_a_patch_network_has_exact_values(explained_score):
    network, images = patch_net(), torch.stack([random_images(10)[i] for i in IDS])
    found = maps_for(
        network, explained_score=explained_score, of=lambda ids: lambda _: TRAINING[:4]
    )
    hirescam = [
        explain(network, x, CLASSES, ["hirescam"], explained_score=explained_score)["hirescam"]
        for x in (images, TRAINING[:4])
    ]
    for name in NAMES:
        assert torch.allclose(found[name], hirescam[0] - hirescam[1], atol=5e-6), name
        assert found[name].flatten(1).std(1).min() > 0.01


@pytest.mark.parametrize("head", ["flatten", "gap"])
@pytest.mark.parametrize("explained_score", ["logit", "centred"])
def test_they_add_up_to_what_the_image_has_over_its_references(head, explained_score):
    network = loud(random_net(head))
    found = maps_for(network, explained_score=explained_score)
    for name in NAMES:
        count = int(name.removeprefix("shapley_"))
        with torch.no_grad():
            images = torch.stack([random_images(10)[i] for i in IDS])
            score = scores(network(images), CLASSES, explained_score)
            fills = [drawn(IDS)(draw) for draw in range(count)]
            others = [scores(network(fill), CLASSES, explained_score) for fill in fills]
        expected = score - torch.stack(others).mean(0)
        assert torch.allclose(found[name].sum((1, 2)), expected, atol=1e-4), name


def test_more_permutations_come_nearer_to_the_truth():
    network = loud(random_net())
    found = maps_for(network)
    images = torch.stack([random_images(10)[i] for i in IDS])
    noise = Noise(STREAMS, IDS)
    with torch.inference_mode():
        game = Game(network, images, CLASSES, noise, backgrounds=drawn(IDS, 29))
        truth, _ = shapley(game, "background", Sampling(512, 512))
    near = {
        name: float(spearman(ranks(truth.values), ranks(part.double())).mean())
        for name, part in found.items()
    }
    assert near["shapley_4"] < near["shapley_16"] < near["shapley_64"]
    assert near["shapley_64"] > 0.95


def test_no_order_is_one_of_the_truth(monkeypatch):
    asked, gains = [], permutations.gains

    def watched(removal, image, orders, regions, references):
        asked.append(orders)
        return gains(removal, image, orders, regions, references)

    monkeypatch.setattr(permutations, "gains", watched)
    maps_for(random_net(), ["shapley_64"], ids=[3], classes=CLASSES[:1])
    monkeypatch.undo()
    mine = torch.cat(asked)
    assert len({tuple(order) for order in mine.tolist()}) == 64
    assert torch.equal(mine[0::2], mine[1::2].flip(1))
    game = Game(random_net(), random_images(1), CLASSES[:1], Noise(STREAMS, [3]))
    with torch.inference_mode():
        theirs = torch.cat([orders_of(game, pair)[0] for pair in range(128)])
    assert not {tuple(o) for o in mine.tolist()} & {tuple(o) for o in theirs.tolist()}
    alike = np.corrcoef(mine[0::2].flatten(), theirs[: len(mine) : 2].flatten())[0, 1]
    assert abs(alike) < 4 / (32 * 16) ** 0.5


def test_training_images_are_drawn_in_another_order_than_those_of_the_truth_and_of_metrics():
    shard = make_shard(stop=4)
    batch = next(shard.batches())
    mine = shard.given(batch, ["shapley_4"])["backgrounds"]
    assert "backgrounds" not in shard.given(batch, ["hirescam"])
    same = 0
    for purpose in ("truth backgrounds", "aopc backgrounds"):
        theirs = backgrounds(shard, batch.image_ids, purpose)
        for draw in range(7):
            same += int((mine(draw) == theirs(draw)).flatten(1).all(1).sum())
    # by chance one in seven of the 4 images x 7 draws x 2 purposes: 8; all 28 of a shared order
    assert same < 20


def test_fewer_permutations_are_the_first_ones_of_more(monkeypatch):
    asked, gains = {}, permutations.gains

    def watched(removal, image, orders, regions, references):
        asked.setdefault(name, []).append((orders, references))
        return gains(removal, image, orders, regions, references)

    monkeypatch.setattr(permutations, "gains", watched)
    for name in NAMES:
        maps_for(random_net(), [name], ids=[3], classes=CLASSES[:1])
    whole = [torch.cat(parts) for parts in zip(*asked["shapley_64"], strict=True)]
    for name in NAMES[:2]:
        for part, more in zip(zip(*asked[name], strict=True), whole, strict=True):
            assert torch.equal(torch.cat(part), more[: len(torch.cat(part))])


def test_an_image_s_map_has_the_same_bytes_whatever_others_there_are():
    whole = maps_for(random_net())
    part = maps_for(random_net(), ids=IDS[1:3], classes=CLASSES[1:3])
    for name in NAMES:
        assert torch.equal(whole[name][1:3], part[name])
    names = ["shapley_4", "shapley_16"]
    together, _ = maps.compute(make_shard(), names)
    parts = [maps.compute(make_shard(start=a, stop=b), names)[0] for a, b in [(0, 4), (4, 10)]]
    for name in names:
        rows = [row for part in parts for row in part[name].drop(["score"]).to_pylist()]
        key = ["explained_class", "explained_score", "image_id"]
        rows.sort(key=lambda row: [row[k] for k in key])
        assert together[name].drop(["score"]).to_pylist() == rows
        assert np.isnan(together[name]["score"].to_numpy()).all()


@pytest.mark.parametrize("count", [4, 16, 64])
def test_a_map_takes_the_passes_that_it_says_for_all_scores(count):
    name, spec = f"shapley_{count}", ExplainedNetwork("flatten", cells=4)
    assert registry.METHODS[name].passes(spec) == count * 17
    counting = Counting(random_net())
    maps_for(counting, [name], ids=[3, 3, 1], classes=CLASSES[:3])
    assert counting.images == 3 + 2 * count * 17  # A; an image that stands there twice, once
    shard = make_shard(stop=4)
    counting = Counting(shard.model)
    counting.classifier = shard.model.classifier
    maps.compute(replace(shard, model=counting), [name])
    assert counting.images == 4 * (2 + count * 17)


def test_metrics_that_make_maps_leave_them_out():
    assert registry.from_model(["hirescam", *NAMES]) == ["hirescam"]
    assert registry.remade(["hirescam", *NAMES, "scorecam"]) == ["hirescam", "scorecam"]
    network = network_of(make_shard(), ["hirescam", "shapley_4"], ["shapley_16", "sham"])
    plan = Plan({**CONFIG, "mprt": {"stages": 2}})
    for metric in ("mprt", "efficient_mprt", "smooth_mprt", "max_sensitivity",
                   "average_sensitivity"):  # fmt: skip
        asked = [e.methods for e in plan.evaluations(metric, network)]
        assert any("hirescam" in methods for methods in asked)
        assert not any({*NAMES} & {*methods} for methods in asked)
    scored = {m for e in plan.evaluations("aopc", network) for m in e.methods}
    assert {"shapley_4", "shapley_16"} <= scored


def test_they_need_training_images_and_no_volumes():
    assert not any(registry.METHODS[name].volumes for name in NAMES)
    with pytest.raises(ValueError, match=r"shapley_4 .*: it needs backgrounds, image_ids, streams"):
        explain(random_net(), random_images(), CLASSES, ["shapley_4"])
