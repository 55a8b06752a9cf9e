"""Patch networks: cells that see their own pixels, and curves that are known beforehand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_images, with_statistics
from test_shard import AOPC, BATCH, IMAGES, as_rows, make_shard, settings_of, stored_maps

from faithcam import tables
from faithcam.cams.methods.hirescam import hirescam
from faithcam.errors import FaithcamError
from faithcam.explain import gradients
from faithcam.identity import Identity
from faithcam.map_laws import check_images
from faithcam.metrics import aopc, patch_net, removal
from faithcam.metrics.incremental import Incremental
from faithcam.models import registry
from faithcam.models.inference import for_inference
from faithcam.seeding import torch_seed

SIZE, CELLS = 32, 4
NATIVE = AOPC | {"strict": AOPC["strict"] | {"regions": ["native"], "fractions": []}}
SETTINGS = {"aopc": NATIVE}


def network(prepared=False):
    with torch_seed("patch net"):
        model = with_statistics(registry.build("patch_small", "flatten", 3, SIZE)).eval()
    model.classifier.weight.data *= 1000  # scores as large as trained networks have
    return for_inference(model, (SIZE, SIZE)) if prepared else model


def patch_shard(renderings=False, **options):
    shard = make_shard(**options)
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (IMAGES, 3, SIZE, SIZE, 1), np.uint8)
    dataset = replace(
        shard.dataset,
        size=SIZE,
        images=random.integers(0, 256, (IMAGES, SIZE, SIZE, 1), np.uint8),
        renderings=pixels if renderings else None,
    )
    identity = Identity("made", "patch_small", "flatten", 0)
    return replace(shard, model=network(), dataset=dataset, identity=identity)


def rows_of(table, **wanted):
    return {
        (row["setting"], row["method"], row["image_id"]): row["value"]
        for row in table.to_pylist()
        if wanted.items() <= row.items()
    }


def test_a_cell_sees_its_own_pixels_alone():
    model, images = network(), random_images(1, SIZE)
    with torch.no_grad():
        before = model.activations(images)
        images[:, :, 8:16, 24:32] *= -1
        changed = (model.activations(images) != before).any(1)[0]
    assert changed.nonzero().tolist() == [[1, 3]]


def test_windows_hold_one_cell_and_nothing_more():
    evaluator = Incremental(
        network(prepared=True),
        torch.zeros(1, 3, SIZE, SIZE),
        *removal.grid((SIZE, SIZE), (CELLS, CELLS)),
    )
    assert evaluator.saved == evaluator.work * (1 - 1 / CELLS**2)
    assert evaluator.exact


def test_replacing_cells_lowers_the_score_by_what_hirescam_says():
    model = network()
    images, other = random_images(2, SIZE), random_images(2, SIZE, seed=1)
    classes, mixed = torch.tensor([2, 0]), images.clone()
    mixed[:, :, :8] = other[:, :, :8]  # the first row of cells
    with torch.no_grad():
        A, B = model.activations(images), model.activations(other)
        slopes = gradients(model, A, classes, "centred")
        lost = (hirescam(A, slopes) - hirescam(B, slopes))[:, 0].sum(1)
        logits = torch.stack([model(images), model(mixed)], 1)
    fall = aopc.drops(logits, classes, "logit")[:, 1]
    assert torch.allclose(fall, lost.double(), atol=1e-4)


def test_images_must_be_whole_cells():
    assert registry.check("patch_small", 32).cells(32) == 4
    with pytest.raises(FaithcamError, match="36 px are no whole number of them; use images of 32"):
        registry.check("patch_small", 36)


@pytest.mark.parametrize("renderings", [False, True])
def test_every_curve_is_the_one_that_is_known(renderings):
    shard = patch_shard(renderings)
    scores, checks = patch_net.score_shard(shard, SETTINGS)
    imputers = ["noise", "mean", "blur", *(["rerendered"] if renderings else [])]
    checked = checks.to_pylist()
    assert len(checked) == 2 * len(imputers)
    assert all(row["passed"] and row["images"] == IMAGES for row in checked)
    found = rows_of(scores)
    assert {key[0] for key in found} == {
        f"imputer={imputer};output={output}"
        for imputer in imputers
        for output in ("logit", "probability")
    }
    assert {key[1] for key in found} == {"oracle", "hirescam", "gradcam", "sham"}
    for (setting, _, image), value in found.items():
        if "logit" in setting:
            assert found[setting, "oracle", image] >= value - 1e-4
    best = [v for (s, m, _), v in found.items() if m == "oracle" and "logit" in s]
    other = [v for (s, m, _), v in found.items() if m == "hirescam" and "logit" in s]
    assert np.mean(best) > np.mean(other) + 0.1


def test_its_curves_are_those_of_aopc(tmp_path):
    shard = patch_shard()
    loaded, _, _ = stored_maps(shard, ["gradcam", "hirescam"], tmp_path)
    theirs = rows_of(aopc.score_shard(shard, loaded, settings_of(["strict"], aopc=NATIVE))[0])
    ours = rows_of(patch_net.score_shard(shard, SETTINGS)[0])
    for imputer, draws in (("noise", 2), ("mean", 1), ("blur", 1)):
        for output in aopc.OUTPUTS:
            for method in ("gradcam", "hirescam"):
                for image in range(IMAGES):
                    setting = tables.setting(
                        draws=draws,
                        imputer=imputer,
                        order="morf",
                        output=output,
                        region="native",
                        stream=0,
                    )
                    value = ours[f"imputer={imputer};output={output}", method, image]
                    assert value == pytest.approx(theirs[setting, method, image], abs=1e-7)


def test_a_network_whose_cells_see_more_breaks_the_law():
    shard = patch_shard()
    with torch_seed("no patch net"):
        other = registry.build("vgg_small", "flatten", 3, SIZE).eval()
    assert all(
        bool((check.errors <= 1).all())
        for check in check_images(other, random_images(2, SIZE), torch.tensor([0, 1]))
    )
    with pytest.raises(FaithcamError, match=r"HR\(x\) - HR\(r\), noise' is broken"):
        patch_net.score_shard(replace(shard, model=other), SETTINGS)


def test_shards_and_padding_change_no_score():
    whole = patch_net.score_shard(patch_shard(), SETTINGS)
    parts = [
        patch_net.score_shard(patch_shard(start=a, stop=b), SETTINGS)
        for a, b in ((0, BATCH), (BATCH, IMAGES))
    ]
    named = [{"scores": scores, "checks": checks} for scores, checks in [whole, *parts]]
    assert as_rows(named[:1], "scores") == as_rows(named[1:], "scores")


def test_pure_imputer_images_stand_beside_aopc(tmp_path):
    shard = patch_shard(stop=BATCH)
    loaded, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    scores = aopc.score_shard(shard, loaded, settings_of(["strict"], aopc=NATIVE))[0]
    found = rows_of(scores, method="prediction")
    (batch,) = shard.batches()
    for imputer, draws in (("noise", 2), ("mean", 1), ("blur", 1)):
        with torch.no_grad():
            fills = aopc.replacements(shard, batch, imputer, 0, draws)
            expected = torch.stack([shard.model(fill).double().softmax(1) for fill in fills])
        expected = expected.mean(0).gather(1, batch.predicted[:, None])[:, 0]
        for image, value in zip(batch.image_ids, expected.tolist(), strict=True):
            key = (f"imputer={imputer};output=imputed_probability", "prediction", image)
            assert found.pop(key) == pytest.approx(value, abs=1e-6)
    assert not found
