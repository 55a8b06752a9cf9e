"""Max-Sensitivity: how much a map can change when the image is moved a little.

It measures stability, not faithfulness. Source: arXiv 1901.09392, eq. 8.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from faithcam.explain import Explainable, Target, maps_of
from faithcam.views import View, scaled


def ranks(maps: Tensor) -> Tensor:
    """Return the average ranks of the cells of each map: (N, h, w) -> (N, h w) float64."""
    flat = maps.flatten(1)
    larger = flat[:, :, None] > flat[:, None, :]
    equal = flat[:, :, None] == flat[:, None, :]
    return larger.sum(2).double() + (equal.sum(2).double() + 1) / 2


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Return Spearman's correlation of each pair of rank rows (N, L); NaN where one is constant."""
    a = a - a.mean(1, keepdim=True)
    b = b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()


@torch.no_grad()
def max_sensitivity(
    model: Explainable,
    images: Tensor,
    classes: Tensor,
    methods: Sequence[str],
    radius: float,
    unit_noise: Tensor | Iterable[Tensor],
    view: View = "scaled",
    *,
    clip: bool = False,
    target: Target = "logit",
) -> dict[str, dict[str, Tensor]]:
    """Return max_s norm2(view(x + r u_s) - view(x)) of every method.

    All methods share each noisy image's one forward pass.

    Args:
        model: a network in eval mode.
        images: (N, C, H, W) in [-1, 1].
        classes: the class explained, fixed for all noisy images, (N,).
        methods: names of map methods.
        radius: r.
        unit_noise: u_s in [-1, 1]: (N, S, C, H, W), or S tensors (N, C, H, W) one at a time.
        view: ``scaled`` (ReLU, min-max, image resolution) or ``signed`` (raw, native cells).
        clip: whether x + r u_s is clipped to [-1, 1].
        target: score that is explained, see :func:`faithcam.explain.explain`.

    Returns:
        For each method, (N,) float64 each: ``absolute``; ``relative``, divided by norm2(view(x)),
        NaN if that is 0; ``rank``, max_s (1 - Spearman), for the signed view only; ``flips``, the
        share of samples that change the prediction (the same for all methods).
    """
    samples = unit_noise.unbind(1) if isinstance(unit_noise, Tensor) else unit_noise
    size = (images.shape[2], images.shape[3])

    def seen(raw: dict[str, Tensor]) -> dict[str, Tensor]:
        return {m: scaled(x, size) for m, x in raw.items()} if view == "scaled" else raw

    activations = model.activations(images)
    predicted = model.logits(activations).argmax(1)
    clean = seen(maps_of(model, activations, classes, methods, target))
    clean_ranks = {m: ranks(x) for m, x in clean.items()} if view == "signed" else {}
    zeros = torch.zeros(len(images), dtype=torch.float64, device=images.device)
    absolute = {m: zeros for m in methods}
    rank = {m: zeros - torch.inf for m in clean_ranks}
    flips, count = zeros, 0
    for noise in samples:
        noisy = images + radius * noise
        activations = model.activations(noisy.clamp(-1, 1) if clip else noisy)
        flips = flips + (model.logits(activations).argmax(1) != predicted)
        count += 1
        for method, moved in seen(maps_of(model, activations, classes, methods, target)).items():
            change = (moved - clean[method]).flatten(1).double().norm(dim=1)
            absolute[method] = torch.maximum(absolute[method], change)
            if view == "signed":
                correlation = spearman(clean_ranks[method], ranks(moved))
                rank[method] = torch.maximum(rank[method], 1 - correlation)
    result = {}
    for method in methods:
        norm = clean[method].flatten(1).double().norm(dim=1)
        relative = torch.where(norm == 0, torch.nan, absolute[method] / norm)
        result[method] = {
            "absolute": absolute[method],
            "relative": relative,
            "flips": flips / max(count, 1),
        }
        if view == "signed":
            result[method]["rank"] = rank[method]
    return result
