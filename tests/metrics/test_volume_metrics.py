"""Metrics on volumes and on several labels per image: regions, evaluators, rows, costs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import Counting, axial_net, random_net, volumes
from scored import inputs_of
from shards import (
    BATCH,
    CONFIG,
    IMAGES,
    SLICES,
    as_rows,
    network_of,
    scored_by,
    several_shard,
    stored,
    written,
)

from faithcam.core.explained import answers, probabilities
from faithcam.core.seeding import torch_seed
from faithcam.core.views import normalised, scaled, size_of, upsampled
from faithcam.data import definitions as data
from faithcam.maps import registry as cams
from faithcam.maps.explain import explain, maps_of
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness.curves import drops
from faithcam.metrics.regions import layers, strict_regions
from faithcam.metrics.registry import METRICS, evaluations
from faithcam.models import registry
from faithcam.models.axialnet import AxialNet
from faithcam.models.inference import for_inference
from faithcam.removal.engine import Removal, one_pass_per_step
from faithcam.removal.grid import grid, region_means
from faithcam.removal.sides import depth_of
from faithcam.running import collect

MAIN, CONTROLS = ["gradcam", "hirescam", "random"], ["sham", "constant"]
ASKING = ("deletion", "insertion", "average_drop", "increase_in_confidence")
KINDS = [(SLICES, True), (SLICES, False), (0, True)]  # slices, several labels
ON_VOLUMES = [n for n, m in METRICS.items() if m.volumes and m.multi_label]


def shard_and_maps(folder, *places, **options):
    """Return a shard, what a config says of its network, and the files of its maps."""
    shard = several_shard(*places, **options)
    network = network_of(shard, MAIN, CONTROLS, has_masks=True)
    return shard, network, stored(shard, network, folder)


# --- regions -------------------------------------------------------------------------------------


def test_cubes_take_as_large_a_share_of_the_slices_as_of_the_rows():
    assert [depth_of(r, 64, 16) for r in (1, 4, 8, 10, 16, 64)] == [1, 1, 2, 3, 4, 16]
    assert [depth_of(r, 28, 28) for r in (1, 7)] == [1, 7]
    layers, rows, columns = grid((16, 64, 64), 16)
    assert layers.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert rows.tolist() == columns.tolist() == [i // 16 for i in range(64)]
    cells = grid((4, 16, 16), (4, 4, 4))
    assert cells[0].tolist() == [0, 1, 2, 3]
    assert cells[1].tolist() == [i // 4 for i in range(16)]


@pytest.mark.parametrize("padding", ["none", "zeros"])
def test_means_over_cubes_are_those_of_their_voxels(padding):
    with torch_seed("cubes"):
        views = torch.rand(2, 5, 7, 7)
    actual = region_means(views, 3, padding)  # 2 slices deep, cut at every border
    size = {"none": None, "zeros": 2 * 3 * 3}[padding]
    cubes = [
        views[:, s : s + 2, y : y + 3, x : x + 3].flatten(1).double()
        for s in (0, 2, 4)
        for y in (0, 3, 6)
        for x in (0, 3, 6)
    ]
    expected = [cube.sum(1) / (size or cube.shape[1]) for cube in cubes]
    torch.testing.assert_close(actual.double(), torch.stack(expected, 1), rtol=0, atol=1e-6)


def test_a_px_size_that_is_the_cell_of_one_slice_is_skipped_and_a_deeper_one_is_not():
    few, many = (network_of(several_shard(slices=slices), MAIN) for slices in (4, 8))
    assert strict_regions(few, ["native", 4, 8]) == ["native", 8]
    assert strict_regions(many, ["native", 4]) == ["native", 4]


# --- evaluators ----------------------------------------------------------------------------------


def random_orders(count, regions, orders=3):
    with torch_seed("orders of cubes"):
        return [torch.rand(count, regions).argsort(1) for _ in range(orders)]


@pytest.mark.parametrize("region", [(6, 4, 4), 8, 6, 16])
def test_slices_that_change_alone_give_the_logits_of_whole_volumes(region):
    model, images = axial_net(), volumes(3, 6)
    regions = grid((6, 16, 16), region)
    count = int(np.prod([int(index.max()) + 1 for index in regions]))
    orders, fills = random_orders(3, count), [torch.zeros_like(images), volumes(3, 6, seed=1)]
    expected = one_pass_per_step(model, images, orders, regions, fills)
    actual = Removal(model).logits(images, orders, regions, fills)
    assert actual.shape == (3, 2, 3, count + 1, 3)
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-6)
    # the last state is the replacement everywhere, whatever the order
    last = model(fills[1]).expand(3, -1, -1)
    torch.testing.assert_close(actual[:, 1, :, -1], last, rtol=0, atol=2e-6)


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_windows_within_slices_give_the_logits_of_whole_volumes(head):
    with torch_seed("axial windows"):
        model = registry.build("axial_small", head, 4, 64).eval()
    fast, images = for_inference(model, (64, 64)), volumes(2, 3, 64)
    regions = grid((3, 64, 64), (3, 8, 8))
    orders, fills = random_orders(2, 3 * 64, 1), [volumes(2, 3, 64, seed=1)]
    expected = one_pass_per_step(fast, images, orders, regions, fills)
    torch.testing.assert_close(
        Removal(fast).logits(images, orders, regions, fills), expected, rtol=0, atol=1e-5
    )


def test_each_state_of_a_slice_is_asked_about_once_and_other_networks_see_whole_volumes():
    model, images = axial_net(), volumes(2, 6)
    seen = []
    model.features.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    regions = grid((6, 16, 16), 8)  # 2 layers of 2 x 2
    orders = random_orders(2, 8, 2)
    Removal(model).logits(images, orders, regions, [torch.zeros_like(images)])
    assert sum(seen) == 2 * 6 * (1 + 2 * 4)
    seen.clear()
    Removal(Counting(model)).logits(images, orders, regions, [torch.zeros_like(images)])
    assert sum(seen) == 2 * 6 * (1 + 2 * 8)


# --- views and scores ----------------------------------------------------------------------------


def test_views_of_volumes_resize_each_slice_and_scale_the_whole():
    with torch_seed("views of volumes"):
        raw = torch.rand(2, 3, 4, 4) - 0.5
    large = upsampled(raw, (3, 16, 16))
    assert torch.equal(large[:, 1], upsampled(raw[:, 1], 16))
    for view, low in ((scaled(raw, (3, 16, 16)), 0), (normalised(raw, 16), -1)):
        assert view.shape == (2, 3, 16, 16)
        torch.testing.assert_close(view.abs().flatten(1).amax(1), torch.ones(2))
        assert (view >= low).all()
        assert (view.abs().amax((2, 3)) < 0.999).any()  # a slice need not reach the largest value
    assert size_of(volumes(2, 3)) == (3, 16, 16)
    assert size_of(volumes(2, 3)[:, 0]) == (16, 16)


def test_independent_labels_have_sigmoids_and_are_detected_above_zero():
    logits = torch.tensor([[2.0, -1.0], [-3.0, 0.5]])
    multi_label = probabilities(logits, multi_label=True)
    assert multi_label[0].tolist() == pytest.approx([0.880797, 0.268941], abs=1e-6)
    assert probabilities(logits)[0].sum().item() == pytest.approx(1)
    classes = torch.tensor([1, 1])
    assert answers(logits, classes).tolist() == [0, 1]
    assert answers(logits, classes, multi_label=True).tolist() == [-1, 1]


def test_drops_of_independent_labels_are_neither_centred_nor_relative_to_others():
    logits = torch.tensor([[[3.0, 1.0], [1.0, 5.0]]])  # one image, two steps, two labels
    classes = torch.tensor([0])
    assert drops(logits, classes, "logit", multi_label=True).tolist() == [[0.0, 2.0]]
    assert drops(logits, classes, "logit").tolist() == [[0.0, 3.0]]
    probability = drops(logits, classes, "probability", multi_label=True)
    assert probability[0, 1].item() == pytest.approx(0.952574 - 0.731059, abs=1e-6)


@pytest.mark.parametrize("imputer", ["mean", "blur", "noise"])
def test_what_replaces_voxels(imputer):
    inputs = inputs_of(slices=SLICES, channels=1)
    images = inputs.images
    (fill,) = inputs.replacements(imputer, 0, 1)
    assert fill.shape == images.shape
    if imputer == "mean":
        assert torch.equal(fill[0, 0, 0], fill[0, 2, 0])
        assert fill[1, 0, 0, 0, 0].item() == pytest.approx(images[1, :, 0].mean().item(), abs=1e-6)
    elif imputer == "blur":
        assert (fill.std((1, 3, 4)) < images.std((1, 3, 4))).all()
        flat = torch.full_like(images, 0.25)
        (same,) = replace(inputs, images=flat).replacements(imputer, 0, 1)
        torch.testing.assert_close(same, flat, rtol=0, atol=1e-6)
    else:
        assert not torch.equal(fill[0, 0], fill[0, 1])  # every slice has noise of its own
        assert torch.equal(fill[:, :, 0], fill[:, :, 1])  # and is grey


# --- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ON_VOLUMES)
@pytest.mark.parametrize(("slices", "multi_label"), KINDS)
def test_every_metric_scores_every_image_and_label_and_shards_change_no_row(
    tmp_path, name, slices, multi_label
):
    def actual(start, stop):
        shard, network, files = shard_and_maps(
            tmp_path, start, stop, slices=slices, multi_label=multi_label
        )
        return scored_by(shard, name, files, network)

    whole, halves = actual(0, IMAGES), (actual(0, 4), actual(4, IMAGES))
    for table in whole.keys() - {"checks"}:  # these are of the first batch alone
        assert as_rows([whole], table) == as_rows(halves, table)
    frame, shard = (
        whole["scores"].to_pandas(),
        several_shard(slices=slices, multi_label=multi_label),
    )
    pairs = list(zip(shard.image_ids.tolist(), shard.labels.tolist(), strict=True))
    for _, rows in frame.groupby(["protocol", "setting", "method"], observed=True):
        assert list(zip(rows["image_id"], rows["label"], strict=True)) == pairs
    expected = np.where(shard.detected, shard.labels, -1) if multi_label else shard.predicted
    first = frame.drop_duplicates(["image_id", "label"]).sort_values(["image_id", "label"])
    assert first["predicted"].tolist() == expected.tolist()
    assert first["correct"].tolist() == (expected == shard.labels).tolist()
    if name == "localisation" and not multi_label:  # the volumes here have no masks of lesions
        assert set(frame["status"]) == {"empty_mask"}


@pytest.mark.parametrize("head", ["flatten", "gap"])
def test_a_volume_of_one_slice_has_the_maps_of_its_image(head):
    flat = random_net(head)
    model = AxialNet(flat.features, flat.classifier, head).eval()
    images, classes = volumes(3, 1), torch.tensor([0, 2, 1])
    methods = [
        name
        for name in cams.from_model(cams.supported(cams.METHODS, head))
        if cams.METHODS[name].volumes and not cams.needs([name]) & {"streams", "mean_activations"}
    ]
    assert {"layercam", "xgradcam", "gradcamplusplus", "ablationcam", "eigencam"} <= {*methods}
    for explained_score in ("logit", "centred"):
        actual = explain(model, images, classes, methods, explained_score=explained_score)
        expected = explain(flat, images[:, 0], classes, methods, explained_score=explained_score)
        for name in methods:
            assert actual[name].shape == (3, 1, 4, 4)
            torch.testing.assert_close(actual[name][:, 0], expected[name], rtol=1e-5, atol=1e-6)


def test_maps_of_volumes_keep_the_laws_of_their_methods():
    model, images = axial_net(), volumes(3)
    classes = torch.tensor([0, 2, 1])
    A = model.activations(images)
    names = ["hirescam", "xgradcam", "layercam", "gradcam_elementwise"]
    actual = maps_of(model, A, classes, [*names, "ablationcam", "eigencam"])
    sums = {name: raw.flatten(1).sum(1) for name, raw in actual.items()}
    torch.testing.assert_close(sums["xgradcam"], sums["hirescam"], rtol=1e-4, atol=1e-5)
    # activations are not negative here
    torch.testing.assert_close(actual["layercam"], actual["gradcam_elementwise"])
    assert (actual["eigencam"] >= -1e-6).all()

    def score(activations):
        return model.logits(activations).gather(1, classes[:, None])[:, 0]

    expected = torch.zeros_like(actual["ablationcam"])
    for k in range(A.shape[1]):
        without = A.clone()
        without[:, k] = 0
        weight = (score(A) - score(without)) / score(A).abs()
        expected += weight[:, None, None, None] * A[:, k]
    torch.testing.assert_close(actual["ablationcam"], expected, rtol=1e-4, atol=1e-5)


def test_mean_curves_weigh_images_alike_whatever_their_number_of_findings(tmp_path):
    shard, network, files = shard_and_maps(tmp_path)
    curves = scored_by(shard, "aopc", files, network)["curves"]
    (path,) = written({"curves": curves}, tmp_path)
    mean = collect.curves([path]).to_pandas()
    frame = curves.to_pandas()
    key = ["protocol", "setting", "method"]
    for (protocol, setting, method), rows in frame.groupby(key):
        used = rows["correct"]
        if protocol == "strict":
            there = frame[(frame["protocol"] == protocol) & (frame["setting"] == setting)]
            bad = there.loc[there["status"] != "ok", ["image_id", "label"]].apply(tuple, axis=1)
            used &= ~rows[["image_id", "label"]].apply(tuple, axis=1).isin(set(bad))
        images = rows[used].groupby("image_id")["drop"].apply(lambda x: np.stack(x).mean(0))
        actual = mean[(mean[key] == [protocol, setting, method]).all(axis=1)]
        np.testing.assert_allclose(actual["mean"], np.stack(images).mean(0), atol=1e-6)
        assert set(actual["images"]) == {len(images)}


# --- costs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("multi_label", [True, False])
@pytest.mark.parametrize("protocol", ["thesis", "strict"])
@pytest.mark.parametrize("name", [n for n in ON_VOLUMES if METRICS[n].published or n in ASKING])
def test_passes_over_slices_are_as_many_as_declared(
    tmp_path, monkeypatch, name, protocol, multi_label
):
    shard, network, files = shard_and_maps(tmp_path, 4, 8, multi_label=multi_label)
    clean, seen = [], []
    logits = Removal._of_volumes
    monkeypatch.setattr(Removal, "_of_volumes", lambda *a, **k: clean.append(1) or logits(*a, **k))
    shard.model.features.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    scored_by(shard, name, files, network, protocols=[protocol])
    batches = len(list(shard.batches()))
    # every curve begins with the clean image, which is not declared
    actual = sum(seen) / (BATCH * SLICES) / batches - len(clean) / batches
    declared = total_passes(evaluations({**CONFIG, "protocols": [protocol]}, name, network))
    if name == "max_sensitivity":
        assert actual == declared
    else:  # equal orders and maps are evaluated once
        assert 0.6 * declared <= actual <= declared


def test_curves_of_volumes_have_layers_and_findings_no_gauge():
    one, multi_label = (
        network_of(several_shard(multi_label=s), MAIN, CONTROLS) for s in (False, True)
    )
    # 8 px of 16 are half: 2 of 3 slices, so 2 layers; a cell is in one slice
    assert [layers(one, region) for region in ("native", 8)] == [3, 2]
    explained_scores = [
        [e.setting for e in evaluations(CONFIG, "aopc", network) if "explained_score" in e.setting]
        for network in (one, multi_label)
    ]
    assert [len(actual) for actual in explained_scores] == [2, 0]
    more = total_passes(evaluations(CONFIG, "aopc", one))
    assert more - total_passes(evaluations(CONFIG, "aopc", multi_label)) == 3 * 2 * 16


def test_findings_of_an_image_count_in_the_length_of_jobs():
    definitions = [{"source": "ct_phantom"}, {"source": "medmnist", "flag": "chestmnist"}]
    assert [data.labels_per_image(d) for d in definitions] == pytest.approx([32 / 15, 1.57], 0.01)
    assert data.labels_per_image({"source": "medmnist", "flag": "nodulemnist3d"}) == 1
