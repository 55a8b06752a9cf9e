"""Max-Sensitivity: how much a map can change when the image is moved a little.

It measures stability, not faithfulness. Source: arXiv 1901.09392, eq. 8.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from faithcam import tables
from faithcam.explain import Explainable, maps_of
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Config, Model
from faithcam.metrics.radii import thesis_radius
from faithcam.shard import Batch, ScoreRows, Shard, ShardMaps
from faithcam.target import Target, answers
from faithcam.views import View, scaled, size_of, statuses


def passes(config: Config, model: Model) -> int:
    """Return the forward passes per image: one per noisy image and one per protocol.

    All methods share them. The strict protocol has a second stream at its primary radius.
    """
    settings, count = config["max_sensitivity"], 0
    if "thesis" in config["protocols"]:
        count += sum(settings["thesis"]["samples"]) + 1
    if "strict" in config["protocols"]:
        strict = settings["strict"]
        count += strict["samples"] * (len(strict["radii"]) + 1) + 1
    return count


def primary(config: Config) -> str:
    """Return the primary setting: relative, at the primary radius."""
    strict = config["max_sensitivity"]["strict"]
    return tables.setting(
        radius=float(strict["primary_radius"]),
        samples=strict["samples"],
        stream=0,
        version="relative",
    )


METRIC = Metric(
    "Max-Sensitivity",
    larger_is_better=False,
    source="arXiv 1901.09392",
    range=(0, float("inf")),
    passes=passes,
    primary=primary,
    maps="own",
    needs=("protocols",),
    volumes=True,
    several_labels=True,
)


def ranks(maps: Tensor) -> Tensor:
    """Return the average ranks of the cells of each map: (N, *cells) -> (N, L) float64.

    NaN where a map is not finite: it has no order.
    """
    flat = maps.flatten(1)
    larger = flat[:, :, None] > flat[:, None, :]
    equal = flat[:, :, None] == flat[:, None, :]
    found = larger.sum(2).double() + (equal.sum(2).double() + 1) / 2
    return torch.where(flat.isfinite().all(1, keepdim=True), found, torch.nan)


def spearman(a: Tensor, b: Tensor) -> Tensor:
    """Return Spearman's correlation of each pair of rank rows (N, L); NaN where one is constant."""
    a = a - a.mean(1, keepdim=True)
    b = b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()


class Sensitivity:
    """How far the maps of noisy images are from the maps of the images.

    All methods and targets share each noisy image's one forward pass.

    Args:
        model: a network in eval mode.
        images: (N, C, H, W) in [-1, 1], or volumes (N, S, C, H, W).
        classes: the class explained, fixed for all noisy images, (N,).
        methods: names of map methods.
        view: ``scaled`` (ReLU, min-max, image resolution) or ``signed`` (raw, native cells).
        targets: scores that are explained, see :func:`faithcam.explain.explain`.
        given: what methods need beside activations and gradients, see
            :func:`faithcam.explain.maps_of`.
        several: whether an image has several labels: a flip is then one of the class explained.

    Attributes:
        raw: raw maps of the images, by target and method, (N, h, w) each.

    Raises:
        ValueError: if the view is unknown.
    """

    def __init__(
        self,
        model: Explainable,
        images: Tensor,
        classes: Tensor,
        methods: Sequence[str],
        view: View,
        targets: Sequence[Target],
        given: Mapping[str, Any] | None = None,
        *,
        several: bool = False,
    ) -> None:
        if view not in ("scaled", "signed"):
            raise ValueError(f"view: {view!r} found, expected 'scaled' or 'signed'")
        self._model, self._classes, self._view, self._given = model, classes, view, given
        self._size, self._several = size_of(images), several
        activations = model.activations(images)
        self._answers = self._answers_of(activations)
        self.raw = {t: maps_of(model, activations, classes, methods, t, given) for t in targets}
        self._maps = {(t, m): self._seen(x) for t in targets for m, x in self.raw[t].items()}
        self._ranks = {k: ranks(x) for k, x in self._maps.items()} if view == "signed" else {}
        self._worst: dict[tuple[str, Target, str, str], Tensor] = {}
        self._flips: dict[str, list[Tensor]] = {}

    def _answers_of(self, activations: Tensor) -> Tensor:
        logits = self._model.logits(activations)
        return answers(logits, self._classes, several=self._several)

    def _seen(self, raw: Tensor) -> Tensor:
        return scaled(raw, self._size) if self._view == "scaled" else raw

    def add(self, run: str, noisy: Tensor, methods: Mapping[Target, Sequence[str]]) -> None:
        """Compare one noisy version of the images, as a further sample of a run.

        Args:
            run: its name.
            noisy: like the images.
            methods: whose maps are compared, by target.
        """
        activations = self._model.activations(noisy)
        self._flips.setdefault(run, []).append(self._answers_of(activations) != self._answers)
        for target, names in methods.items():
            found = maps_of(self._model, activations, self._classes, names, target, self._given)
            for method, raw in found.items():
                key = (target, method)
                seen = self._seen(raw)
                change = (seen - self._maps[key]).flatten(1).double().norm(dim=1)
                self._raise((run, *key, "absolute"), change)
                if self._view == "signed":
                    self._raise((run, *key, "rank"), 1 - spearman(self._ranks[key], ranks(seen)))

    def _raise(self, key: tuple[str, Target, str, str], value: Tensor) -> None:
        self._worst[key] = torch.maximum(self._worst.get(key, value), value)

    def found(self, run: str, target: Target) -> dict[str, dict[str, Tensor]]:
        """Return a run's results, see :func:`max_sensitivity`."""
        flips = torch.stack(self._flips[run]).double().mean(0)
        result = {}
        for method in self.raw[target]:
            if (run, target, method, "absolute") not in self._worst:
                continue
            absolute = self._worst[run, target, method, "absolute"]
            norm = self._maps[target, method].flatten(1).double().norm(dim=1)
            relative = torch.where(norm == 0, torch.nan, absolute / norm)
            result[method] = {"absolute": absolute, "relative": relative, "flips": flips}
            if self._view == "signed":
                result[method]["rank"] = self._worst[run, target, method, "rank"]
        return result


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

    Args:
        model: see :class:`Sensitivity`, as the other arguments not named here.
        images: see there.
        classes: see there.
        methods: see there.
        radius: r.
        unit_noise: u_s in [-1, 1]: the samples in the second dimension of one tensor, e.g. (N,
            samples, C, H, W), or tensors like the images, one at a time.
        view: see there.
        clip: whether x + r u_s is clipped to [-1, 1].
        target: see there.

    Returns:
        For each method, (N,) float64 each: ``absolute``; ``relative``, divided by norm2(view(x)),
        NaN if that is 0; ``rank``, max_s (1 - Spearman), for the signed view only; ``flips``, the
        share of samples that change the prediction (the same for all methods).

    Raises:
        ValueError: if the view is unknown, there is no sample, or one has not the images' shape.
    """
    samples = list(unit_noise.unbind(1)) if isinstance(unit_noise, Tensor) else unit_noise
    sensitivity = Sensitivity(model, images, classes, methods, view, [target])
    count = 0
    for noise in samples:
        if noise.shape != images.shape:
            raise ValueError(
                f"unit_noise: a sample of shape {tuple(noise.shape)} found, expected "
                f"{tuple(images.shape)}"
            )
        sensitivity.add("", moved(images, radius, noise, clip=clip), {target: methods})
        count += 1
    if not count:
        raise ValueError("unit_noise: no sample found, expected at least one")
    return sensitivity.found("", target)


def moved(images: Tensor, radius: float, noise: Tensor, *, clip: bool) -> Tensor:
    """Return x + r u, clipped to [-1, 1] or not, like the images."""
    noisy = images + radius * noise
    return noisy.clamp_(-1, 1) if clip else noisy


def _score_thesis(
    shard: Shard,
    batch: Batch,
    methods: list[str],
    controls: list[str],
    settings: dict[str, Any],
    rows: ScoreRows,
) -> None:
    images, thesis = batch.images, settings["thesis"]
    shape, everything = tuple(images.shape[1:]), [*methods, *controls]
    sensitivity = Sensitivity(
        shard.model,
        images,
        batch.labels,
        everything,
        "scaled",
        ["logit"],
        shard.given(batch, everything),
        several=shard.several,
    )
    for radius, samples in zip(thesis["radii"], thesis["samples"], strict=True):
        run = str(radius)
        compared: dict[Target, list[str]] = {
            "logit": everything if radius == thesis_radius(settings) else methods
        }
        for draw in range(samples):
            noise = shard.noise(batch, f"max_sensitivity thesis {radius}", draw, shape)
            sensitivity.add(run, moved(images, radius, noise, clip=False), compared)
        setting = tables.setting(radius=float(radius), samples=samples, version="absolute")
        for method, values in sensitivity.found(run, "logit").items():
            status = statuses(sensitivity.raw["logit"][method], "scaled")
            rows.add(batch, "thesis", setting, method, values["absolute"], status)


def _score_strict(
    shard: Shard,
    batch: Batch,
    methods: list[str],
    controls: list[str],
    settings: dict[str, Any],
    rows: ScoreRows,
) -> None:
    images, samples, primary = batch.images, settings["samples"], settings["primary_radius"]
    shape, everything = tuple(images.shape[1:]), [*methods, *controls]
    # of one label the raw logit too: what the gauge changes
    targets: list[Target] = ["logit"] if shard.several else ["centred", "logit"]
    main, *others = targets
    compared: dict[tuple[int, float], dict[Target, list[str]]] = {
        (0, r): {main: methods} for r in settings["radii"]
    }
    compared[0, primary], compared[1, primary] = {main: everything}, {main: everything}
    compared[0, primary] |= dict.fromkeys(others, methods)
    sensitivity = Sensitivity(
        shard.model,
        images,
        batch.predicted,
        everything,
        "signed",
        targets,
        shard.given(batch, everything),
        several=shard.several,
    )
    for draw in range(samples):
        # all radii of a stream move the images in the same direction
        noise = {
            stream: shard.noise(batch, f"max_sensitivity strict {stream}", draw, shape)
            for stream in (0, 1)
        }
        for (stream, radius), explained in compared.items():
            noisy = moved(images, radius, noise[stream], clip=True)
            sensitivity.add(f"{stream} {radius}", noisy, explained)
    for (stream, radius), explained in compared.items():
        facts: dict[str, object] = {"radius": float(radius), "samples": samples, "stream": stream}
        for target in explained:
            gauge = {"gauge": "logit"} if target != main else {}
            found = sensitivity.found(f"{stream} {radius}", target)
            for method, versions in found.items():
                status = statuses(sensitivity.raw[target][method], "signed")
                for version in ("absolute", "relative", "rank"):
                    setting = tables.setting(**facts, **gauge, version=version)
                    rows.add(batch, "strict", setting, method, versions[version], status)
        flips = next(iter(found.values()))["flips"]
        setting = tables.setting(**facts, version="flips")
        rows.add(batch, "strict", setting, "prediction", flips, ["ok"] * len(flips))


@torch.inference_mode()
def score_shard(shard: Shard, maps: ShardMaps, settings: dict[str, Any]) -> pa.Table:
    """Score the methods of a shard that depend on the image, in the chosen protocols.

    Args:
        shard: the model and its images.
        maps: names the methods that explain the network, controls among them.
        settings: the config's ``protocols`` and ``max_sensitivity``, and ``controls``: those of the
            methods that are scored at the primary radius alone.
    """
    own, protocols = settings["max_sensitivity"], settings["protocols"]
    main = [name for name in maps.methods if name not in settings["controls"]]
    more = [name for name in maps.methods if name in settings["controls"]]
    rows = ScoreRows(shard, "max_sensitivity")
    for batch in shard.batches():
        print(f"images {batch.rows.start} to {batch.rows.stop - 1} of the shard", flush=True)
        if "thesis" in protocols:
            _score_thesis(shard, batch, main, more, own, rows)
        if "strict" in protocols:
            _score_strict(shard, batch, main, more, own["strict"], rows)
    return rows.table()
