"""Dose-response: heads between spatially constant weights and the trained ones.

The head w(t) = (1 - t) mean_ij(W) + t W needs more of space the larger the dose t is. Maps are
linear in the weights and w(t) has the same spatial mean for all t, so

    hirescam_t = (1 - t) gradcam + t hirescam
    sham_t     = (1 - t) gradcam + t sham
    gradcam_t  = gradcam

are what explaining w(t) gives: at t = 0 all are one map. In feature space, on the centred logit of
w(t), D(t) = AOPC(order of hirescam_t) - AOPC(order of gradcam) is convex, nowhere negative, 0 at
t = 0, and so monotone: the cells contribute hirescam_t, hence the first AOPC is the largest of all
orders', a maximum of linear functions of t, and the second, whose order stays, is linear in t.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from faithcam.core import seeding
from faithcam.core.ranks import ranks, spearman
from faithcam.core.seeding import Noise
from faithcam.core.views import normalised, size_of, statuses
from faithcam.maps.explain import gradients
from faithcam.maps.methods.gradcam import gradcam
from faithcam.maps.methods.hirescam import hirescam
from faithcam.maps.methods.sham import sham
from faithcam.metrics.evaluation import Evaluation, grouped
from faithcam.metrics.faithfulness.assisted import assisted_statuses, heatmap_assisted
from faithcam.metrics.faithfulness.curves import aopc_of, drops
from faithcam.metrics.inputs import Inputs, Scores
from faithcam.metrics.robustness.sensitivity import moved
from faithcam.models.camnet import CamNet
from faithcam.removal.engine import Removal
from faithcam.removal.grid import grid
from faithcam.removal.orders import additive_drops, distinct, order_of

Values = dict[tuple[float, str], Tensor]  # by dose and method


def interpolated(model: CamNet, doses: Sequence[float], shape: Sequence[int]) -> CamNet:
    """Return a network with the heads w(t) of all doses side by side.

    Args:
        model: with a Flatten head.
        doses: t, from 0 (weights averaged over the cells) to 1 (as trained).
        shape: of the activations, (N, K, h, w).

    Returns:
        A network of the same features; output i C + c is the logit of class c by w(doses[i]).
    """
    trained = model.cell_weights(shape)
    averaged = trained.mean((2, 3), keepdim=True)
    heads = torch.cat([(1 - t) * averaged + t * trained for t in doses]).flatten(1)
    classifier = nn.Linear(heads.shape[1], len(heads), device="meta")
    classifier.weight = nn.Parameter(heads, requires_grad=False)
    classifier.bias = nn.Parameter(model.classifier.bias.repeat(len(doses)), requires_grad=False)
    return model.with_classifier(classifier)


def trained_maps(activations: Tensor, gradients: Tensor, noise: Noise) -> dict[str, Tensor]:
    """Return the raw maps of the trained head, (N, h, w) each, from A and dy_c/dA."""
    return {
        "hirescam": hirescam(activations, gradients),
        "gradcam": gradcam(activations, gradients),
        "sham": sham(activations, gradients, noise.image_ids, noise.streams),
    }


def maps_at(dose: float, trained: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the raw maps of the head w(dose) from those of the trained head, (N, h, w) each."""
    averaged = trained["gradcam"]
    mixed = {name: (1 - dose) * averaged + dose * raw for name, raw in trained.items()}
    return {**mixed, "gradcam": averaged}


def dead_shares(
    activations: Tensor, gradients: Tensor, dead: Tensor, noise: Noise
) -> dict[str, Tensor]:
    """Return the share of each map's sum of absolute values in cells whose weights were zeroed.

    Args:
        activations: A, (N, K, h, w).
        gradients: dy_c/dA of the trained head, (N, K, h, w).
        dead: cells whose weights are set to zero for every class, (h, w) bool.
        noise: of the images, which the sham is keyed by.

    Returns:
        (N,) float64 for each method; NaN where the map is 0.
    """
    dead_maps = trained_maps(activations, gradients * ~dead, noise)
    sizes = {name: m.double().abs() for name, m in dead_maps.items()}
    return {name: (m * dead).sum((1, 2)) / m.sum((1, 2)) for name, m in sizes.items()}


def score(
    inputs: Inputs,
    evaluations: Sequence[Evaluation],
    *,
    draws: int,
    radius: float,
    samples: int,
) -> Scores:
    """Score HiResCAM, Grad-CAM and the sham of every head w(t); images and classes are those of 1.

    At t = 1 the scores are the metrics' own, of their strict protocols' primary settings (noise);
    HAAS says whether the class explained is kept, as heads that were not trained have no accuracy.

    Args:
        inputs: of a network with a Flatten head.
        evaluations: what is asked.
        draws: of AOPC's noise.
        radius: of Max-Sensitivity.
        samples: of Max-Sensitivity.
    """
    scores, doses = Scores(), _Doses(inputs, evaluations)
    for (metric,), asked in grouped(evaluations, "metric").items():
        if metric == "dead_zone":
            shares = doses.dead_shares()
            for evaluation in asked:
                for method in evaluation.methods:
                    scores.add(evaluation, method, shares[method])
        elif metric == "dose":
            for evaluation in asked:
                kind, t = evaluation.setting["kind"], float(evaluation.setting["t"])
                for method in evaluation.methods:
                    scores.add(evaluation, method, doses.distance(kind, t, method))
        else:
            values = doses.values(metric, draws, radius, samples)
            for evaluation in asked:
                t = float(evaluation.setting["t"])
                for method in evaluation.methods:
                    status = doses.statuses(t, method, amplifies=metric == "haas")
                    scores.add(evaluation, method, values[t, method], status)
    return scores


class _Doses:
    """Images, and the maps of the heads of all doses that are asked about."""

    def __init__(self, inputs: Inputs, evaluations: Sequence[Evaluation]) -> None:
        self._inputs, self._size = inputs, size_of(inputs.images)
        doses = [float(e.setting["t"]) for e in evaluations if "t" in e.setting]
        self._doses = list(dict.fromkeys(doses))
        self._activations = A = inputs.network.activations(inputs.images)
        self._gradients = gradients(inputs.network, A, inputs.classes, "centred")
        self._cells = tuple(A.shape[2:])
        self._raw = self._maps(A)
        keys = inputs.noise.uniform("aopc ties", 0, (A.shape[2] * A.shape[3],))
        self._orders = {key: order_of(m.flatten(1), keys) for key, m in self._raw.items()}

    def _maps(self, activations: Tensor) -> Values:
        trained = trained_maps(activations, self._gradients, self._inputs.noise)
        return {(t, name): m for t in self._doses for name, m in maps_at(t, trained).items()}

    def _heads(self) -> tuple[CamNet, Removal]:
        """Return the network with the heads of all doses, and its removal engine."""
        inputs, shape = self._inputs, self._activations.shape

        def make() -> tuple[CamNet, Removal]:
            heads = interpolated(inputs.network, self._doses, shape)
            return heads, Removal(heads, inputs.memory_mb)

        return inputs.once(("heads", *self._doses), make)

    def values(self, metric: str, draws: int, radius: float, samples: int) -> Values:
        """Return a metric's scores, see :func:`score`."""
        if metric == "aopc":
            return self._removed(draws)
        if metric == "feature_aopc":
            return self._zeroed()
        return self._assisted() if metric == "haas" else self._moved(radius, samples)

    def statuses(self, t: float, name: str, *, amplifies: bool) -> list[str]:
        """Return the statuses of maps, which may be looked at as amplifiers."""
        raw = self._raw[t, name]
        status = statuses(raw, "signed")
        return assisted_statuses(status, raw) if amplifies else status

    def _removed(self, draws: int) -> Values:
        """Return AOPC of the class probability of the heads, each in the orders of its own maps."""
        inputs, regions = self._inputs, grid(self._size, self._cells)
        _, removal = self._heads()
        fills = inputs.replacements("noise", 0, draws)
        logits = removal.logits(inputs.images, list(self._orders.values()), regions, fills)
        return {
            (t, name): aopc_of(drops(self._of_head(part, t), inputs.classes, "probability").mean(0))
            for (t, name), part in zip(self._orders, logits, strict=True)
        }

    def _of_head(self, logits: Tensor, t: float) -> Tensor:
        return logits.chunk(len(self._doses), -1)[self._doses.index(t)]

    def _zeroed(self) -> Values:
        """Return AOPC in feature space, of the centred logit of each head."""
        return {
            (t, name): aopc_of(additive_drops(self._raw[t, "hirescam"].flatten(1), order))
            for (t, name), order in self._orders.items()
        }

    def _assisted(self) -> Values:
        """Return whether the heads keep the class explained in the images their maps amplify."""
        inputs, (heads, _) = self._inputs, self._heads()
        views, places = distinct([normalised(raw, self._size) for raw in self._raw.values()])
        logits = [heads(heatmap_assisted(inputs.images, view)) for view in views]
        return {
            (t, name): (self._of_head(logits[at], t).argmax(1) == inputs.classes).double()
            for (t, name), at in zip(self._raw, places, strict=True)
        }

    def _moved(self, radius: float, samples: int) -> Values:
        """Return the relative Max-Sensitivity; one pass per sample."""
        inputs, worst = self._inputs, Values()
        for draw in range(samples):
            noise = inputs.noise.symmetric(
                "max_sensitivity strict 0", draw, tuple(inputs.images.shape[1:])
            )
            noisy = moved(inputs.images, radius, noise, clip=True)
            for key, raw in self._maps(inputs.network.activations(noisy)).items():
                change = _norm(raw - self._raw[key])
                worst[key] = torch.maximum(worst.get(key, change), change)
        norms = {key: _norm(raw) for key, raw in self._raw.items()}
        return {k: torch.where(norms[k] == 0, torch.nan, worst[k] / norms[k]) for k in worst}

    def distance(self, kind: str, t: float, name: str) -> Tensor:
        """Return how far maps are from Grad-CAM: the dose for metrics of ranks or for others."""
        raw, averaged = self._raw[t, name], self._raw[t, "gradcam"]
        if kind == "rank":
            return 1 - spearman(ranks(raw), ranks(averaged))
        return _norm(raw - averaged) / _norm(raw)

    def dead_shares(self) -> dict[str, Tensor]:
        """Return the shares in a keyed half of the cells, the same for all images of a network."""
        streams, A = self._inputs.noise.streams, self._activations
        random = seeding.generator(streams.seed, streams.dataset, streams.model, "dead zone")
        count = A.shape[2] * A.shape[3]
        dead = torch.from_numpy(random.permutation(count) < count // 2)
        dead = dead.view(self._cells).to(A.device)
        return dead_shares(A, self._gradients, dead, self._inputs.noise)


def _norm(maps: Tensor) -> Tensor:
    norms: Tensor = maps.flatten(1).double().norm(dim=1)
    return norms
