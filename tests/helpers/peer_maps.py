"""Maps that other packages compute, too."""

from collections.abc import Callable
from typing import Any

import torch
from peers import (
    CAPTUM,
    GRADCAM,
    Comparison,
    Pair,
    networks,
)
from torch import Tensor, nn

from faithcam.core import views
from faithcam.maps.explain import explain, gradients
from faithcam.maps.methods.eigencam import first_component
from faithcam.models.camnet import CamNet


def gradcam_s(name: str, model: CamNet, images: Tensor, classes: Tensor) -> Tensor:
    """Return maps of pytorch-grad-cam: ReLU, scaled and upsampled to (N, H, W)."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = getattr(pytorch_grad_cam, name)(model, [model.features[-1]])
    return torch.from_numpy(cam(images, [ClassifierOutputTarget(int(c)) for c in classes]))


def scaled(raw: Tensor, images: Tensor) -> Tensor:
    """Return our view of raw maps that pytorch-grad-cam returns."""
    return views.scaled(raw, images.shape[-1])


def map_pairs(name: str, theirs: str, positive: bool = False) -> Callable[[], list[Pair]]:
    """Compare a method with a class of pytorch-grad-cam."""

    def pairs() -> list[Pair]:
        return [
            (
                scaled(explain(model, images, classes, [name])[name], images),
                gradcam_s(theirs, model, images, classes),
            )
            for model, images, classes in networks(positive)
        ]

    return pairs


def nearer(raw: Tensor, images: Tensor, theirs: Tensor) -> Pair:
    """Return each map with the sign that is nearer to theirs: a singular vector has none."""
    both = torch.stack([scaled(sign * raw, images) for sign in (1, -1)])
    errors = (both - theirs).abs().amax((2, 3))
    return both[errors.argmin(0), torch.arange(len(raw))], theirs


def eigencam() -> list[Pair]:
    """Compare Eigen-CAM of A centred as theirs is, up to the sign."""
    actual = []
    for model, images, classes in networks():
        with torch.no_grad():
            A = model.activations(images)
        raw = first_component(A - A.mean((2, 3), keepdim=True))
        actual.append(nearer(raw, images, gradcam_s("EigenCAM", model, images, classes)))
    return actual


def eigengradcam() -> list[Pair]:
    """Compare Eigen-Grad-CAM up to the sign."""
    actual = []
    for model, images, classes in networks(positive=True):
        raw = explain(model, images, classes, ["eigengradcam"])["eigengradcam"]
        actual.append(nearer(raw, images, gradcam_s("EigenGradCAM", model, images, classes)))
    return actual


def gradcamplusplus() -> list[Pair]:
    """Compare Grad-CAM++ with the number that they add to its denominator."""
    actual = []
    for model, images, classes in networks():
        with torch.no_grad():
            A = model.activations(images)
        derivatives = gradients(model, A, classes).detach().expand_as(A)
        alpha = derivatives**2 / (
            2 * derivatives**2 + A.sum((2, 3), keepdim=True) * derivatives**3 + 1e-6
        )
        weights = (alpha * derivatives.clamp(min=0)).sum((2, 3), keepdim=True)
        theirs = gradcam_s("GradCAMPlusPlus", model, images, classes)
        actual.append((scaled((weights * A).sum(1), images), theirs))
    return actual


def layer_attributions(name: str, theirs: str) -> Callable[[], list[Pair]]:
    """Compare raw maps with captum's attributions of a layer."""

    def pairs() -> list[Pair]:
        from captum import attr

        actual = []
        for model, images, classes in networks():
            raw = getattr(attr, theirs)(model, model.features).attribute(images, target=classes)
            computed = explain(model, images, classes, [name])[name]
            actual.append((computed, raw.sum(1).detach()))
        return actual

    return pairs


def pixel_attributions(name: str, theirs: str, **arguments: Any) -> Callable[[], list[Pair]]:
    """Compare with captum's attributions of pixels, summed over each cell."""

    def pairs() -> list[Pair]:
        from captum import attr

        actual = []
        for model, images, classes in networks():
            raw = getattr(attr, theirs)(model).attribute(images, target=classes, **arguments)
            computed = explain(model, images, classes, [name])[name]
            side = images.shape[2] // computed.shape[1]
            cells = nn.functional.avg_pool2d(raw.detach(), side) * side**2
            # what a window's fall is given to each of its numbers
            share = raw.shape[1] * side**2 if theirs == "Occlusion" else 1
            actual.append((computed, cells.sum(1) / share))
        return actual

    return pairs


MAPS = [
    Comparison("gradcam", GRADCAM, "GradCAM", map_pairs("gradcam", "GradCAM"), 1e-5),
    Comparison(
        "gradcam", CAPTUM, "LayerGradCam", layer_attributions("gradcam", "LayerGradCam"), 1e-5
    ),
    Comparison("hirescam", GRADCAM, "HiResCAM", map_pairs("hirescam", "HiResCAM"), 1e-5),
    Comparison(
        "hirescam",
        CAPTUM,
        "LayerGradientXActivation",
        layer_attributions("hirescam", "LayerGradientXActivation"),
        1e-5,
    ),
    Comparison(
        "gradcamplusplus", GRADCAM, "GradCAMPlusPlus", gradcamplusplus, 1e-4, what="their 1e-6"
    ),
    Comparison("xgradcam", GRADCAM, "XGradCAM", map_pairs("xgradcam", "XGradCAM"), 1e-4),
    Comparison("layercam", GRADCAM, "LayerCAM", map_pairs("layercam", "LayerCAM"), 1e-5),
    Comparison(
        "gradcam_elementwise",
        GRADCAM,
        "GradCAMElementWise",
        map_pairs("gradcam_elementwise", "GradCAMElementWise", positive=True),
        1e-5,
        what="A ≥ 0",
    ),
    Comparison("eigencam", GRADCAM, "EigenCAM", eigencam, 1e-5, what="centred, up to the sign"),
    Comparison(
        "eigengradcam", GRADCAM, "EigenGradCAM", eigengradcam, 1e-5, what="A ≥ 0, up to the sign"
    ),
    Comparison(
        "ablationcam",
        GRADCAM,
        "AblationCAM",
        map_pairs("ablationcam", "AblationCAM", positive=True),
        1e-4,
        what="A ≥ 0, y > 0",
    ),
    Comparison("scorecam", GRADCAM, "ScoreCAM", map_pairs("scorecam", "ScoreCAM"), 1e-4),
    Comparison(
        "gradient_x_input",
        CAPTUM,
        "InputXGradient",
        pixel_attributions("gradient_x_input", "InputXGradient"),
        1e-5,
    ),
    Comparison(
        "integrated_gradients",
        CAPTUM,
        "IntegratedGradients",
        pixel_attributions("integrated_gradients", "IntegratedGradients", n_steps=50),
        1e-5,
    ),
    Comparison(
        "occlusion",
        CAPTUM,
        "Occlusion",
        pixel_attributions(
            "occlusion", "Occlusion", sliding_window_shapes=(3, 4, 4), strides=(3, 4, 4)
        ),
        1e-5,
    ),
]
