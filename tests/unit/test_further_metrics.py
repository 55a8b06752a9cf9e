"""The metrics that are compared but not judged: known numbers, laws, shards, GAP twins."""

import math
from importlib import import_module
from itertools import permutations

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from planted import GivenMaps
from scipy import sparse
from scipy.sparse.linalg import spsolve
from test_shard import BATCH, SENSITIVITY, as_rows, make_shard, named, settings_of, stored_maps
from torch import nn

from faithcam.cams import registry as cams
from faithcam.errors import FaithcamError
from faithcam.explain import maps_of
from faithcam.metrics import (
    average_drop,
    average_sensitivity,
    complexity,
    deletion,
    efficient_mprt,
    imputation,
    infidelity,
    insertion,
    max_sensitivity,
    normalised_aopc,
    randomised,
    road,
    sparseness,
)
from faithcam.metrics.aopc import drops, replacements, score
from faithcam.metrics.registry import METRICS
from faithcam.metrics.removal import Removal, grid, order_of
from faithcam.models import registry
from faithcam.models.camnet import CamNet
from faithcam.models.inference import for_inference
from faithcam.seeding import Streams
from faithcam.views import upsampled

FURTHER = (
    *("deletion", "insertion", "average_drop", "increase_in_confidence", "infidelity", "road"),
    *("normalised_aopc", "complexity", "sparseness"),
    *("average_sensitivity", "mprt", "smooth_mprt", "efficient_mprt"),
)
MAIN = ["gradcam", "hirescam", "random"]
CONTROLS = ["sham", "template", "constant"]


def scored(name, shard, maps, controls=()):
    metric = import_module(f"faithcam.metrics.{name}")
    return metric.score_shard(shard, maps, settings_of(["strict"], list(controls)))


def methods_of(name, head):
    methods = cams.supported([*(["cam"] if head == "gap" else []), *MAIN, *CONTROLS], head)
    return cams.from_model(methods) if METRICS[name].maps == "own" else methods


def frame_of(name, shard, maps, controls=()):
    return scored(name, shard, maps, controls).to_pandas()


# --- all of them ---


@pytest.mark.parametrize("name", FURTHER)
@pytest.mark.parametrize(("head", "channels"), [("flatten", 1), ("gap", 3)])
def test_shards_and_padding_change_no_row(tmp_path, name, head, channels):
    def tables_of(start, stop):
        shard = make_shard(head, channels, start=start, stop=stop)
        loaded, _, _ = stored_maps(shard, methods_of(name, head), tmp_path)
        return {"scores": scored(name, shard, loaded, CONTROLS)}

    whole = tables_of(0, 10)
    parts = [tables_of(start, stop) for start, stop in ((0, 4), (4, 8), (8, 10))]
    assert as_rows([whole], "scores") == as_rows(parts, "scores")
    assert len(whole["scores"]) > 0


@pytest.mark.parametrize("name", FURTHER)
def test_scores_lie_in_the_range_and_the_primary_setting_is_there(tmp_path, name):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, methods_of(name, "flatten"), tmp_path)
    frame = frame_of(name, shard, loaded, CONTROLS)
    rows = frame[frame["setting"] == METRICS[name].primary_setting(settings_of())]
    assert set(rows["method"]) == set(loaded.methods)  # controls, too
    assert rows.groupby("method").size().eq(10).all()
    assert rows["value"].isna().eq(rows["status"].eq("undefined")).all()
    low, high = METRICS[name].range
    slack = 0.5 if name == "normalised_aopc" else 1e-9
    assert rows["value"].dropna().between(low - slack, high + slack).all()
    assert rows[rows["method"] == "hirescam"]["value"].nunique() > 1


@pytest.mark.parametrize("name", FURTHER)
def test_gap_twins_score_exactly_the_same(tmp_path, name):
    shard = make_shard("gap")
    loaded, _, _ = stored_maps(shard, ["gradcam", "hirescam"], tmp_path)
    frame = frame_of(name, shard, loaded)
    one, other = (
        frame[frame["method"] == m].set_index(["setting", "image_id"])["value"]
        for m in ("gradcam", "hirescam")
    )
    assert np.array_equal(one, other.loc[one.index], equal_nan=True)
    assert one.notna().any()


@pytest.mark.parametrize("name", [name for name in FURTHER if METRICS[name].maps == "stored"])
def test_blank_maps_have_a_status_and_constant_ones_no_order(name):
    raw = torch.rand(10, 4, 4) - 0.5
    raw[2], raw[3] = 0, 1
    frame = frame_of(name, make_shard(stop=4), GivenMaps(raw))
    status = frame.groupby("image_id")["status"].agg(set)
    assert status[0] == {"ok"}
    assert status[2] == {"blank_map"}
    assert status[3] == ({"ok"} if name in ("complexity", "sparseness") else {"undefined"})


@pytest.mark.parametrize("name", FURTHER)
def test_a_score_does_not_depend_on_what_else_is_scored(tmp_path, name):
    shard = make_shard(stop=4)
    rows = []
    for methods in (["hirescam"], ["gradcam", "hirescam"]):
        loaded, _, _ = stored_maps(shard, methods, tmp_path)
        found = scored(name, shard, loaded).to_pylist()
        rows.append([row for row in found if row["method"] == "hirescam"])
    assert str(rows[0]) == str(rows[1])


# --- deletion and insertion ---


def test_the_area_is_that_of_trapezoids():
    probability = torch.tensor([0.9, 0.5, 0.1, 0.2])
    logits = torch.stack([probability.log(), (1 - probability).log()], 1)[None]
    expected = np.trapezoid(probability, dx=1 / 3)
    assert deletion.area(logits, torch.tensor([0])).item() == pytest.approx(expected)


def test_inserting_is_deleting_backwards():
    model, images, classes = random_net(), random_images(), torch.tensor([0, 1, 2, 0])
    order = torch.stack([torch.randperm(16) for _ in range(4)])
    removal, regions, blank = Removal(model), grid((16, 16), (4, 4)), torch.zeros(4, 3, 16, 16)
    forth = removal.logits(images, [order], regions, [blank])[0, 0]
    back = removal.logits(blank, [order.flip(1)], regions, [images])[0, 0]
    assert torch.allclose(
        deletion.area(forth.detach(), classes), deletion.area(back.detach(), classes)
    )


@pytest.mark.parametrize("metric", [deletion, insertion])
def test_curves_go_from_one_image_to_the_other_in_the_maps_order(metric):
    shard, raw = make_shard(stop=BATCH), torch.rand(10, 4, 4)
    rows = metric.score_shard(shard, GivenMaps(raw), {}).to_pylist()
    (batch,) = shard.batches()
    grey = torch.zeros_like(batch.images)
    (blur,) = insertion.replacements(shard, batch, "blur", 0, 1)
    state, end = (batch.images, grey) if metric is deletion else (blur, batch.images)
    states, state = [state], state.clone()
    for n, order in enumerate(raw[:BATCH].flatten(1).argsort(1, descending=True).T):
        for i, cell in enumerate(order.tolist()):
            where = np.s_[i, :, 4 * (cell // 4) :, 4 * (cell % 4) :]
            state[where][:, :4, :4] = end[where][:, :4, :4]
        states.append(state.clone())
        assert n < 16
    with torch.no_grad():
        curve = torch.stack([shard.model(s).softmax(1) for s in states], 1)
    curve = curve[torch.arange(BATCH), :, batch.predicted].double()
    expected = (curve[:, :1] + curve[:, -1:]).squeeze() / 2 + curve[:, 1:-1].sum(1)
    assert [row["value"] for row in rows] == pytest.approx((expected / 16).tolist(), abs=1e-6)


# --- average drop, increase in confidence ---


def test_drops_of_confidence_by_hand():
    clean, masked = torch.tensor([0.8, 0.5, 0.5]), torch.tensor([0.2, 0.9, 0.5])
    assert average_drop.drop(clean, masked).tolist() == pytest.approx([0.75, 0, 0])


def test_a_map_of_ones_would_drop_nothing_and_one_of_zeros_sees_grey(monkeypatch):
    shard = make_shard(stop=BATCH)
    (batch,) = shard.batches()
    for value in (0.0, 1.0):
        view = torch.full((BATCH, 16, 16), value)
        monkeypatch.setattr(average_drop, "scaled", lambda raw, size, view=view: view)
        with torch.no_grad():
            clean, masked, _ = average_drop.masked_confidences(
                shard, GivenMaps(torch.rand(10, 4, 4)), batch
            )
            grey = average_drop.confidence(shard.model, batch.images * 0, batch.predicted)
        assert torch.equal(masked["given"], clean if value else grey)


def test_confidence_cannot_rise_and_drop(tmp_path):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, MAIN, tmp_path)
    dropped, risen = (
        frame_of(name, shard, loaded).set_index(["method", "image_id"])["value"]
        for name in ("average_drop", "increase_in_confidence")
    )
    assert ((dropped > 0) != (risen == 1)).all()
    assert 0 < risen.mean() < 1


# --- infidelity ---


def test_infidelity_by_hand():
    predicted = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    changes = torch.tensor([[2.0, 1.0], [4.0, 3.0]])
    found = infidelity.infidelity(predicted, changes)
    assert found["raw"].tolist() == [2.5, 5.0]
    assert found["best"].tolist() == [0.0, 5.0]  # twice the map; a blank map stays blank


def test_no_scale_is_better_than_the_best():
    random = torch.Generator().manual_seed(0)
    predicted, changes = torch.randn(2, 9, 5, generator=random)
    best = infidelity.infidelity(predicted, changes)["best"]
    for factor in torch.linspace(0, 3, 31):
        assert (infidelity.infidelity(factor * predicted, changes)["raw"] >= best - 1e-12).all()


def test_a_map_of_the_wrong_sign_is_worse_under_any_scale():
    predicted, changes = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [3.0]])
    right, wrong = (infidelity.infidelity(sign * predicted, changes)["best"] for sign in (1, -1))
    assert right.item() == pytest.approx(13 / 2 - 64 / 10)
    assert wrong.item() == pytest.approx(13 / 2)  # as good as none at all


def test_squares_have_every_side_and_fill_their_place():
    numbers = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0))
    masks = infidelity.squares(numbers, (4, 5))
    sides = masks.any(2).sum(1)
    assert torch.equal(sides, masks.any(1).sum(1))
    assert torch.equal(masks.sum((1, 2)), sides**2)
    assert sorted(set(sides.tolist())) == [1, 2, 3, 4]
    assert torch.bincount(sides)[1:].min() > 900
    assert (masks.float().mean(0) > 0.15).all()
    assert masks[sides == 4][:, :, 0].any()
    assert masks[sides == 4][:, :, 4].any()


def test_the_contributions_of_a_linear_patch_net_predict_every_change(monkeypatch):
    shard = make_shard(stop=BATCH)
    with torch.no_grad():
        features = nn.Conv2d(3, 5, 4, 4, bias=False)
        model = CamNet(features, nn.Linear(80, 3), "flatten").eval()
    shard = shard.__class__(**{**shard.__dict__, "model": model})
    # what is replaced turns grey: A is 0 there
    monkeypatch.setattr(type(shard), "noise", lambda self, b, p, d, s: torch.zeros(BATCH, *s))
    (batch,) = shard.batches()
    with torch.no_grad():
        A = model.activations(batch.images)
        raw = maps_of(model, A, batch.predicted, ["gradcam", "hirescam"], "centred")
    for method, shown in raw.items():
        frame = frame_of("infidelity", shard, GivenMaps(shown))
        worst = frame[frame["setting"].str.contains("scale=raw")]["value"].max()
        assert (worst < 1e-9) == (method == "hirescam")


# --- complexity and sparseness ---


@pytest.mark.parametrize(
    ("values", "entropy", "gini"),
    [
        ([1, 1, 1, 1], math.log(4), 0),
        ([0, 0, -3, 0], 0, 0.75),
        ([1, -1, 0, 0], math.log(2), 0.5),
        ([1, 2, 3, 4], -sum(p * math.log(p) for p in (0.1, 0.2, 0.3, 0.4)), 0.25),
    ],
)
def test_entropy_and_gini_index_by_hand(values, entropy, gini):
    maps = torch.tensor(values, dtype=torch.float32).view(1, 2, 2)
    assert complexity.entropy(maps).item() == pytest.approx(entropy)
    assert sparseness.gini(maps).item() == pytest.approx(gini, abs=1e-12)
    assert complexity.entropy(-7 * maps).item() == pytest.approx(entropy)
    assert sparseness.gini(-7 * maps).item() == pytest.approx(gini, abs=1e-12)


# --- ROAD ---


def interpolated(image, removed):
    """Solve the source's linear system of one image (C, H, W) with SciPy."""
    height, width = removed.shape
    unknown = {tuple(place): i for i, place in enumerate(np.argwhere(removed))}
    matrix = sparse.lil_matrix((len(unknown), len(unknown)))
    right = np.zeros((len(unknown), len(image)))
    for (y, x), i in unknown.items():
        for dy, dx in [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]:
            if not (0 <= y + dy < height and 0 <= x + dx < width):
                continue
            weight = 1 / 6 if dy == 0 or dx == 0 else 1 / 12
            matrix[i, i] += weight
            if (y + dy, x + dx) in unknown:
                matrix[i, unknown[y + dy, x + dx]] -= weight
            else:
                right[i] += weight * image[:, y + dy, x + dx]
    result = image.copy()
    result[:, removed] = spsolve(matrix.tocsr(), right).reshape(right.shape).T
    return result


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_imputation_solves_the_linear_system_of_the_source(share):
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (3, 2, 16, 12))
    removed = random.random((3, 4, 3)).argsort(axis=None).reshape(3, 4, 3)
    removed = (removed.reshape(3, -1).argsort(1).argsort(1) < share * 12).reshape(3, 4, 3)
    removed = removed.repeat(4, 1).repeat(4, 2)
    assert not removed.all(axis=(1, 2)).any() or share == 0.95
    removed[:, 0, 0] = False
    start = torch.from_numpy(random.uniform(-1, 1, images.shape)).float()
    for guess in (None, start):
        found = imputation.imputed(
            torch.from_numpy(images).float(), torch.from_numpy(removed), guess
        )
        for image, mask, ours in zip(images, removed, found.numpy(), strict=True):
            np.testing.assert_allclose(ours, interpolated(image, mask), atol=1e-3)
            assert np.array_equal(ours[:, ~mask], image[:, ~mask].astype(np.float32))


def test_an_imputation_that_does_not_end_says_so(monkeypatch):
    monkeypatch.setattr(imputation, "STEPS", 0)
    removed = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.6
    with pytest.raises(FaithcamError, match=r"times its limit after 0 steps.*road\.shares"):
        imputation.imputed(random_images(2), removed)


def test_imputation_of_one_image_does_not_depend_on_the_others():
    images, removed = random_images(3), torch.zeros(3, 16, 16, dtype=torch.bool)
    removed[0, :15], removed[1, 3, 3] = True, True
    together = imputation.imputed(images, removed)
    for i in range(3):
        alone = imputation.imputed(images[i : i + 1], removed[i : i + 1])
        assert torch.allclose(alone[0], together[i], atol=1e-6)
    assert torch.equal(together[2], images[2])
    with pytest.raises(ValueError, match="all pixels of an image"):
        imputation.imputed(images, torch.ones_like(removed))


def test_flat_images_are_imputed_by_their_colour():
    images = torch.full((1, 3, 16, 16), 0.37)
    removed = torch.rand(1, 16, 16) < 0.7
    removed[0, 8, 8] = False
    assert torch.allclose(imputation.imputed(images, removed), images, atol=1e-4)


def test_road_removes_the_first_cells_and_never_all():
    order = torch.tensor([[3, 1, 0, 2]])
    for share, expected in ((0.01, [3]), (0.5, [3, 1]), (0.99, [3, 1, 0])):
        assert road.removed_cells(order, share).nonzero()[:, 1].tolist() == sorted(expected)


def test_road_scores_are_mean_falls_over_the_shares():
    shard, raw = make_shard(stop=BATCH, channels=3), torch.rand(10, 4, 4)
    frame = frame_of("road", shard, GivenMaps(raw)).set_index(["setting", "image_id"])["value"]
    (batch,) = shard.batches()
    order, falls, kept = order_of(raw[:BATCH].flatten(1)), [], []
    noise = shard.normal(batch, "road 0", 0, (3, 16, 16))
    with torch.no_grad():
        for count in (5, 10):  # shares .3 and .6 of 16
            removed = torch.zeros(BATCH, 16).scatter(1, order[:, :count], 1).view(-1, 4, 4)
            removed = removed.bool().repeat_interleave(4, 1).repeat_interleave(4, 2)
            pixels = np.stack(
                [
                    interpolated(i, m)
                    for i, m in zip(batch.images.numpy(), removed.numpy(), strict=True)
                ]
            )
            filled = torch.from_numpy(pixels) + 0.01 * noise * removed[:, None]
            seen = shard.model(filled)
            falls.append(
                drops(
                    torch.stack([shard.model(batch.images), seen], 1),
                    batch.predicted,
                    "probability",
                )[:, 1]
            )
            kept.append(seen.argmax(1) == batch.predicted)
        right = (shard.model(batch.images).argmax(1) == batch.predicted).double()
    found = frame["order=morf;output=probability;stream=0"]
    np.testing.assert_allclose(found, torch.stack(falls).mean(0), atol=1e-4)
    found = frame["order=morf;output=accuracy;stream=0"]
    np.testing.assert_allclose(found, right - torch.stack(kept).double().mean(0))
    gap = frame["order=gap;output=probability;stream=0"]
    parts = [frame[f"order={o};output=probability;stream=0"] for o in ("morf", "lerf")]
    np.testing.assert_allclose(gap, parts[0] - parts[1])
    assert not np.allclose(*(frame[f"order=morf;output=probability;stream={s}"] for s in (0, 1)))


def test_normal_numbers_are_keyed_and_normal():
    shard = make_shard(stop=BATCH)
    (batch,) = shard.batches()
    numbers = shard.normal(batch, "a", 0, (3, 40, 40))
    assert torch.equal(numbers, shard.normal(batch, "a", 0, (3, 40, 40)))
    assert not torch.equal(numbers, shard.normal(batch, "a", 1, (3, 40, 40)))
    assert torch.isfinite(numbers).all()
    assert abs(numbers.mean()) < 0.03
    assert abs(numbers.std() - 1) < 0.03


# --- randomisation ---


def test_layers_are_new_from_the_last_to_the_first():
    model, streams = random_net(), Streams(1, "made", "net")
    names = [name for name, _ in randomised.layers(model)]
    assert names == ["classifier", "2", "0"]
    before = {name: module.weight.clone() for name, module in randomised.layers(model)}
    new = []
    for network in randomised.cascade(model, streams, 3, random_images(8)):
        weights = dict(randomised.layers(network))
        new.append([name for name in names if not torch.equal(weights[name].weight, before[name])])
    assert new == [["classifier"], ["classifier", "2"], ["classifier", "2", "0"]]
    assert all(torch.equal(module.weight, before[n]) for n, module in randomised.layers(model))
    (whole,) = randomised.cascade(model, streams, 1, random_images(8))
    last = list(randomised.cascade(model, streams, 2, random_images(8)))[-1]
    other = next(randomised.cascade(model, Streams(1, "made", "other"), 1, random_images(8)))
    for (_, a), (_, b), (_, c) in zip(
        *(randomised.layers(m) for m in (whole, last, other)), strict=True
    ):
        assert torch.equal(a.weight, b.weight)
        assert not torch.equal(a.weight, c.weight)


def test_layers_that_cannot_be_new_are_named():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.ones(2, 2))

        def forward(self, images):
            return self.factor.mean() * images

    model = random_net()
    model.features.append(Scaled())
    with pytest.raises(FaithcamError, match=r"layer 4: Scaled found, which has a weight factor"):
        list(randomised.cascade(model, Streams(1, "made", "net"), 1, random_images(8)))


@pytest.mark.parametrize(
    "architecture",
    [
        *("resnet_small", "vgg_small", "patch_small", "axial_small", "resnet18", "vgg11"),
        *("densenet121", "efficientnet_b0", "mobilenet_v3_small", "convnext_tiny"),
    ],
)
def test_networks_with_new_weights_still_see_the_image(architecture):
    facts = registry.ARCHITECTURES[architecture]
    size = facts.smallest_size()
    model = registry.build(architecture, "flatten", 3, size).eval()
    images = torch.rand(8, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    flat = CamNet(model.features, model.classifier, "flatten")  # of the slices of a volume
    network = for_inference(flat, (size, size))
    before = {name: part.clone() for name, part in network.state_dict().items()}
    *_, new = randomised.cascade(network, Streams(1, "made", "net"), 2, images)
    assert all(torch.equal(part, before[name]) for name, part in network.state_dict().items())
    with torch.no_grad():
        A = new.activations(images)
    assert A.isfinite().all()
    # 0.1 % and less with the weights that PyTorch gives new layers
    assert A.var(0, correction=0).mean() > 0.1 * A.var(correction=0)


def test_new_layers_are_standardised():
    images = random_images(8)
    (new,) = randomised.cascade(random_net(), Streams(1, "made", "net"), 1, images)
    outputs = {}
    for name in ("0", "2"):
        layer = new.features.get_submodule(name)
        layer.register_forward_hook(lambda _, __, output, name=name: outputs.update({name: output}))
    new.activations(images)
    for output in outputs.values():
        spread, mean = torch.std_mean(output, (0, 2, 3), correction=0)
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
        torch.testing.assert_close(spread, torch.ones_like(spread))


def test_stages_divide_the_layers():
    assert randomised.stage_ends(7, 3) == [2, 5, 7]
    assert randomised.stage_ends(2, 5) == [1, 2]
    assert randomised.stage_ends(34, 1) == [34]


def test_maps_that_keep_their_ranks_score_one(tmp_path, monkeypatch):
    shard = make_shard(stop=4)
    loaded, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    monkeypatch.setattr(randomised, "_renew", lambda *layer: None)
    monkeypatch.setattr(randomised, "_standardise", lambda *network: None)
    for name in ("mprt", "smooth_mprt"):
        assert np.allclose(frame_of(name, shard, loaded)["value"], 1)
    assert np.allclose(frame_of("efficient_mprt", shard, loaded)["value"], 0)


def test_a_map_of_the_image_alone_does_not_know_that_the_weights_are_new():
    shard = make_shard(stop=4)
    for name, same in (("mprt", 1), ("efficient_mprt", 0)):
        frame = frame_of(name, shard, named(shard, ["sobel", "hirescam", "scorecam", "smoothgrad"]))
        found = frame.groupby("method")["value"].agg(["min", "max"])
        assert found.loc["sobel"].tolist() == pytest.approx([same, same])
        for method in ("hirescam", "scorecam", "smoothgrad"):
            assert found.loc[method, "min"] < found.loc[method, "max"]
            assert abs(found.loc[method] - same).min() > 1e-3


def test_the_mean_over_stages_is_one(tmp_path):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, ["gradcam", "hirescam"], tmp_path)
    frame = frame_of("mprt", shard, loaded).set_index(["setting", "method", "image_id"])["value"]
    stages = [frame[f"stage={n};stream=0"] for n in (1, 2)]
    np.testing.assert_allclose(frame["stage=mean;stream=0"], (stages[0] + stages[1]) / 2)
    assert not np.allclose(*stages)
    assert not np.allclose(frame["stage=mean;stream=0"], frame["stage=mean;stream=1"])


def test_smoothing_without_noise_changes_nothing(tmp_path):
    shard = make_shard(stop=4)
    loaded, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    plain = frame_of("mprt", shard, loaded)["value"]
    metric = import_module("faithcam.metrics.smooth_mprt")
    still = settings_of(smooth_mprt={"samples": 2, "noise": 0.0})
    assert np.allclose(metric.score_shard(shard, loaded, still).to_pandas()["value"], plain)
    moved = settings_of(smooth_mprt={"samples": 2, "noise": 0.3})
    assert not np.allclose(metric.score_shard(shard, loaded, moved).to_pandas()["value"], plain)


def test_smoothing_averages_maps_of_images_with_noise_of_the_declared_size(monkeypatch):
    metric, seen = import_module("faithcam.metrics.smooth_mprt"), []

    def explained(shard, batch, images, methods):
        seen.append(images - batch.images)
        return {"given": torch.full((BATCH, 4, 4), float(len(seen)))}

    monkeypatch.setattr(metric, "explained", explained)
    shard = make_shard(stop=BATCH)
    (batch,) = shard.batches()
    one, other = metric._smooth([shard, shard], batch, ["given"], 3, 0.1)
    noise = torch.stack(seen[::2])
    assert torch.equal(noise, torch.stack(seen[1::2]))  # the same for both networks
    assert noise.std().item() == pytest.approx(0.2, rel=0.05)  # images go from -1 to 1
    assert one["given"].unique().tolist() == [(1 + 3 + 5) / 3]
    assert other["given"].unique().tolist() == [(2 + 4 + 6) / 3]


def test_efficient_mprt_is_the_relative_rise_of_the_entropy(monkeypatch):
    ramp = torch.linspace(0, 1, 16).reshape(1, 4, 4).repeat(BATCH, 1, 1)
    step = (ramp > 0.9).float()
    given = {"trained": step, "new": ramp}
    shard = make_shard(stop=BATCH)
    monkeypatch.setattr(
        efficient_mprt,
        "explained",
        lambda s, *_: {"given": given["trained" if s is shard else "new"]},
    )
    low, high = (
        efficient_mprt.histogram_entropy(upsampled(part, (16, 16)))[0].item()
        for part in (step, ramp)
    )
    assert low < high
    frame = frame_of("efficient_mprt", shard, GivenMaps(ramp))
    assert frame["value"].to_numpy() == pytest.approx(high / low - 1)
    assert set(frame["setting"]) == {"bins=100;stream=0", "bins=100;stream=1"}


def test_the_entropy_of_a_histogram_is_numpys():
    maps = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    for values, found in zip(maps.double(), efficient_mprt.histogram_entropy(maps), strict=True):
        counts = np.histogram(values.numpy(), bins=100)[0]
        shares = counts[counts > 0] / counts.sum()
        assert found.item() == pytest.approx(-(shares * np.log(shares)).sum())
    assert efficient_mprt.histogram_entropy(torch.ones(1, 4, 4)).item() == 0
    two = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    assert efficient_mprt.histogram_entropy(two).item() == pytest.approx(math.log(2))


# --- average sensitivity ---


def test_no_average_exceeds_the_maximum(tmp_path):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, ["gradcam", "hirescam", "sham"], tmp_path)
    keys = ["setting", "method", "image_id"]
    average = frame_of("average_sensitivity", shard, loaded).set_index(keys)["value"]
    largest = max_sensitivity.score_shard(shard, loaded, settings_of(["strict"]))
    largest = largest.to_pandas().set_index(keys)["value"].loc[average.index]
    assert (average <= largest + 1e-12).all()
    assert (average < largest - 1e-6).mean() > 0.9


def test_the_average_is_that_of_the_samples(tmp_path):
    shard, method = make_shard(), ["hirescam"]
    loaded, _, _ = stored_maps(shard, method, tmp_path)

    def values(metric, samples):
        strict = SENSITIVITY["strict"] | {"samples": samples}
        settings = settings_of(["strict"], max_sensitivity=SENSITIVITY | {"strict": strict})
        frame = metric.score_shard(shard, loaded, settings).to_pandas()
        known = f"radius=0.3;samples={samples};stream=0;version=relative"
        return frame[frame["setting"] == known].set_index("image_id")["value"]

    first, both = (values(average_sensitivity, samples) for samples in (1, 2))
    second = 2 * both - first
    np.testing.assert_allclose(first, values(max_sensitivity, 1))
    np.testing.assert_allclose(np.maximum(first, second), values(max_sensitivity, 2))


# --- normalised AOPC ---


def test_normalised_aopc_is_the_place_between_the_worst_and_the_best_order():
    shard = make_shard(stop=BATCH)
    (batch,) = shard.batches()
    orders = list(permutations(range(4)))
    given = [torch.tensor([order] * BATCH) for order in orders]
    expected = []
    for stream in (0, 1):
        (noise,) = replacements(shard, batch, "noise", stream, 1)
        logits = Removal(shard.model).logits(batch.images, given, grid((16, 16), 8), [noise])[:, 0]
        scores = score(drops(logits, batch.predicted, "probability"))
        expected.append((scores - scores.amin(0)) / (scores.amax(0) - scores.amin(0)))
    own = settings_of(normalised_aopc={"images": BATCH, "region": 8, "beam": 6})
    for place, order in enumerate(orders):
        relevance = torch.zeros(4)
        relevance[list(order)] = torch.tensor([4.0, 3.0, 2.0, 1.0])
        raw = relevance.reshape(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1)
        rows = normalised_aopc.score_shard(shard, GivenMaps(raw.repeat(BATCH, 1, 1)), own)
        found = rows.to_pandas().groupby("setting")["value"].apply(np.array)
        for noise_of, values in zip((0, 1), expected, strict=True):
            np.testing.assert_allclose(
                found[f"beam=6;region=8;stream={noise_of}"], values[place], atol=1e-5
            )
    assert ((expected[0] > 0.1) & (expected[0] < 0.9)).any()
    assert not torch.allclose(*expected)


def test_a_wide_beam_finds_the_bounds_of_all_orders():
    model, images, classes = random_net(), random_images(), torch.tensor([0, 1, 2, 0])
    noise, regions, removal = random_images(seed=1), grid((16, 16), 8), Removal(random_net())
    orders = [torch.tensor([order] * 4) for order in permutations(range(4))]
    logits = removal.logits(images, orders, regions, [noise])[:, 0]
    scores = score(drops(logits, classes, "probability"))
    arguments = (Removal(model), images, classes, regions, noise)
    assert torch.allclose(normalised_aopc.best_aopc(*arguments, 6), scores.amax(0))
    assert torch.allclose(normalised_aopc.best_aopc(*arguments, 6, -1), scores.amin(0))
    for beam in (1, 2):
        narrow = normalised_aopc.best_aopc(*arguments, beam)
        assert (narrow <= scores.amax(0) + 1e-9).all()
        assert torch.isclose(narrow, scores, atol=1e-9).any(0).all()  # some order's


def test_equal_sets_are_kept_once():
    class Additive(nn.Module):
        """Removing region i takes gains[i] from the first logit."""

        def forward(self, images):
            gains = torch.tensor([3.0, 2.0, 1.0, 0.5])
            left = images[:, 0, ::8, ::8].flatten(1) @ gains
            return torch.stack([left, torch.zeros_like(left)], 1)

    images, zeros = torch.ones(2, 3, 16, 16), torch.zeros(2, 3, 16, 16)
    seen = []
    removal = Removal(Additive())
    logits = removal.logits
    removal.logits = lambda state, *a: seen.append(state[0, 0, ::8, ::8]) or logits(state, *a)
    classes, regions = torch.zeros(2, dtype=torch.int64), grid((16, 16), 8)
    found = normalised_aopc.best_aopc(removal, images, classes, regions, zeros, 3)
    best = logits(images, [torch.arange(4).expand(2, 4)], regions, [zeros])[0, 0]
    assert torch.allclose(found, score(drops(best, classes, "probability")))
    two_removed = {tuple(s.flatten().tolist()) for s in seen if s.sum() == 2}
    assert len(two_removed) == 3  # a beam of three different pairs
