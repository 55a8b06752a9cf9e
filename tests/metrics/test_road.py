"""ROAD: the imputation against SciPy, the cells removed, the scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import random_images
from scipy import sparse
from scipy.sparse.linalg import spsolve
from scored import CONFIG, CONTROLS, inputs_of, network_of, scores_of

from faithcam.core.errors import FaithcamError
from faithcam.metrics.faithfulness import road
from faithcam.metrics.faithfulness.curves import drops
from faithcam.metrics.inputs import GivenMaps
from faithcam.metrics.registry import METRICS, evaluations
from faithcam.removal import imputation
from faithcam.removal.orders import order_of


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
        actual = imputation.imputed(
            torch.from_numpy(images).float(), torch.from_numpy(removed), guess
        )
        for image, mask, computed in zip(images, removed, actual.numpy(), strict=True):
            np.testing.assert_allclose(computed, interpolated(image, mask), atol=1e-3)
            assert np.array_equal(computed[:, ~mask], image[:, ~mask].astype(np.float32))


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
    raw = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(0))
    inputs = replace(inputs_of(), maps=GivenMaps({"hirescam": raw}))
    spec = network_of(methods=["hirescam"])
    actual = {s: v for (s, _), v in scores_of("road", inputs, spec).by_method().items()}
    model, images, classes = inputs.network, inputs.images, inputs.classes
    order, falls, kept = order_of(raw.flatten(1)), [], []
    noise = inputs.noise.normal("road 0", 0, (3, 16, 16))
    with torch.no_grad():
        for count in (5, 10):  # shares .3 and .6 of 16
            removed = torch.zeros(4, 16).scatter(1, order[:, :count], 1).view(-1, 4, 4)
            removed = removed.bool().repeat_interleave(4, 1).repeat_interleave(4, 2)
            pixels = np.stack(
                [interpolated(i, m) for i, m in zip(images.numpy(), removed.numpy(), strict=True)]
            )
            filled = torch.from_numpy(pixels) + 0.01 * noise * removed[:, None]
            seen = model(filled)
            states = torch.stack([model(images), seen], 1)
            falls.append(drops(states, classes, "probability")[:, 1])
            kept.append(seen.argmax(1) == classes)
        right = (model(images).argmax(1) == classes).double()
        alone = road.road(model, images, classes, raw, [0.3, 0.6], noise)
    probability = actual["order=morf;output=probability;replicate=0"]
    np.testing.assert_allclose(probability, torch.stack(falls).mean(0), atol=1e-4)
    np.testing.assert_allclose(probability, alone)
    accuracy = actual["order=morf;output=accuracy;replicate=0"]
    np.testing.assert_allclose(accuracy, right - torch.stack(kept).double().mean(0))
    gap = actual["order=srg;output=probability;replicate=0"]
    backwards = actual["order=lerf;output=probability;replicate=0"]
    np.testing.assert_allclose(gap, probability - backwards)
    upside_down = replace(inputs, maps=GivenMaps({"hirescam": -raw}))
    reverse = scores_of("road", upside_down, spec).by_method()
    np.testing.assert_allclose(
        reverse["order=morf;output=probability;replicate=0", "hirescam"], backwards
    )


def test_the_channels_of_grey_images_have_the_same_noise():
    inputs, seen = inputs_of(channels=1), []
    inputs = replace(inputs, images=inputs.images[:, :1].expand(-1, 3, -1, -1))
    inputs.network.features.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    scores_of("road", inputs, network_of(methods=["hirescam"]))
    assert all(torch.equal(images[:, 0], images[:, 2]) for images in seen)
    assert not torch.equal(seen[0], seen[1])


def test_controls_are_removed_in_one_order_and_the_other_order_is_better_low():
    spec = network_of(controls=CONTROLS)
    for evaluation in evaluations(CONFIG, "road", spec):
        morf = evaluation.setting["order"] == "morf"
        assert evaluation.methods == (spec.everything if morf else spec.methods)
        assert evaluation.reversed == (evaluation.setting["order"] == "lerf")


def test_shares_grow_whatever_their_order_in_the_config():
    config = CONFIG | {"road": {"shares": [0.6, 0.3]}}
    assert METRICS["road"].options(config, network_of()) == {"shares": [0.3, 0.6]}
