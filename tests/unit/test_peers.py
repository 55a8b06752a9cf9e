"""Our numbers are those of Quantus, captum and pytorch-grad-cam where these mean the same.

Where they do not, docs/metrics.md says why.
"""

import numpy as np
import pytest
import torch
from networks import random_images, random_net
from torch import nn

from faithcam.metrics import complexity, deletion, efficient_mprt, sparseness
from faithcam.metrics.average_drop import confidence
from faithcam.metrics.imputation import imputed
from faithcam.metrics.infidelity import infidelity, squares
from faithcam.metrics.removal import Removal, grid, order_of
from faithcam.models.torchvision_nets import import_torchvision
from faithcam.views import upsampled

CLASSES = torch.tensor([0, 1, 2, 0])


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def quantus():
    import_torchvision()  # first: after it the other packages can be imported everywhere
    return pytest.importorskip("quantus")


@pytest.fixture
def gradcam():
    import_torchvision()
    return pytest.importorskip("pytorch_grad_cam")


def common(model, images):
    return {
        "model": model,
        "x_batch": images.numpy(),
        "y_batch": CLASSES.numpy(),
        "device": "cpu",
        "channel_first": True,
    }


def test_entropy_and_gini_index_are_quantus(quantus):
    maps, images, model = numbers(4, 4, 4), random_images(size=4), nn.Flatten()
    for metric, ours in (
        (quantus.Complexity, complexity.entropy),
        (quantus.Sparseness, sparseness.gini),
    ):
        theirs = metric(abs=True, normalise=False, disable_warnings=True)(
            a_batch=maps[:, None].numpy(), **common(model, images)
        )
        np.testing.assert_allclose(ours(maps), theirs, atol=1e-5)


def test_histogram_entropy_is_quantus(quantus):
    from quantus.functions.complexity_func import discrete_entropy

    maps = upsampled(numbers(4, 4, 4), 32)
    theirs = [discrete_entropy(a=m.numpy(), x=m.numpy()) for m in maps.double()]
    np.testing.assert_allclose(efficient_mprt.histogram_entropy(maps), theirs)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_imputation_is_that_of_pytorch_grad_cam(gradcam, share):
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    images = random_images()
    removed = (torch.rand(4, 16, generator=torch.Generator().manual_seed(1)) < share).view(4, 4, 4)
    removed = removed.repeat_interleave(4, 1).repeat_interleave(4, 2)
    for image, mask, ours in zip(images, removed, imputed(images, removed), strict=True):
        theirs = NoisyLinearImputer(noise=0)(image, (~mask).float())
        assert torch.allclose(theirs.float(), ours, atol=1e-3)


def test_the_deletion_curve_is_quantus_pixel_flipping(quantus):
    model, images, cells = random_net(), random_images(), numbers(4, 4, 4)
    order, regions = order_of(cells.flatten(1)), grid((16, 16), (4, 4))
    logits = Removal(model).logits(images, [order], regions, [torch.zeros_like(images)])[0, 0]
    large = cells.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None]
    flipping = quantus.PixelFlipping(
        features_in_step=16,  # a cell's 48 numbers, of equal relevance, are gone after three steps
        perturb_baseline=0.0,
        normalise=False,
        disable_warnings=True,
    )
    a_batch = large.expand(-1, 3, -1, -1).numpy().copy()
    theirs = np.array(flipping(a_batch=a_batch, softmax=True, **common(model, images)))[:, 2::3]
    ours = logits.softmax(-1)[torch.arange(4), :, CLASSES]
    np.testing.assert_allclose(ours[:, 1:], theirs, atol=1e-5)
    whole = np.concatenate([ours[:, :1], theirs], 1)
    np.testing.assert_allclose(
        deletion.area(logits, CLASSES), np.trapezoid(whole, dx=1 / 16, axis=1), atol=1e-5
    )


def test_changes_of_confidence_are_those_of_pytorch_grad_cam(gradcam):
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    model, images = random_net(), random_images()
    views = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(images)
        classes = torch.cat([logits[:2].argmax(1), logits[2:].argmin(1)])
        clean = confidence(model, images, classes)
        masked = confidence(model, images * views[:, None], classes)
    targets = [ClassifierOutputSoftmaxTarget(int(c)) for c in classes]
    arguments = (images, views.numpy(), targets, model)
    # theirs is the drop itself, not its share of the confidence
    np.testing.assert_allclose(
        (clean - masked).clamp(min=0), DropInConfidence()(*arguments), atol=1e-6
    )
    assert np.array_equal(masked > clean, IncreaseInConfidence()(*arguments))
    assert 0 < (masked > clean).sum() < 4


@pytest.mark.parametrize("scale", ["raw", "best"])
def test_infidelity_is_captums(scale):
    captum = pytest.importorskip("captum.metrics")
    model, images, maps, samples = random_net(), random_images(), numbers(4, 4, 4), 5
    masks = squares(torch.rand(4 * samples, 3, generator=torch.Generator().manual_seed(0)), (4, 4))
    masks = masks.view(4, samples, 4, 4)  # captum repeats each image in place
    pixels = masks.repeat_interleave(4, 2).repeat_interleave(4, 3)[:, :, None]
    noise = random_images(4 * samples, seed=1).view(4, samples, 3, 16, 16)

    def centred(inputs):
        logits = model(inputs)
        classes = CLASSES.repeat_interleave(len(inputs) // 4)
        return logits.gather(1, classes[:, None])[:, 0] - logits.mean(1)

    def perturb(inputs):
        where = pixels.expand(-1, -1, 3, -1, -1).flatten(0, 1)
        return where.float(), torch.where(where, noise.flatten(0, 1), inputs)

    # a cell's value, divided among the numbers of its pixels: the product is the sum over cells
    share = maps.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None].expand(-1, 3, -1, -1) / 48
    with torch.no_grad():
        theirs = captum.infidelity(
            centred,
            perturb,
            images,
            share.contiguous(),
            n_perturb_samples=samples,
            max_examples_per_batch=4 * samples,
            normalize=scale == "best",
        )
        changes = torch.stack(
            [
                centred(images) - centred(torch.where(pixels[:, s], noise[:, s], images))
                for s in range(samples)
            ]
        )
    predicted = torch.stack([(masks[:, s] * maps).sum((1, 2)) for s in range(samples)])
    np.testing.assert_allclose(infidelity(predicted, changes)[scale], theirs, rtol=1e-4)
