"""The rows of one metric and setting; :mod:`faithcam.statistics.compare` says what they are."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from faithcam.results.declared import FACT, PRIMARY, STRICT, Declared
from faithcam.statistics import floor, intervals, questions, tests
from faithcam.statistics.design import Design
from faithcam.statistics.pairs import Pair
from faithcam.statistics.scores import Networks, Scores
from faithcam.statistics.settings import PAIR

Array = np.ndarray[Any, Any]
Row = dict[str, Any]

BCA_FROM = 20
SHARES = {"blank share": "blank_map", "undefined share": "undefined"}
EMPTY = {"empty mask share": "empty_mask"}


class SettingRows:
    """The rows of one metric and setting on one data set and head.

    Args:
        scores: its scores.
        replicate: the same under the second noise replicate, of the same networks, if there is one.
        design: of the data set.
        declared: what they are.
    """

    def __init__(
        self, scores: Scores, replicate: Scores | None, design: Design, declared: Declared
    ) -> None:
        self.scores, self.design, self.declared = scores, design, declared
        self.known = scores.known
        self.metric = declared.metric
        self.strict = declared.protocol == STRICT
        self.replicate = replicate

    def all(self) -> list[Row]:
        """Return all rows."""
        rows = [*self._comparisons(), *self._means()]
        # they follow from the maps: a published metric's strict variants would repeat the primary's
        if not self.strict or not self.declared.published or self.declared.role == PRIMARY:
            rows += self._shares()
        if self.metric == "haas" and "outcome" not in self.declared.setting:
            rows += self._ratios()
        return rows

    def _row(self, level: str, **known: Any) -> Row:
        nothing = ("estimate", "low", "high", "p", "p_holm", "effect", "floor")
        fixed = {"method_b": "", "test": "", "effect_name": "", "primary": False, "seed": "all"}
        return {**dict.fromkeys(nothing, np.nan), **fixed, **self.known, "level": level, **known}

    def _comparisons(self) -> Iterator[Row]:
        """Yield the rows of HiResCAM - X and X - Grad-CAM."""
        if self.declared.role == FACT:
            return
        a, b = PAIR
        others = [name for name in self.scores.values if name not in (*PAIR, "prediction")]
        for names in (PAIR, *((a, x) for x in others), *((x, b) for x in others)):
            per_network = self.declared.drawn_per_network
            pair = Pair.of(self.scores, self.replicate, names, per_network=per_network)
            if pair and names == PAIR and self.declared.head == "gap":
                yield from self._twins(pair)
            elif pair:
                yield from self._compared(pair)

    def _compared(self, pair: Pair) -> Iterator[Row]:
        within = pair.names == PAIR
        crossed = not self.design.nested
        resampled = self.design.resampling.means(pair.differences) if within or crossed else None
        for name, chosen, weights in self.design.pools(pair.networks):
            yield from self._over_models(pair, name, chosen, weights, resampled)
        if within and resampled is not None:
            yield from self._within(pair, resampled)

    def _over_models(
        self, pair: Pair, architecture: str, chosen: Array, weights: Array, resampled: Array | None
    ) -> Iterator[Row]:
        design, confidence = self.design, self.design.confidence
        values = weights @ pair.means[chosen]
        n, mean = len(values), float(values.mean())
        spread = float(values.std(ddof=1)) if n > 1 else np.nan
        known = {
            **dict(zip(("method_a", "method_b"), pair.names, strict=True)),
            "architecture": architecture,
            "n": n,
            "estimate": mean,
            "floor": pair.floor(chosen, weights.mean(axis=0)),
        }
        primary = (
            pair.names == PAIR
            and self.strict
            and self.declared.role == PRIMARY
            and self.metric in design.family
            and (self.declared.head, architecture) == ("flatten", "all")
        )
        known_as = (*self.known.values(), architecture, *pair.names)
        replicate: tuple[str | int, ...] = (design.seed, "statistics", *known_as)
        kind = "exact" if n <= tests.MOST_ENUMERATED else "Monte Carlo"
        low, high = intervals.t_interval(values, confidence)
        yield self._row(
            "model",
            **known,
            low=low,
            high=high,
            test=f"{kind} sign flip (p >= {tests.smallest_p(n):.2g})",
            p=tests.sign_flip(values, *replicate),
            effect=mean / spread if spread > 1e-9 * abs(mean) else np.nan,
            effect_name="Cohen dz",
            primary=primary,
        )
        if n >= BCA_FROM:
            low, high = intervals.bca(values, confidence, design.resamples, *replicate)
            text = {"test": "BCa interval", "effect_name": "BCa"}
            yield self._row("model", **known, low=low, high=high, **text)
        if resampled is not None and not design.nested:
            drawn = resampled[:, chosen], design.resampling.networks(n)
            low, high = intervals.two_way(values, *drawn, design.resampling.groups, confidence)
            text = {"test": "two-way bootstrap, t interval", "effect_name": "two-way"}
            yield self._row("model", **known, low=low, high=high, **text)
        if primary:
            classes = self.scores.labels[pair.places]
            findings = (pair.networks, pair.findings, classes)
            for part in (
                *questions.power(values, confidence),
                *questions.mixed_model(*findings, confidence, nested=design.nested),
            ):
                yield self._row("model", **(known | part))

    def _within(self, pair: Pair, resampled: Array) -> Iterator[Row]:
        """Yield the rows of each network by itself."""
        ends = intervals.percentile(resampled, pair.counts, self.design.confidence)
        for i, network in enumerate(_identities(pair.networks)):
            values = pair.differences[i][~np.isnan(pair.differences[i])]
            low, high = ends[i]
            if self.declared.binary:
                (p, effect), test, name = tests.discordant(values), "McNemar (exact)", "discordant"
            else:
                p, effect = tests.wilcoxon(values)
                test, name = "Wilcoxon signed-rank (Pratt)", "rank-biserial"
            known = {"method_a": PAIR[0], "method_b": PAIR[1], "n": len(values), **network}
            yield self._row(
                "image",
                **known,
                estimate=float(values.mean()),
                low=low,
                high=high,
                test=test,
                p=p,
                effect=effect,
                effect_name=name,
                floor=pair.floor_of(i),
            )
            if pair.changes is not None:
                single = floor.of_image(pair.changes[i])
                yield self._row("image", **known, estimate=single, effect_name="floor of one image")

    def _twins(self, pair: Pair) -> Iterator[Row]:
        """Yield the rows of GAP heads: the scores of both maps must be the same numbers."""
        scores = self.scores
        a, b = (scores.values[name] for name in PAIR)
        status_a, status_b = (scores.statuses[name] for name in PAIR)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        there = ~(scores.has(PAIR[0], "") & scores.has(PAIR[1], ""))
        unequal = (there & ~(same & (status_a == status_b))).sum(axis=1)[pair.places]
        counted = there.sum(axis=1)[pair.places]
        base = {
            **dict(zip(("method_a", "method_b"), PAIR, strict=True)),
            "test": "exact equality",
            "effect_name": "images that differ",
        }
        for name, chosen, weights in self.design.pools(pair.networks):
            yield self._row(
                "model",
                **base,
                architecture=name,
                n=len(weights),
                estimate=float((weights @ pair.means[chosen]).mean()),
                effect=float(unequal[chosen].sum()),
                floor=pair.floor(chosen, weights.mean(axis=0)),
            )
        for i, network in enumerate(_identities(pair.networks)):
            known = {"n": int(counted[i]), "estimate": float(pair.means[i])}
            known |= {"effect": float(unequal[i]), "floor": pair.floor_of(i)}
            yield self._row("image", **base, **network, **known)

    def _summaries(
        self,
        method: str,
        name: str,
        values: Array,
        counts: Array,
        ends: Sequence[intervals.Interval] | None = None,
        *,
        interval: bool = True,
        method_b: str = "",
    ) -> Iterator[Row]:
        """Yield each network's value with its interval, if any, and the means over networks.

        Args:
            method: method_a.
            name: effect_name.
            values: (M,) of the networks.
            counts: images behind them (M,); a network without any has no row.
            ends: their intervals.
            interval: whether the mean over networks gets one.
            method_b: what method_a is compared with, if anything.
        """
        there = np.flatnonzero(counts)
        if not len(there):
            return
        networks = self.scores.networks.at(there)
        base = {"method_a": method, "method_b": method_b, "effect_name": name}
        for architecture, chosen, weights in self.design.pools(networks):
            units = weights @ values[there][chosen]
            low, high = intervals.NOTHING
            if interval:
                low, high = intervals.t_interval(units, self.design.confidence)
            known = {"architecture": architecture, "n": len(units), "low": low, "high": high}
            yield self._row("model", **base, **known, estimate=float(units.mean()))
        for i, network in zip(there.tolist(), _identities(networks), strict=True):
            low, high = ends[i] if ends is not None else intervals.NOTHING
            known = {"n": int(counts[i]), "low": low, "high": high}
            yield self._row("image", **base, **network, **known, estimate=float(values[i]))

    def _means(self) -> Iterator[Row]:
        """Yield the mean score of each method."""
        for method in self.scores.values:
            values = self.scores.of_images(self.scores.summarised(method))
            counts = (~np.isnan(values)).sum(axis=1)
            means = np.nansum(values, axis=1) / np.maximum(counts, 1)
            yield from self._summaries(method, "mean", means, counts)

    def _shares(self) -> Iterator[Row]:
        """Yield the shares of blank maps and of undefined scores, over all explained images."""
        kinds = SHARES | (EMPTY if self.declared.needs_masks else {})
        for method in self.scores.values:
            if method in ("random_order", "prediction") or method.startswith("null_"):
                continue
            missing = self.scores.has(method, "")
            for name, status in kinds.items():
                there = np.where(missing, np.nan, self.scores.has(method, status))
                values = self.scores.of_images(there)
                counts = (~np.isnan(values)).sum(axis=1)
                shares = np.nansum(values, axis=1) / np.maximum(counts, 1)
                yield from self._summaries(method, name, shares, counts, interval=False)

    def _ratios(self) -> Iterator[Row]:
        """Yield HAAS: accuracy over heatmap-assisted images / accuracy over the same images.

        All images count, blank maps too: they leave the image as it is.
        """
        for method in self.scores.values:
            assisted = self.scores.summarised(method)
            there = ~np.isnan(assisted)
            counts = (self.scores.sums(there.astype(np.float64)) > 0).sum(axis=1)
            right = self.scores.sums(assisted)
            clean = self.scores.sums((there & self.scores.correct).astype(np.float64))
            total = clean.sum(axis=1)
            ratios = np.where(total > 0, right.sum(axis=1) / np.maximum(total, 1), np.nan)
            resampled = self.design.resampling.ratios(right, clean)
            ends = intervals.percentile(resampled, counts, self.design.confidence)
            yield from self._summaries(method, "ratio", ratios, counts, ends, method_b="clean")


def _identities(networks: Networks) -> Iterator[Row]:
    for architecture, seed in zip(networks.architectures, networks.seeds, strict=True):
        yield {"architecture": str(architecture), "seed": str(seed)}
