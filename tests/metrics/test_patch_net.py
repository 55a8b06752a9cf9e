"""Patch networks: cells that see their own pixels, and curves that are known beforehand."""

from dataclasses import replace

import pytest
import torch
from networks import random_images, with_statistics
from scored import STRICT as BASE
from scored import alone_as_together, inputs_of, network_of, scores_of

from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.maps.explain import gradients
from faithcam.maps.laws import check_images
from faithcam.maps.methods.hirescam import hirescam
from faithcam.metrics import registry as metrics
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness.curves import drops
from faithcam.models import registry
from faithcam.models.inference import for_inference
from faithcam.removal.grid import grid
from faithcam.removal.incremental import Incremental

SIZE, CELLS, IMAGES = 32, 4, 6
IMPUTERS = ["noise", "mean", "blur", "inpainting"]
STRICT = {"regions": ["native"], "imputers": [*IMPUTERS, "rerendered"], "draws": 2}
SETTINGS = {**BASE, "aopc": {"strict": {**STRICT, "fractions": []}}}
NETWORK = network_of(methods=("gradcam", "hirescam"), architecture="patch_small", size=SIZE)
PLANTED = replace(NETWORK, task="lesion")


def network(prepared=False):
    with torch_seed("patch net"):
        model = with_statistics(registry.build("patch_small", "flatten", 3, SIZE)).eval()
    model.classifier.weight.data *= 1000  # scores as large as trained networks have
    return for_inference(model, (SIZE, SIZE)) if prepared else model


def patch_inputs(model=None):
    images, without = random_images(IMAGES, SIZE), random_images(IMAGES, SIZE, seed=2)
    return inputs_of(
        network=model or network(), images=images, places=range(IMAGES), renderings=[without]
    )


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
        *grid((SIZE, SIZE), (CELLS, CELLS)),
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
        derivatives = gradients(model, A, classes, "centred")
        lost = (hirescam(A, derivatives) - hirescam(B, derivatives))[:, 0].sum(1)
        logits = torch.stack([model(images), model(mixed)], 1)
    fall = drops(logits, classes, "logit")[:, 1]
    assert torch.allclose(fall, lost.double(), atol=1e-4)


def test_images_must_be_whole_cells():
    assert registry.check("patch_small", 32).cells(32) == 4
    with pytest.raises(FaithcamError, match="36 px are no whole number of them; use images of 32"):
        registry.check("patch_small", 36)


@pytest.mark.parametrize("spec", [NETWORK, PLANTED])
def test_every_curve_is_the_one_that_is_known(spec):
    scores = scores_of("patch_net", patch_inputs(), spec, **SETTINGS)
    imputers = [*IMPUTERS, *(["rerendered"] if spec.has_renderings else [])]
    assert {check.name.rsplit(", ")[-1] for check in scores.checks} == set(imputers)
    assert len(scores.checks) == 2 * len(imputers)
    assert all(bool((check.errors <= 1).all()) for check in scores.checks)
    actual = scores.by_method()
    assert set(actual) == {
        (f"imputer={imputer};output={output}", method)
        for imputer in imputers
        for output in ("logit", "probability")
        for method in ("oracle", "hirescam", "gradcam", "sham")
    }
    for (setting, _), values in actual.items():
        if "logit" in setting:
            assert (actual[setting, "oracle"] >= values - 1e-4).all()
    best, other = (
        torch.stack([v for (s, m), v in actual.items() if m == method and "logit" in s])
        for method in ("oracle", "hirescam")
    )
    assert best.mean() > other.mean() + 0.1


def test_passes_are_removal_in_four_orders_the_replacements_and_the_image():
    asked = metrics.evaluations(SETTINGS, "patch_net", PLANTED)
    fills = 2 + 4  # draws of noise, and one of each other imputer
    assert total_passes(asked) == fills * (4 * CELLS**2 + 1) + 1
    assert metrics.METRICS["patch_net"].supports(PLANTED)[0]
    assert not metrics.METRICS["patch_net"].supports(network_of())[0]


def test_its_curves_are_those_of_aopc():
    inputs = patch_inputs()
    theirs = scores_of("aopc", inputs, NETWORK, **SETTINGS).by_method()
    computed = scores_of("patch_net", inputs, NETWORK, **SETTINGS).by_method()
    for imputer, draws in zip(IMPUTERS, (2, 1, 1, 1), strict=True):
        for output in ("probability", "logit"):
            setting = f"draws={draws};imputer={imputer};order=morf;output={output};region=native"
            for method in ("gradcam", "hirescam"):
                values = computed[f"imputer={imputer};output={output}", method]
                assert torch.allclose(values, theirs[f"{setting};replicate=0", method], atol=1e-7)


def test_a_network_whose_cells_see_more_breaks_the_law():
    with torch_seed("no patch net"):
        other = registry.build("vgg_small", "flatten", 3, SIZE).eval()
    assert all(
        bool((check.errors <= 1).all())
        for check in check_images(other, random_images(2, SIZE), torch.tensor([0, 1]))
    )
    checks = scores_of("patch_net", patch_inputs(other), NETWORK, **SETTINGS).checks
    broken = {check.name for check in checks if bool((check.errors > 1).any())}
    assert "removal lowers a patch net's score by HR(x) - HR(r), noise" in broken


def test_images_do_not_change_each_others_scores():
    model, images = network(), random_images(IMAGES, SIZE)
    assert alone_as_together("patch_net", NETWORK, SETTINGS, network=model, images=images)


def test_pure_imputer_images_stand_beside_aopc():
    inputs = patch_inputs()
    scores = scores_of("aopc", inputs, NETWORK, **SETTINGS).by_method()
    actual = {setting: values for (setting, m), values in scores.items() if m == "prediction"}
    regions = grid((SIZE, SIZE), (CELLS, CELLS))
    for imputer, draws in zip(IMPUTERS, (2, 1, 1, 1), strict=True):
        with torch.no_grad():
            fills = inputs.replacements(imputer, 0, draws, regions)
            expected = torch.stack([inputs.network(fill).double().softmax(1) for fill in fills])
        expected = expected.mean(0).gather(1, inputs.classes[:, None])[:, 0]
        values = actual.pop(f"imputer={imputer};output=imputed_probability")
        assert torch.allclose(values, expected, atol=1e-6)
    assert [*actual] == [f"imputer={imputer};output=r_oms" for imputer in IMPUTERS]
