"""Control maps: what each keeps, what it destroys, where it is scored."""

import inspect

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from scipy import fft
from scored import STRICT, inputs_of, network_of, scores_of
from shards import IMAGES, TRAIN, VAL, make_shard

from faithcam.core.explained import scores
from faithcam.core.seeding import Noise, Streams, torch_seed
from faithcam.core.setting import Setting
from faithcam.maps import registry
from faithcam.maps.explain import explain, maps_of
from faithcam.maps.methods import smoothness
from faithcam.maps.methods.expected import expected_gradcam, expected_hirescam
from faithcam.maps.methods.gradcam import gradcam
from faithcam.maps.methods.hirescam import hirescam
from faithcam.maps.methods.sham import sham, sham_permuted
from faithcam.running.shard import partners
from faithcam.truth.game import Game
from faithcam.truth.parts import contributions
from faithcam.truth.shapley import shapley

CLASSES = torch.tensor([0, 2, 1, 2])
STREAMS = Streams(1, "d", "m")
ALONE = [
    *("completed_gradcam", "inverse"),
    *("hirescam_as_smooth_as_gradcam", "gradcam_as_smooth_as_hirescam"),
]
MAIN = ("gradcam", "hirescam", "random")
CONTROLS = ["sham", "constant", "template", "spectrum_random", "other_image"]


def numbers(*shape, seed=0):
    with torch_seed("controls", seed):
        return torch.randn(shape)


def maps_for(names, **given):
    model, images = random_net(), random_images()
    with torch.no_grad():
        return maps_of(model, model.activations(images), CLASSES, names, "centred", given)


def test_methods_need_as_much_as_their_functions_take():
    for name, method in registry.METHODS.items():
        assert len(inspect.signature(method.function).parameters) == len(method.needs), name


def test_maps_of_noisy_images_need_the_network_and_nothing_of_clean_images():
    others = {"random", "centre", "sobel", "intensity", "constant", "other_image"}
    others |= {"scorecam", "occlusion", "gradient_x_input", "integrated_gradients", "smoothgrad"}
    others |= {"shapley_4", "shapley_16", "shapley_64"}
    assert set(registry.METHODS) - set(registry.from_model(registry.METHODS)) == others


def test_library_users_get_controls_that_need_nothing_else():
    model, images = random_net(), random_images()
    explained = explain(model, images, CLASSES, ["hirescam", *ALONE])
    assert list(explained) == ["hirescam", *ALONE]
    lacking = {"mean_activations", "other_activations", "image_ids", "streams"}
    more = [name for name in registry.METHODS if lacking & registry.needs([name])]
    assert set(more) >= {
        "sham",
        "template",
        "other_image",
        "spectrum_random",
        "random",
        "smoothgrad",
    }
    for name in more:
        with pytest.raises(ValueError, match=f"{name} does not explain a network by itself"):
            explain(model, images, CLASSES, [name])
    with pytest.raises(ValueError, match="needs a network with head flatten"):
        explain(random_net("gap"), images, CLASSES, ["inverse"])


def symmetries(weights):
    """Return the seven symmetries of the square but the identity, of weights (..., n, n)."""
    turned = [weights.rot90(quarters, (-2, -1)) for quarters in range(4)]
    return [*turned[1:], *(part.flip(-1) for part in turned)]


def test_the_sham_has_one_other_symmetry_of_each_image():
    ids = range(60)
    gradients, ones = numbers(1, 2, 3, 3).expand(60, 2, 3, 3), torch.ones(60, 2, 3, 3)
    actual = sham(ones, gradients, ids, STREAMS)
    others = torch.stack([hirescam(ones[:1], turned)[0] for turned in symmetries(gradients[:1])])
    same = (actual[:, None] == others).all((2, 3))
    assert (same.sum(1) == 1).all()  # one of the seven, the centre cell keeps its weight
    assert same.any(0).all()  # every one of them occurs
    assert torch.equal(actual[7:9], sham(ones[7:9], gradients[7:9], [7, 8], STREAMS))
    other = sham(ones, gradients, ids, Streams(1, "d", "n"))
    assert not torch.equal(actual, other)
    with pytest.raises(ValueError, match="2 x 3 cells found"):
        sham(torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 3), [0], STREAMS)


@pytest.mark.parametrize(
    "method",
    [lambda A, g: sham(A, g, [0, 1], STREAMS), lambda A, g: sham_permuted(A, g, STREAMS)],
)
def test_shams_keep_the_weights_but_not_their_cells(method):
    A, gradients = numbers(2, 3, 5, 5), numbers(2, 3, 5, 5, seed=1)
    for k in range(3):  # channel by channel: the weights' mean is Grad-CAM's, their norm stays
        channel = torch.zeros_like(A)
        channel[:, k] = 1
        moved = method(channel, gradients)
        assert torch.allclose(moved.mean((1, 2)), gradients[:, k].mean((1, 2)))
        assert torch.allclose(moved.norm(dim=(1, 2)), gradients[:, k].norm(dim=(1, 2)))
        assert torch.equal(moved.flatten(1).sort().values, gradients[:, k].flatten(1).sort().values)
        assert ((moved != gradients[:, k]).sum((1, 2)) >= 20).all()  # a diagonal may stay
    level = A.mean((2, 3), keepdim=True).expand_as(A)
    whole = hirescam(level, gradients).sum((1, 2))
    assert torch.allclose(method(level, gradients).sum((1, 2)), whole, atol=1e-4)
    assert not torch.allclose(method(A, gradients), hirescam(A, gradients), atol=0.1)
    assert not torch.allclose(
        method(A, gradients).sum((1, 2)), hirescam(A, gradients).sum((1, 2)), atol=0.1
    )


def test_the_gradcam_of_a_sham_is_gradcam():
    A, gradients = numbers(1, 3, 4, 4), numbers(1, 3, 4, 4, seed=1)
    for turned in symmetries(gradients):
        assert torch.allclose(gradcam(A, turned), gradcam(A, gradients), atol=1e-6)


def test_where_activations_are_symmetric_the_sham_is_complete():
    part = numbers(1, 3, 4, 4)
    A = part + sum(symmetries(part))
    gradients = numbers(1, 3, 4, 4, seed=1)
    whole = hirescam(A, gradients).sum()
    assert torch.allclose(sham(A, gradients, [3], STREAMS).sum(), whole, rtol=1e-4)


def test_one_permutation_per_network():
    gradients = torch.arange(16.0).reshape(1, 1, 4, 4).expand(2, 1, 4, 4)
    first, second = sham_permuted(torch.ones_like(gradients), gradients, STREAMS)
    assert torch.equal(first, second)
    assert torch.equal(first.flatten().sort().values, torch.arange(16.0))
    other = sham_permuted(torch.ones_like(gradients), gradients, Streams(1, "d", "n"))[0]
    assert not torch.equal(first, other)


def test_completed_gradcam_adds_up_and_ranks_like_gradcam():
    maps = maps_for(["hirescam", "gradcam", "completed_gradcam", "inverse"])
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
    maps = maps_for(["hirescam", "gradcam", *ALONE[2:]])
    for name, signs in (("hirescam", ALONE[2]), ("gradcam", ALONE[3])):
        assert torch.equal(smoothness.dct(maps[name]).sign(), smoothness.dct(maps[signs]).sign())


def test_template_and_the_rest_are_the_map():
    mean = numbers(5, 4, 4).abs()
    names = ["hirescam", "gradcam", "template"]
    names += ["expected_hirescam", "expected_gradcam"]
    maps = maps_for(names, mean_activations=mean)
    assert torch.allclose(maps["template"] + maps["expected_hirescam"], maps["hirescam"], atol=1e-5)
    assert torch.equal(maps["template"][1], maps["template"][3])  # both are class 2
    assert not torch.allclose(maps["template"][0], maps["template"][1], atol=1e-2)
    averaged = maps["gradcam"] - maps["expected_gradcam"]
    weights = random_net().cell_weights((5, 4, 4)).detach()
    weights = (weights[CLASSES] - weights.mean(0)).mean((2, 3))
    assert torch.allclose(averaged, torch.einsum("nk,khw->nhw", weights, mean), atol=1e-5)


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_expected_hirescam_is_the_shapley_value_of_the_cells(head):
    net, images = random_net(head, cells=2), random_images(3, 8)
    with torch.no_grad():
        A, references = net.activations(images), net.activations(random_images(5, 8, seed=1))
        mean, classes = references.mean(0), torch.tensor([0, 2, 1])
        given = {"mean_activations": mean}
        names = ["expected_hirescam", "expected_gradcam"]
        maps = maps_of(net, A, classes, names, "centred", given)
        values = []  # of every set of cells that are there, over the references in place of others
        for there in range(2**4):
            kept = torch.tensor([bool(there & 1 << cell) for cell in range(4)]).view(2, 2)
            mixed = torch.where(kept, A[:, None], references).flatten(0, 1)
            seen = scores(net.logits(mixed), classes.repeat_interleave(5), "centred")
            values.append(seen.double().view(3, 5).mean(1))
    expected = contributions(torch.stack(values, 1).numpy()).shapley
    assert np.allclose(maps["expected_hirescam"].flatten(1), expected, atol=1e-6)
    same = torch.allclose(maps["expected_gradcam"], maps["expected_hirescam"], atol=1e-6)
    assert same == (head == "gap")


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_expected_hirescam_is_the_estimand_features(head):
    net, images, noise = random_net(head), random_images(), Noise(STREAMS, range(4))
    with torch.no_grad():
        A, mean = net.activations(images), net.activations(random_images(9, seed=1)).mean(0)
        given = {"mean_activations": mean}
        maps = maps_of(net, A, CLASSES, ["expected_hirescam"], "centred", given)
        truth, _ = shapley(Game(net, images, CLASSES, noise, mean_activations=mean), "features")
    assert torch.allclose(maps["expected_hirescam"].double(), truth.values, atol=1e-6)


def test_expected_maps_are_the_maps_of_what_differs_from_the_mean():
    A, gradients, mean = numbers(2, 3, 4, 4), numbers(2, 3, 4, 4, seed=1), numbers(3, 4, 4, seed=2)
    for expected, plain in ((expected_hirescam, hirescam), (expected_gradcam, gradcam)):
        left = plain(A, gradients) - plain(mean, gradients)
        assert torch.allclose(expected(A, gradients, mean), left, atol=1e-5)
        assert not expected(mean.expand_as(A), gradients, mean).any()


def test_a_job_knows_the_mean_activations_and_the_other_images():
    shard = make_shard(start=4, stop=8)
    batch = next(shard.batches())
    pixels = shard.dataset.images[IMAGES + VAL :]
    with torch.no_grad():
        images = torch.from_numpy(pixels.repeat(3, 3)).permute(0, 3, 1, 2) / 127.5 - 1
        assert len(images) == TRAIN
        mean = shard.model.activations(images).mean(0)
        other = shard.given(batch, ["other_image"])["other_activations"]
        assert torch.allclose(shard.mean_activations(shard.model), mean, atol=1e-6)
        partner = partners(range(IMAGES), 1, "made")
        for image, activations in zip(batch.image_ids, other, strict=True):
            alone = shard.tensor(shard.dataset.images[[partner[image]]])
            assert torch.allclose(activations, shard.model.activations(alone)[0], atol=1e-6)
    assert set(shard.given(batch, MAIN)) == {"images", "image_ids", "streams"}


def scored(metric, controls=CONTROLS, **fields):
    """Return a published metric's scores in both protocols."""
    thesis = {"thesis": {"regions": [8, 4]}}
    strict = {"strict": {**STRICT["aopc"]["strict"], "imputers": ["noise", "mean", "rerendered"]}}
    config = {**STRICT, "protocols": ["thesis", "strict"], "aopc": {**thesis, **strict}}
    inputs = inputs_of(renderings=[random_images(4, seed=1)])
    spec = network_of(methods=MAIN, controls=controls, **{"task": "lesion", **fields})
    return scores_of(metric, inputs, spec, **config)


@pytest.mark.parametrize("metric", ["aopc", "haas", "max_sensitivity"])
def test_controls_are_scored_in_primary_settings_and_change_nothing_else(metric):
    without, result = scored(metric, []), scored(metric)
    others, settings = {}, {}
    for maps_for in result.scored:
        where = (maps_for.evaluation.protocol, str(maps_for.evaluation.setting))
        if maps_for.method in CONTROLS:
            settings.setdefault(maps_for.method, set()).add(where)
        else:
            others[(*where, maps_for.method)] = maps_for.values
    for maps_for in without.scored:
        where = (maps_for.evaluation.protocol, str(maps_for.evaluation.setting), maps_for.method)
        torch.testing.assert_close(
            others.pop(where), maps_for.values, rtol=0, atol=0, equal_nan=True
        )
    assert not others
    curve = {"draws": 2, "imputer": "noise", "order": "morf", "region": "native"}
    rerendered = {**curve, "imputer": "rerendered", "draws": 1, "replicate": 0}
    first = {**curve, "draws": 1, "region": 8, "output": "probability"}
    expected = {
        "aopc": {
            *(
                ("strict", str(Setting.of(**fields, output=output)))
                for fields in ({**curve, "replicate": 0}, {**curve, "replicate": 1}, rerendered)
                for output in ("probability", "logit")
            ),
            ("thesis", str(Setting.of(**first))),
        },
        "haas": {
            ("thesis", "explained_class=label"),
            ("strict", "explained_class=predicted"),
            ("strict", "explained_class=predicted;outcome=kept"),
        },
        "max_sensitivity": {
            *(
                ("strict", f"radius=0.3;replicate={replicate};samples=2;version={version}")
                for replicate in (0, 1)
                for version in ("absolute", "relative", "rank")
            ),
            ("thesis", "radius=0.3;samples=3;version=absolute"),
        },
    }[metric]
    still = {"constant", "other_image"} if metric == "max_sensitivity" else set()
    assert settings == dict.fromkeys(set(CONTROLS) - still, expected)
    curves = {rows.columns["method"] for rows in result.rows.get("curves", [])}
    assert curves == ({*MAIN, "random_order"} if metric == "aopc" else set())


def test_a_constant_control_has_no_rank_and_the_template_no_sensitivity():
    constant = [maps_for for maps_for in scored("aopc").scored if maps_for.method == "constant"]
    assert {status for maps_for in constant for status in maps_for.statuses} == {"undefined"}
    template = [
        maps_for for maps_for in scored("max_sensitivity").scored if maps_for.method == "template"
    ]
    assert template
    assert all(maps_for.values.max() < 1e-12 for maps_for in template)


def test_the_logits_maps_are_ordered_in_the_primary_setting_and_by_the_perfect_imputer():
    maps_for = [(f.evaluation.setting, f.method) for f in scored("aopc").scored]
    logit = {
        (s["imputer"], s["region"], method) for s, method in maps_for if "explained_score" in s
    }
    assert logit == {(i, "native", m) for i in ("noise", "rerendered") for m in MAIN}


def test_images_without_renderings_are_not_rerendered():
    imputers = {f.evaluation.setting.get("imputer") for f in scored("aopc", task="").scored}
    assert imputers == {"noise", "mean", None}


def test_examples_show_the_methods_and_the_sham_alone():
    given = ["cam", "gradcam", "hirescam"], ["constant", "sham", "sham_permuted"]
    assert registry.exemplary(*given, "flatten") == ["gradcam", "hirescam", "sham"]
    assert registry.exemplary(*given, "gap") == ["cam", "gradcam", "hirescam"]
    assert registry.exemplary(given[0], ["constant"], "flatten") == ["gradcam", "hirescam"]
