"""Control maps: what each keeps, what it destroys, where it is scored; feature-space AOPC."""

import inspect
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from networks import random_images, random_net
from scipy import fft
from test_shard import (
    AOPC,
    BATCH,
    IMAGES,
    VAL,
    make_shard,
    named,
    settings_of,
    stored_maps,
)

from faithcam import tables
from faithcam.cams import registry
from faithcam.cams.methods import smoothness
from faithcam.cams.methods.hirescam import hirescam
from faithcam.cams.methods.sham import sham, sham_permuted
from faithcam.explain import explain, maps_of
from faithcam.metrics import aopc, feature_aopc, haas, max_sensitivity
from faithcam.metrics.radii import thesis_radius
from faithcam.metrics.removal import additive_drops
from faithcam.seeding import Streams, torch_seed
from faithcam.shard import partners

CLASSES = torch.tensor([0, 2, 1, 2])
STREAMS = Streams(1, "d", "m")
ALONE = [
    *("sham", "completed_gradcam", "inverse"),
    *("hirescam_as_smooth_as_gradcam", "gradcam_as_smooth_as_hirescam"),
]
MAIN = ["gradcam", "hirescam", "random"]
CONTROLS = ["sham", "constant", "template", "spectrum_random", "other_image"]


def numbers(*shape, seed=0):
    with torch_seed("controls", seed):
        return torch.randn(shape)


def found(names, **given):
    model, images = random_net(), random_images()
    with torch.no_grad():
        return maps_of(model, model.activations(images), CLASSES, names, "centred", given)


def test_methods_need_as_much_as_their_functions_take():
    for name, method in registry.METHODS.items():
        assert len(inspect.signature(method.function).parameters) == len(method.needs), name


def test_maps_of_noisy_images_need_the_network_and_nothing_of_clean_images():
    others = {"random", "centre", "sobel", "intensity", "constant", "other_image"}
    others |= {"scorecam", "occlusion", "gradient_x_input", "integrated_gradients", "smoothgrad"}
    assert set(registry.METHODS) - set(registry.from_model(registry.METHODS)) == others


def test_library_users_get_controls_that_need_nothing_else():
    model, images = random_net(), random_images()
    explained = explain(model, images, CLASSES, ["hirescam", *ALONE])
    assert list(explained) == ["hirescam", *ALONE]
    lacking = {"mean_activations", "other_activations", "image_ids", "streams"}
    more = [name for name in registry.METHODS if lacking & registry.needs([name])]
    assert set(more) >= {"template", "other_image", "spectrum_random", "random", "smoothgrad"}
    for name in more:
        with pytest.raises(ValueError, match=f"{name} does not explain a network by itself"):
            explain(model, images, CLASSES, [name])
    with pytest.raises(ValueError, match="needs a network with head flatten"):
        explain(random_net("gap"), images, CLASSES, ["sham"])


def test_the_sham_averages_the_seven_other_symmetries():
    corner = torch.zeros(1, 1, 3, 3)
    corner[..., 0, 0] = 7
    edge = torch.zeros(1, 1, 3, 3)
    edge[..., 0, 1] = 7
    ones = torch.ones(1, 1, 3, 3)
    # two symmetries leave a corner or the middle of an edge where it is, identity is one of them
    assert sham(ones, corner)[0].round().tolist() == [[1, 0, 2], [0, 0, 0], [2, 0, 2]]
    assert sham(ones, edge)[0].round().tolist() == [[0, 1, 0], [2, 0, 2], [0, 2, 0]]
    with pytest.raises(ValueError, match="2 x 3 cells found"):
        sham(torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 3))


@pytest.mark.parametrize("method", [sham, lambda A, g: sham_permuted(A, g, STREAMS)])
def test_shams_keep_the_weights_but_not_their_cells(method):
    A, gradients = numbers(2, 3, 5, 5), numbers(2, 3, 5, 5, seed=1)
    for k in range(3):  # the weights' mean over the cells, channel by channel, is Grad-CAM's weight
        channel = torch.zeros_like(A)
        channel[:, k] = 1
        assert torch.allclose(method(channel, gradients).mean((1, 2)), gradients[:, k].mean((1, 2)))
    level = A.mean((2, 3), keepdim=True).expand_as(A)
    whole = hirescam(level, gradients).sum((1, 2))
    assert torch.allclose(method(level, gradients).sum((1, 2)), whole, atol=1e-4)
    assert not torch.allclose(method(A, gradients), hirescam(A, gradients), atol=0.1)
    assert not torch.allclose(
        method(A, gradients).sum((1, 2)), hirescam(A, gradients).sum((1, 2)), atol=0.1
    )


def test_where_activations_are_symmetric_the_sham_is_complete():
    part = numbers(1, 3, 4, 4)
    turned = [part.rot90(k, (2, 3)) for k in range(4)]
    A = sum(turned) + sum(t.flip(3) for t in turned)
    gradients = numbers(1, 3, 4, 4, seed=1)
    assert torch.allclose(sham(A, gradients).sum(), hirescam(A, gradients).sum(), rtol=1e-4)


def test_one_permutation_per_network():
    gradients = torch.arange(16.0).reshape(1, 1, 4, 4).expand(2, 1, 4, 4)
    first, second = sham_permuted(torch.ones_like(gradients), gradients, STREAMS)
    assert torch.equal(first, second)
    assert torch.equal(first.flatten().sort().values, torch.arange(16.0))
    other = sham_permuted(torch.ones_like(gradients), gradients, Streams(1, "d", "n"))[0]
    assert not torch.equal(first, other)


def test_completed_gradcam_adds_up_and_ranks_like_gradcam():
    maps = found(["hirescam", "gradcam", "completed_gradcam", "inverse"])
    completed = maps["completed_gradcam"]
    assert torch.allclose(completed.sum((1, 2)), maps["hirescam"].sum((1, 2)), atol=1e-5)
    shift = completed - maps["gradcam"]
    assert torch.allclose(shift, shift[:, :1, :1].expand_as(shift), atol=1e-6)
    assert torch.equal(maps["inverse"], -maps["hirescam"])


def test_partners_are_a_derangement_of_all_explained_images():
    ids = [3, 8, 11, 20, 21, 40]
    other = partners(ids, 1, "d")
    assert sorted(other) == sorted(other.values()) == ids
    assert all(image != partner for image, partner in other.items())
    assert partners(ids[::-1], 1, "d") == other
    assert partners(ids, 2, "d") != other
    assert partners(ids, 1, "e") != other


def test_the_cosine_transform_is_orthonormal():
    maps = numbers(2, 5, 4)
    expected = fft.dctn(maps.double().numpy(), axes=(1, 2), norm="ortho")
    assert np.allclose(smoothness.dct(maps), expected, atol=1e-12)
    assert torch.allclose(smoothness.inverse_dct(smoothness.dct(maps)), maps, atol=1e-6)


def test_random_signs_keep_the_spectrum_and_the_sum():
    maps = numbers(3, 6, 6)
    changed = smoothness.spectrum_random(maps, [5, 2, 9], STREAMS)
    before, after = smoothness.dct(maps), smoothness.dct(changed)
    assert torch.allclose(before.abs(), after.abs(), atol=1e-5)
    assert torch.allclose(maps.sum((1, 2)), changed.sum((1, 2)), atol=1e-4)
    flipped = (before * after < 0).double().mean((1, 2))
    assert ((flipped > 0.25) & (flipped < 0.75)).all()
    assert torch.equal(changed[1:2], smoothness.spectrum_random(maps[1:2], [2], STREAMS))
    other = smoothness.spectrum_random(maps, [5, 2, 9], Streams(1, "d", "n"))
    assert not torch.allclose(changed, other, atol=0.1)


def test_smoothness_is_taken_over_and_signs_are_kept():
    maps, other = numbers(2, 6, 6), numbers(2, 6, 6, seed=1).cumsum(1).cumsum(2)
    changed = smoothness.as_smooth_as(maps, other)
    before, after, wanted = map(smoothness.dct, (maps, changed, other))
    assert torch.equal(before.sign(), after.sign())
    u, v = np.mgrid[:6, :6]
    frequency = np.rint(np.sqrt(u**2 + v**2))
    for ring in np.unique(frequency):
        inside = torch.from_numpy(frequency == ring)
        assert torch.allclose(
            after.abs()[:, inside].mean(1), wanted.abs()[:, inside].mean(1), rtol=1e-4
        )
        ratio = (after / before)[:, inside]
        assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-3)
    assert torch.allclose(smoothness.as_smooth_as(maps, maps), maps, atol=1e-5)
    assert not smoothness.as_smooth_as(maps, 0 * maps).any()


def test_each_direction_of_the_exchange_is_the_right_one():
    maps = found(["hirescam", "gradcam", *ALONE[3:]])
    for name, signs in (("hirescam", ALONE[3]), ("gradcam", ALONE[4])):
        assert torch.equal(smoothness.dct(maps[name]).sign(), smoothness.dct(maps[signs]).sign())


def test_template_and_the_rest_are_the_map():
    mean = numbers(5, 4, 4).abs()
    names = ["hirescam", "gradcam", "template"]
    names += ["hirescam_minus_template", "gradcam_minus_template"]
    maps = found(names, mean_activations=mean)
    assert torch.allclose(
        maps["template"] + maps["hirescam_minus_template"], maps["hirescam"], atol=1e-5
    )
    assert torch.equal(maps["template"][1], maps["template"][3])  # both are class 2
    assert not torch.allclose(maps["template"][0], maps["template"][1], atol=1e-2)
    averaged = maps["gradcam"] - maps["gradcam_minus_template"]
    weights = random_net().cell_weights((5, 4, 4)).detach()
    weights = (weights[CLASSES] - weights.mean(0)).mean((2, 3))
    assert torch.allclose(averaged, torch.einsum("nk,khw->nhw", weights, mean), atol=1e-5)


def test_a_job_knows_the_mean_activations_and_the_other_images():
    shard = make_shard(start=4, stop=8)
    batch = next(shard.batches())
    pixels = shard.dataset.images[IMAGES:]
    with torch.no_grad():
        images = torch.from_numpy(pixels.repeat(3, 3)).permute(0, 3, 1, 2) / 127.5 - 1
        assert len(images) == VAL
        mean = shard.model.activations(images).mean(0)
        other = shard.given(batch, ["other_image"])["other_activations"]
        assert torch.allclose(shard.mean_activations, mean, atol=1e-6)
        partner = partners(range(IMAGES), 1, "made")
        for image, activations in zip(batch.image_ids, other, strict=True):
            alone = shard.tensor(shard.dataset.images[[partner[image]]])
            assert torch.allclose(activations, shard.model.activations(alone)[0], atol=1e-6)
    assert set(shard.given(batch, MAIN)) == {"images", "image_ids", "streams"}


def test_noisy_images_get_controls_of_their_own():
    shard = make_shard(start=4, stop=8)
    batch = next(shard.batches())
    names = ["sham_permuted", "spectrum_random", "hirescam_minus_template", "template"]
    given = shard.given(batch, names)
    shape = tuple(batch.images.shape[1:])
    noise = shard.noise(batch, "test", 0, shape)
    with torch.inference_mode():
        sensitivity = max_sensitivity.Sensitivity(
            shard.model, batch.images, batch.predicted, names, "signed", ["centred"], given
        )
        sensitivity.add("run", batch.images + noise, {"centred": names})
        result = sensitivity.found("run", "centred")
        clean, noisy = (
            maps_of(
                shard.model, shard.model.activations(x), batch.predicted, names, "centred", given
            )
            for x in (batch.images, batch.images + noise)
        )
    for name in names:
        change = (noisy[name] - clean[name]).flatten(1).norm(dim=1)
        assert torch.allclose(result[name]["absolute"], change.double(), rtol=1e-5)
        assert bool(change.any()) == (name != "template")
    with torch.inference_mode():
        # the change of a linear map is the map of the change: the same permutation in both
        difference = shard.model.activations(batch.images + noise)
        difference = difference - shard.model.activations(batch.images)
        slopes = shard.model.cell_weights(difference.shape)
        slopes = slopes[batch.predicted] - slopes.mean(0)
        moved = sham_permuted(difference, slopes, shard.streams)
    assert torch.allclose(noisy["sham_permuted"] - clean["sham_permuted"], moved, atol=1e-5)


def scored(shard, folder, controls):
    loaded, _, _ = stored_maps(shard, MAIN + controls, folder)
    settings = settings_of(controls=controls, aopc=AOPC | {"thesis": {"regions": [8, 4]}})
    scores, curves, _ = aopc.score_shard(shard, loaded, settings)
    from_model = named(shard, registry.from_model(MAIN + controls))
    return {
        "aopc": scores,
        "curves": curves,
        "haas": haas.score_shard(shard, loaded, settings),
        "max_sensitivity": max_sensitivity.score_shard(shard, from_model, settings),
    }


def test_controls_are_scored_in_primary_settings_and_change_nothing_else(tmp_path):
    shard = make_shard(start=0, stop=4)
    without, result = scored(shard, tmp_path, []), scored(shard, tmp_path, CONTROLS)
    settings = {}
    for name, table in result.items():
        rows = [row for row in table.to_pylist() if row["method"] not in CONTROLS]
        assert str(rows) == str(without[name].to_pylist()), name
        for row in table.to_pylist():
            if row["method"] in CONTROLS:
                settings.setdefault((name, row["method"]), set()).add(
                    (row["protocol"], row["setting"])
                )
    strict = {"draws": 2, "imputer": "noise", "order": "morf", "region": "native"}
    expected = {
        ("strict", tables.setting(**(strict | more), output=output, stream=stream))
        for more, streams in (({}, (0, 1)), ({"imputer": "rerendered", "draws": 1}, (0,)))
        for stream in streams
        for output in ("probability", "logit")
    }
    first = {"draws": 1, "imputer": "noise", "order": "morf", "region": 8}
    expected |= {("thesis", tables.setting(**first, output="probability"))}
    sensitivity = {
        ("strict", tables.setting(radius=0.3, samples=2, stream=stream, version=version))
        for stream in (0, 1)
        for version in ("absolute", "relative", "rank")
    } | {("thesis", tables.setting(radius=0.3, samples=3, version="absolute"))}
    for method in CONTROLS:
        assert settings["aopc", method] == expected
        assert settings["haas", method] == {
            ("thesis", "class=label"),
            ("strict", "class=predicted"),
            ("strict", "class=predicted;outcome=kept"),
        }
        if registry.from_model([method]):
            assert settings["max_sensitivity", method] == sensitivity
        assert ("curves", method) not in settings
    assert ("max_sensitivity", "constant") not in settings


def test_a_constant_control_has_no_rank_and_the_template_no_sensitivity(tmp_path):
    result = scored(make_shard(start=0, stop=4), tmp_path, CONTROLS)
    constant = result["aopc"].filter(pc.field("method") == "constant")
    assert set(constant["status"].to_pylist()) == {"undefined"}
    template = result["max_sensitivity"].filter(pc.field("method") == "template")
    assert max(template["value"].to_pylist()) < 1e-12


def test_the_logits_maps_are_ordered_in_the_primary_setting_and_by_the_perfect_imputer(tmp_path):
    scores = scored(make_shard(start=0, stop=4), tmp_path, CONTROLS)["aopc"].to_pylist()
    found = [(tables.parse_setting(row["setting"]), row["method"]) for row in scores]
    logit = {
        (facts["imputer"], facts["region"], method) for facts, method in found if "gauge" in facts
    }
    assert logit == {(i, "native", m) for i in ("noise", "rerendered") for m in MAIN}


def test_images_without_renderings_are_not_rerendered(tmp_path):
    shard = make_shard(start=0, stop=4)
    shard = replace(shard, dataset=replace(shard.dataset, renderings=None))
    scores = scored(shard, tmp_path, ["sham"])["aopc"]["setting"].to_pylist()
    assert any("imputer=noise" in setting for setting in scores)
    assert not any("imputer=rerendered" in setting for setting in scores)


def test_the_thesis_radius_is_the_primary_one_if_it_can_be():
    strict = {"primary_radius": 0.2}
    assert thesis_radius({"strict": strict, "thesis": {"radii": [0.1, 0.2]}}) == 0.2
    assert thesis_radius({"strict": strict, "thesis": {"radii": [1, 2]}}) == 1


def centred(model, activations):
    logits = model.logits(activations)
    return logits.gather(1, CLASSES[:, None])[:, 0] - logits.mean(1)


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_feature_drops_are_what_zeroed_cells_cost(head):
    model, images = random_net(head, relu=False), random_images()
    with torch.no_grad():
        A = model.activations(images)
        faithful = maps_of(model, A, CLASSES, ["hirescam"], "centred")["hirescam"]
        order = numbers(4, 16).argsort(1)
        state, falls = A.flatten(2).clone(), [torch.zeros(4)]
        before = centred(model, A)
        for cell in order.T:
            state.scatter_(2, cell[:, None, None].expand(4, A.shape[1], 1), 0)
            falls.append(before - centred(model, state.view_as(A)))
    curve = additive_drops(faithful.flatten(1), order)
    assert torch.allclose(curve, torch.stack(falls, 1).double(), atol=1e-5)


def test_hirescam_s_order_is_the_best_one_at_every_step(tmp_path):
    shard = make_shard()
    names = [*MAIN, "inverse", "sham"]
    loaded, _, _ = stored_maps(shard, names, tmp_path)
    totals = []
    for batch in shard.batches():
        faithful = loaded.of(batch, "hirescam", "predicted", "centred")
        totals.append(faithful[: batch.count].double().sum((1, 2)).numpy())
        best = additive_drops(faithful.flatten(1), faithful.flatten(1).argsort(1, True))
        for seed in range(200):
            drops = additive_drops(faithful.flatten(1), numbers(BATCH, 16, seed=seed).argsort(1))
            assert (drops <= best + 1e-9).all()
            assert (drops[:, 1:-1] < best[:, 1:-1]).any(1).all()
    table = feature_aopc.score_shard(shard, loaded, {})
    assert len(table) == 2 * len(names) * IMAGES
    frame = table.to_pandas().pivot(index=["setting", "image_id"], columns="method", values="value")
    value, share = frame.loc["order=morf"], frame.loc["order=morf;scale=optimum"]
    total = np.concatenate(totals)
    assert (value["hirescam"] >= value.max(axis=1)).all()
    assert (value["inverse"] <= value.min(axis=1)).all()
    # the mean over both directions of one order is half of the whole, (L + 1) / 2 of L + 1 steps
    assert np.allclose(value["hirescam"] + value["inverse"], total, atol=1e-5)
    positive = value["hirescam"] > 0
    assert positive.any()
    assert (share["hirescam"][positive] == 1).all()
    assert np.allclose(share["sham"][positive], (value["sham"] / value["hirescam"])[positive])


def test_without_an_optimum_there_is_no_share_of_it(tmp_path):
    shard = make_shard(start=0, stop=4)
    loaded, _, _ = stored_maps(shard, MAIN, tmp_path)
    for target in ("predicted", "label"):
        loaded._arrays["hirescam", target, "centred"] = -np.ones((4, 4, 4), np.float32)
    rows = feature_aopc.score_shard(shard, loaded, {}).to_pylist()
    for row in rows:
        assert np.isnan(row["value"]) == ("scale" in row["setting"] or row["method"] == "hirescam")


def test_examples_show_the_methods_and_the_sham_alone():
    given = ["cam", "gradcam", "hirescam"], ["constant", "sham", "sham_permuted"]
    assert registry.exemplary(*given, "flatten") == ["gradcam", "hirescam", "sham"]
    assert registry.exemplary(*given, "gap") == ["cam", "gradcam", "hirescam"]
    assert registry.exemplary(given[0], ["constant"], "flatten") == ["gradcam", "hirescam"]
