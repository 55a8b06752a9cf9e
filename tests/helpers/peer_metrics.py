"""Metrics that other packages compute, too."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from networks import random_images, random_net
from peer_maps import scaled
from peers import (
    CAPTUM,
    CLASSES,
    GRADCAM,
    HEADS,
    QUANTUS,
    THESIS,
    Comparison,
    Pair,
    golden,
    numbers,
)
from torch import Tensor, nn

from faithcam.core import views
from faithcam.maps.explain import explain
from faithcam.metrics.complexity import complexity, sparseness
from faithcam.metrics.faithfulness import areas
from faithcam.metrics.faithfulness.aopc import perturbation_drops
from faithcam.metrics.faithfulness.faithfulness_correlation import (
    faithfulness_correlation,
    subset,
)
from faithcam.metrics.faithfulness.haas import heatmap_assisted
from faithcam.metrics.faithfulness.infidelity import infidelity, squares
from faithcam.metrics.faithfulness.masking import confidence
from faithcam.metrics.localisation.localisation import localisation
from faithcam.metrics.randomisation import efficient_mprt
from faithcam.metrics.robustness.max_sensitivity import max_sensitivity
from faithcam.models.camnet import CamNet
from faithcam.removal.engine import Removal
from faithcam.removal.grid import grid
from faithcam.removal.imputation import imputed
from faithcam.removal.orders import order_of


def common(model: nn.Module, images: Tensor) -> dict[str, Any]:
    """Return the arguments that all metrics of Quantus take."""
    return {
        "model": model,
        "x_batch": images.numpy(),
        "y_batch": CLASSES.numpy(),
        "device": "cpu",
        "channel_first": True,
    }


def large(cells: Tensor, side: int = 4, channels: int = 3) -> Tensor:
    """Return cells (N, h, w) as large as their pixels: (N, channels, H, W)."""
    pixels = cells.repeat_interleave(side, 1).repeat_interleave(side, 2)[:, None]
    return pixels.expand(-1, channels, -1, -1).contiguous()


def of_cells(computed: Callable[[Tensor], Tensor], theirs: str) -> Callable[[], list[Pair]]:
    """Compare a number of the cells' absolute values."""

    def pairs() -> list[Pair]:
        import quantus

        maps, images = numbers(4, 4, 4), random_images(size=4)
        metric = getattr(quantus, theirs)(abs=True, normalise=False, disable_warnings=True)
        actual = metric(a_batch=maps[:, None].numpy(), **common(nn.Flatten(), images))
        return [(computed(maps), actual)]

    return pairs


def histogram_entropy() -> list[Pair]:
    """Compare the entropy of Efficient MPRT."""
    from quantus.functions.complexity_func import discrete_entropy

    maps = views.upsampled(numbers(4, 4, 4), 32)
    theirs = [discrete_entropy(a=m.numpy(), x=m.numpy()) for m in maps.double()]
    return [(efficient_mprt.histogram_entropy(maps), theirs)]


def road() -> list[Pair]:
    """Compare images of which a share of the cells was imputed."""
    from pytorch_grad_cam.metrics.road import NoisyLinearImputer

    images, actual = random_images(), []
    for share in (0.2, 0.7):
        random = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(1))
        removed = large(random < share, channels=1)[:, 0]
        theirs = [
            NoisyLinearImputer(noise=0)(image, (~mask).float())
            for image, mask in zip(images, removed, strict=True)
        ]
        actual.append((imputed(images, removed), torch.stack(theirs)))
    return actual


def deletion_curves() -> list[Pair]:
    """Compare the class probability after each cell, and the area under it."""
    import quantus

    model, images, cells = random_net(), random_images(), numbers(4, 4, 4)
    order, regions = order_of(cells.flatten(1)), grid((16, 16), (4, 4))
    logits = Removal(model).logits(images, [order], regions, [torch.zeros_like(images)])[0, 0]
    flipping = quantus.PixelFlipping(
        features_in_step=16,  # a cell's 48 numbers, of equal relevance, are gone after three steps
        perturb_baseline=0.0,
        normalise=False,
        disable_warnings=True,
    )
    a_batch = large(cells).numpy()
    theirs = np.array(flipping(a_batch=a_batch, softmax=True, **common(model, images)))[:, 2::3]
    computed = logits.softmax(-1)[torch.arange(4), :, CLASSES]
    whole = np.concatenate([computed[:, :1], theirs], 1)
    area = np.trapezoid(whole, dx=1 / 16, axis=1)
    return [(computed[:, 1:], theirs), (areas.area(logits, CLASSES), area)]


def subset_correlation() -> list[Pair]:
    """Compare Pearson's correlation over the same sets of cells, all of whose pixels turn grey."""
    import quantus

    model, images, cells, sets = random_net(), random_images(), numbers(4, 4, 4), 8
    pixels, sums, falls, indices = large(cells), [], [], []
    for draw in range(sets):
        random = torch.rand(4, 16, generator=torch.Generator().manual_seed(draw))
        chosen = subset(random, 4)
        gone = large(chosen.view(4, 4, 4).float()) > 0
        indices += [row.flatten().nonzero()[:, 0].numpy() for row in gone]
        after = torch.where(gone, 0, images)
        with torch.no_grad():
            fall = (model(images) - model(after)).double()
        falls.append(fall.gather(1, CLASSES[:, None])[:, 0])
        sums.append((chosen * cells.flatten(1)).sum(1))
    metric = quantus.FaithfulnessCorrelation(
        nr_runs=sets, subset_size=4 * 48, perturb_baseline=0.0, abs=False, normalise=False,
        return_aggregate=False, disable_warnings=True,
    )  # fmt: skip
    with patch("numpy.random.choice", side_effect=indices):
        theirs = metric(a_batch=pixels.numpy(), softmax=False, **common(model, images))
    return [(faithfulness_correlation(torch.stack(sums), torch.stack(falls)), np.array(theirs))]


def aopc_curves() -> list[Pair]:
    """Compare the fall of the class probability after each region, replaced by grey."""
    import quantus

    model, images, cells = random_net(), random_images(), numbers(4, 4, 4)
    pixels = large(cells, channels=1)
    metric = quantus.RegionPerturbation(
        patch_size=4,
        regions_evaluation=16,
        perturb_baseline=0.0,
        normalise=False,
        disable_warnings=True,
    )
    theirs = metric(a_batch=pixels.numpy(), softmax=True, **common(model, images))
    grey = torch.zeros_like(images)
    computed = perturbation_drops(model, images, CLASSES, pixels[:, 0], 4, grey)
    return [(computed[:, 1:], np.array(theirs))]


def aopc_of_the_study() -> list[Pair]:
    """Compare AOPC under the stored noise."""
    actual = []
    for head in HEADS:
        model, stored = golden(head)
        images, classes = stored["images"], stored["predicted"]
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        replacement = stored["aopc.uniform01"] * (high - low) + low
        for method in ("gradcam", "hirescam"):
            maps = scaled(explain(model, images, classes, [method])[method], images)
            for region in (8, 4):
                drops = perturbation_drops(model, images, classes, maps, region, replacement)
                theirs = stored[f"aopc.{method}.region{region}.score"]
                errors = (drops.mean(1) - theirs).abs()
                same = errors.argsort()[:-1]  # in one image a near-tie may be swapped
                actual.append((drops.mean(1)[same], theirs[same]))
    return actual


def max_sensitivity_of_the_study() -> list[Pair]:
    """Compare both versions under the stored noise."""
    actual = []
    for head in HEADS:
        model, stored = golden(head)
        methods = ["gradcam", "hirescam"]
        computed = max_sensitivity(
            model,
            stored["images"],
            stored["predicted"],
            methods,
            float(stored["maxsens.radius"]),
            stored["maxsens.unit_noise"],
            "scaled",
        )
        actual += [
            (computed[method][version], stored[f"maxsens.{method}.{version}"])
            for method in methods
            for version in ("absolute", "relative")
        ]
    return actual


def max_sensitivity_of_captum() -> list[Pair]:
    """Compare the relative version of signed native maps under the stored noise."""
    from captum.metrics import sensitivity_max

    actual = []
    for head in HEADS:
        model, stored = golden(head)
        images, classes = stored["images"], stored["predicted"]
        radius, noise = float(stored["maxsens.radius"]), stored["maxsens.unit_noise"]
        samples = noise.shape[1]

        def explained(
            inputs: Any, model: CamNet = model, classes: Tensor = classes
        ) -> tuple[Tensor]:
            inputs = inputs[0] if isinstance(inputs, tuple) else inputs
            repeated = classes.repeat_interleave(len(inputs) // len(classes))
            return (explain(model, inputs, repeated, ["gradcam"])["gradcam"],)

        def moved(inputs: Tensor, radius: float, noise: Tensor = noise) -> Tensor:
            return inputs + radius * noise.flatten(0, 1)

        theirs = sensitivity_max(
            explained,
            images,
            moved,
            perturb_radius=radius,
            n_perturb_samples=samples,
            max_examples_per_batch=samples * len(images),
        )
        computed = max_sensitivity(model, images, classes, ["gradcam"], radius, noise, "signed")
        actual.append((computed["gradcam"]["relative"], theirs))
    return actual


def haas() -> list[Pair]:
    """Compare the predictions for heatmap-assisted images, and the scores."""
    predictions, computed, theirs = [], [], []
    for head in HEADS:
        model, stored = golden(head)
        images, labels = stored["images"], stored["labels"]
        clean = (stored["predicted"] == labels).double().mean()
        for method in ("gradcam", "hirescam"):
            maps = scaled(explain(model, images, labels, [method])[method], images)
            with torch.no_grad():
                predicted = model(heatmap_assisted(images, maps)).argmax(1)
            predictions.append((predicted, stored[f"haas.{method}.ha_predicted"]))
            computed.append(float((predicted == labels).double().mean() / clean))
            theirs.append(float(stored[f"haas.{method}.score"]))
    return [*predictions, (computed, theirs)]


def changes_of_confidence() -> tuple[Tensor, Tensor, tuple[Any, ...]]:
    """Return the confidence in images and masked images, and the arguments of pytorch-grad-cam."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    model, images = random_net(), random_images()
    output = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = model(images)
        classes = torch.cat([logits[:2].argmax(1), logits[2:].argmin(1)])
        clean = confidence(model, images, classes)
        masked = confidence(model, images * output[:, None], classes)
    targets = [ClassifierOutputSoftmaxTarget(int(c)) for c in classes]
    return clean, masked, (images, output.numpy(), targets, model)


def average_drop() -> list[Pair]:
    """Compare the drop: theirs is no share of the confidence."""
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence

    clean, masked, arguments = changes_of_confidence()
    return [((clean - masked).clamp(min=0), DropInConfidence()(*arguments))]


def increase_in_confidence() -> list[Pair]:
    """Compare in which images the confidence rises."""
    from pytorch_grad_cam.metrics.cam_mult_image import IncreaseInConfidence

    clean, masked, arguments = changes_of_confidence()
    return [(masked > clean, IncreaseInConfidence()(*arguments))]


def infidelity_of(scale: str) -> Callable[[], list[Pair]]:
    """Compare infidelity with masks as perturbations and the same noise."""

    def pairs() -> list[Pair]:
        from captum import metrics as captum

        model, images, maps, samples = random_net(), random_images(), numbers(4, 4, 4), 5
        corners = torch.rand(4 * samples, 3, generator=torch.Generator().manual_seed(0))
        masks = squares(corners, (4, 4)).view(4, samples, 4, 4)  # captum repeats images in place
        pixels = masks.repeat_interleave(4, 2).repeat_interleave(4, 3)[:, :, None]
        noise = random_images(4 * samples, seed=1).view(4, samples, 3, 16, 16)

        def centred(inputs: Tensor) -> Tensor:
            logits = model(inputs)
            classes = CLASSES.repeat_interleave(len(inputs) // 4)
            return logits.gather(1, classes[:, None])[:, 0] - logits.mean(1)

        def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
            where = pixels.expand(-1, -1, 3, -1, -1).flatten(0, 1)
            return where.float(), torch.where(where, noise.flatten(0, 1), inputs)

        with torch.no_grad():
            changes = torch.stack(
                [
                    centred(images) - centred(torch.where(pixels[:, s], noise[:, s], images))
                    for s in range(samples)
                ]
            )
            predicted = torch.stack([(masks[:, s] * maps).sum((1, 2)) for s in range(samples)])
            sign = (predicted * changes).sum(0).sign()  # ours allows no negative scale
            maps, predicted = maps * sign[:, None, None], predicted * sign
            theirs = captum.infidelity(
                centred,
                perturb,
                images,
                large(maps) / 48,  # a cell's value, divided among the numbers of its pixels
                n_perturb_samples=samples,
                max_examples_per_batch=4 * samples,
                normalize=scale == "best",
            )
        return [(infidelity(predicted, changes)[scale], theirs)]

    return pairs


def localisation_of(kind: str, theirs: str) -> Callable[[], list[Pair]]:
    """Compare a measure of localisation; maps have no ties."""

    def pairs() -> list[Pair]:
        import quantus

        maps = torch.rand(4, 16, 16, generator=torch.Generator().manual_seed(2))
        masks = torch.zeros(4, 16, 16, dtype=torch.bool)
        for i in range(4):
            masks[i, i : i + 6, 2 * i : 2 * i + 7] = True
        maps[0, 2, 3] = maps[2, 5, 6] = 2  # two maxima in the masks, the others nearly anywhere
        maps[1, 15, 15] = maps[3, 15, 0] = 2
        metric = getattr(quantus, theirs)(abs=False, normalise=False, disable_warnings=True)
        actual = metric(
            a_batch=maps[:, None].numpy(),
            s_batch=masks[:, None].numpy(),
            **common(nn.Flatten(), random_images()),
        )
        return [(localisation(maps, masks)[kind], np.array(actual, dtype=float))]

    return pairs


METRICS = [
    Comparison("aopc", THESIS, "AOPC", aopc_of_the_study, 1e-5),
    Comparison("aopc", QUANTUS, "RegionPerturbation", aopc_curves, 1e-5, what="curve, grey"),
    Comparison("max_sensitivity", THESIS, "Max-Sensitivity", max_sensitivity_of_the_study, 5e-5),
    Comparison(
        "max_sensitivity",
        CAPTUM,
        "sensitivity_max",
        max_sensitivity_of_captum,
        1e-4,
        what="relative, unclipped",
    ),
    Comparison("haas", THESIS, "HAAS", haas, 1e-9, what="predictions and score"),
    *(
        Comparison("localisation", QUANTUS, theirs, localisation_of(kind, theirs), 1e-6, what=kind)
        for kind, theirs in (
            ("pointing", "PointingGame"),
            ("mass", "RelevanceMassAccuracy"),
            ("rank", "RelevanceRankAccuracy"),
        )
    ),
    Comparison("deletion", QUANTUS, "PixelFlipping", deletion_curves, 1e-5, what="curve and area"),
    Comparison(
        "faithfulness_correlation",
        QUANTUS,
        "FaithfulnessCorrelation",
        subset_correlation,
        1e-5,
        what="given sets",
    ),
    Comparison("road", GRADCAM, "NoisyLinearImputer", road, 1e-3, what="imputed images"),
    Comparison("average_drop", GRADCAM, "DropInConfidence", average_drop, 1e-6, what="Y less O"),
    Comparison(
        "increase_in_confidence", GRADCAM, "IncreaseInConfidence", increase_in_confidence, 0
    ),
    *(
        Comparison(
            "infidelity", CAPTUM, "infidelity", infidelity_of(scale), 1e-4, True, f"scale={scale}"
        )
        for scale in ("raw", "best")
    ),
    Comparison(
        "efficient_mprt", QUANTUS, "discrete_entropy", histogram_entropy, 1e-6, what="entropy"
    ),
    Comparison(
        "complexity", QUANTUS, "Complexity", of_cells(complexity.entropy, "Complexity"), 1e-5
    ),
    Comparison("sparseness", QUANTUS, "Sparseness", of_cells(sparseness.gini, "Sparseness"), 1e-5),
]
