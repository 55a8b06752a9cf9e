"""Normalised AOPC: where a map's AOPC lies between the worst and the best order of removal.

Source: arXiv 2408.08137 (NAOPC, bounds by beam search). AOPC's range differs between networks and
images, so that raw scores cannot be compared; here 0 is the lowest and 1 the highest AOPC that the
search finds. It need not find the true bounds, so a score can lie a little outside. Regions are
squares, fewer than a map's cells, since the search's cost grows with the square of their number.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from faithcam.core.views import size_of, statuses
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.faithfulness.curves import aopc_of, drops, mean_drops
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.removal.engine import Removal
from faithcam.removal.grid import Regions, grid, region_of, region_values
from faithcam.removal.orders import order_of


def _sorted(totals: Tensor, sets: Tensor) -> tuple[Tensor, Tensor]:
    """Return totals (M, N) with the largest first, and sets (M, N, L) in their order."""
    order = totals.argsort(dim=0, descending=True, stable=True)
    return totals.gather(0, order), sets.gather(0, order[..., None].expand_as(sets))


def best_aopc(
    removal: Removal,
    images: Tensor,
    classes: Tensor,
    regions: Regions,
    replacement: Tensor,
    beam: int,
    sign: int = 1,
) -> Tensor:
    """Return the largest AOPC of the class probability that a beam search over orders finds.

    Of all sets of removed regions that one more region makes of those kept, each is kept once, by
    the best order that leads to it, and of these the ``beam`` best ones.

    Args:
        removal: evaluator of the network.
        images: (N, C, H, W).
        classes: whose probability is followed, (N,).
        regions: rows and columns from :func:`faithcam.removal.grid.grid`, at most 62 regions.
        replacement: (N, C, H, W).
        beam: number of sets that are kept.
        sign: -1 for the smallest AOPC.

    Returns:
        (N,) float64.
    """
    labels = region_of(regions).to(images.device)
    count = int(labels.max()) + 1
    clean = None
    removed = torch.zeros(1, len(images), count, dtype=torch.bool, device=images.device)
    total = torch.zeros(1, len(images), dtype=torch.float64, device=images.device)
    codes = 2 ** torch.arange(count, device=images.device)
    for step in range(count):
        totals_after, sets = [], []
        for known, before in zip(removed, total, strict=True):
            state = torch.where(known[:, labels][:, None], replacement, images)
            left = (~known).nonzero()[:, 1].view(len(images), count - step)
            logits = removal.logits(state, [c[:, None] for c in left.T], regions, [replacement])
            if clean is None:
                clean = logits[0, 0, :, :1]
            steps = torch.cat([clean.expand(len(logits), -1, -1, -1), logits[:, 0, :, 1:]], 2)
            totals_after.append(before + sign * drops(steps, classes, "probability")[..., 1])
            one_more = torch.nn.functional.one_hot(left.T, count).bool()
            sets.append(known | one_more)
        totals, candidates = _sorted(torch.cat(totals_after), torch.cat(sets))
        names = (candidates * codes).sum(2)
        before_it = torch.ones(len(names), len(names), device=names.device).tril(-1).bool()
        again = ((names[:, None] == names) & before_it[..., None]).any(1)
        # a set that a better order leads to, too, counts no more
        totals, candidates = _sorted(totals.masked_fill(again, -torch.inf), candidates)
        total, removed = totals[:beam], candidates[:beam]
    return sign * total[0] / (count + 1)


def score(inputs: Inputs, evaluations: Sequence[Evaluation]) -> Scores:
    """Score all methods by (AOPC - lowest) / (highest - lowest), class explained.

    NaN where highest and lowest are the same. Noise and ties are those of AOPC's strict protocol.

    Args:
        inputs: images, maps and noise.
        evaluations: what is asked: ``region`` in pixels, ``beam``: sets of removed regions that the
            search keeps, and ``replicate`` of noise.
    """
    scores, images, size = Scores(), inputs.images, size_of(inputs.images)
    for evaluation in evaluations:
        region, beam, replicate = (
            int(evaluation.setting[k]) for k in ("region", "beam", "replicate")
        )
        regions = grid(size, region)
        raw = inputs.raw(evaluation.methods)
        values = {method: region_values(maps, region, size) for method, maps in raw.items()}
        keys = inputs.noise.uniform("aopc ties", 0, (next(iter(values.values())).shape[1],))
        orders = {method: order_of(relevance, keys) for method, relevance in values.items()}
        noise = inputs.replacements("noise", replicate)
        curves = mean_drops(inputs, regions, noise, orders)
        search = (inputs.removal, images, inputs.classes, regions, noise[0], beam)
        high, low = best_aopc(*search), best_aopc(*search, sign=-1)
        for method, maps in raw.items():
            score_of_map = aopc_of(curves[method, "probability"])
            share = torch.where(high > low, (score_of_map - low) / (high - low), torch.nan)
            scores.add(evaluation, method, share, statuses(maps, "signed"))
    return scores
