"""Concordance of all evaluations on one data set, in one family of candidates."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from faithcam.core import seeding
from faithcam.core.errors import FaithcamError
from faithcam.core.setting import Setting
from faithcam.results.declared import FACT, REPLICATE, STRICT, THESIS, Declared, Evaluations
from faithcam.validity import candidates, gates
from faithcam.validity.concordance import Concordance, c_index
from faithcam.validity.readings import Array, Key, NetworkKey, Readings
from faithcam.validity.verdict import DAMAGED

TRUTH, BLIND = "truth_agreement", "blind"  # metrics: q of each map, and metrics that ask no network
HALVES = ("first", "second")
CHECKED = (gates.TRUTH, gates.INVERSE, gates.RANDOM)
EXACT_HALF = ("sparseness", "complexity")  # blind kinds that see only the values of a map


def truth(estimand: str, half: str = "all") -> Key:
    """Return the evaluation that says how near maps are to an estimand, or to half of it."""
    setting = Setting.of(estimand=estimand, half=half, measure="spearman")
    return STRICT, TRUTH, str(setting)


def key_of(declared: Declared) -> Key:
    """Return what names an evaluation on its data set."""
    return declared.protocol, declared.metric, str(declared.setting)


def is_judged(declared: Declared, family: str) -> bool:
    """Return whether an evaluation's concordance is asked in a family of candidates.

    The maps of ``methods`` are those of the centred logit, whose distance from the truth is known;
    the published protocol and ``explained_score=logit`` score other maps under the same names.
    """
    if declared.role in (FACT, REPLICATE) or declared.metric == TRUTH:
        return False
    scored = declared.compared or declared.metric == BLIND
    default = "logit" if declared.protocol == THESIS else "centred"
    centred = declared.setting.get("explained_score", default) == "centred"
    return scored and (family == DAMAGED or centred)


def explains_label(declared: Declared) -> bool:
    """Return whether an evaluation is about the true class, not the predicted one.

    It is in the published protocol, but for AOPC.
    """
    default = "label" if declared.protocol == THESIS and declared.metric != "aopc" else "predicted"
    return declared.setting.get("explained_class", default) == "label"


@dataclass(frozen=True)
class Asked:
    """What is asked of the scores on one data set, in one family.

    Args:
        declared: the judged evaluations, E.
        estimands: the truths of which scores are declared.
    """

    declared: list[Declared]
    estimands: list[str]

    @classmethod
    def of(cls, evaluations: Evaluations, dataset: str, family: str) -> "Asked":
        """Return what is asked on a data set."""
        here = {key_of(d): d for d in evaluations if d.dataset == dataset}
        known = [d.setting.get("estimand", "") for d in here.values() if d.metric == TRUTH]
        estimands = [name for name in dict.fromkeys(known) if truth(name) in here]
        return cls([d for d in here.values() if is_judged(d, family)], estimands)

    @property
    def keys(self) -> list[Key]:
        """All evaluations whose scores are needed: the judged ones, then the truths."""
        truths = [truth(name, half) for name in self.estimands for half in ("all", *HALVES)]
        return [*map(key_of, self.declared), *truths]

    @property
    def blind(self) -> list[int]:
        """Places of the blind metrics among the judged ones."""
        return [i for i, d in enumerate(self.declared) if d.metric == BLIND]


@dataclass
class Measured:
    """Concordance with one estimand, by network: K of them, E evaluations.

    Images without a pair that counts are left out.

    Args:
        c: by network: its image_ids (I,), and the concordance of its evaluations and of the scores
            in ``CHECKED``, (E + 3, I).
        pairs: pairs that count, (E,) by network.
        tied: ties among them, alike.
        undefined: pairs without a value of the metric, alike.
        by_gap: C by |dq|, (bins, E) by network.
    """

    c: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    pairs: dict[int, Array] = field(default_factory=dict)
    tied: dict[int, Array] = field(default_factory=dict)
    undefined: dict[int, Array] = field(default_factory=dict)
    by_gap: dict[int, Array] = field(default_factory=dict)

    def add(self, readings: Readings, concordance: Concordance) -> None:
        """Add a network."""
        images, image = np.unique(readings.images, return_inverse=True)
        number, c = readings.network, concordance.c
        if len(images) < len(image):  # findings of an image count together
            c = _means(c, image, len(images))
        some = ~np.isnan(c[-len(CHECKED)])  # the truth itself has no pair: nobody has one
        if not some.any():
            return
        self.c[number] = images[some], np.ascontiguousarray(c[:, some])
        judged = slice(-len(CHECKED))
        self.pairs[number] = concordance.pairs[judged].sum(axis=1)
        self.tied[number] = concordance.tied[judged].sum(axis=1)
        self.undefined[number] = concordance.undefined[judged].sum(axis=1)
        self.by_gap[number] = nan_mean(concordance.by_gap[:, judged])

    def checked(self) -> dict[str, Array]:
        """Return the concordances of the scores that are known, of all images (n,)."""
        rows = np.concatenate([c[-len(CHECKED) :] for _, c in self.c.values()], axis=1)
        return dict(zip(CHECKED, rows, strict=True))

    def of(self, place: int) -> Array:
        """Return an evaluation's concordance of all images (n,)."""
        return np.concatenate([c[place] for _, c in self.c.values()])


def _means(values: Array, group: Array, count: int) -> Array:
    there = ~np.isnan(values)
    sums, counts = np.zeros((2, len(values), count))
    np.add.at(sums.T, group, np.where(there, values, 0.0).T)
    np.add.at(counts.T, group, there.T.astype(np.float64))
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def nan_mean(values: Array) -> Array:
    """Return means over the last axis, NaN left out; NaN where nothing is left."""
    there = ~np.isnan(values)
    counts = there.sum(axis=-1)
    sums = np.where(there, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def measure(
    readings: Iterable[Readings],
    asked: Asked,
    family: str,
    dataset: str,
    networks: Sequence[NetworkKey],
    seed: int,
) -> dict[str, Measured]:
    """Return the concordance of all evaluations, by estimand.

    Args:
        readings: of the networks, evaluations in the order of ``asked.keys``.
        asked: what is asked.
        family: of the candidates.
        dataset: name of the data set.
        networks: names of the networks.
        seed: the experiment's, for the random numbers of a gate.

    Raises:
        FaithcamError: if maps have scores, but their distance from half of the truth is missing.
    """
    measured: dict[str, Measured] = {}
    sign = np.array([d.sign for d in asked.declared], np.float64)[:, None, None]
    labelled = np.array([explains_label(d) for d in asked.declared], bool)
    count = len(asked.declared)
    for part in readings:
        values, scored = sign * part.values[:count], part.scored[:count].copy()
        scored[labelled] &= part.correct[None, :, None]
        name = "/".join(map(str, networks[part.network]))
        draws = _random(part, seed, dataset, name, family)
        for number, estimand in enumerate(asked.estimands):
            at = _maps(part, family, estimand)
            distances = part.values[count + 3 * number : count + 3 * number + 3][..., at]
            q, halves = distances[0], distances[1:]
            if not np.isfinite(q).any():
                continue
            if not np.isfinite(halves).any(axis=(1, 2)).all():
                raise FaithcamError(
                    f"{dataset}, {name}: {family} candidates have scores of "
                    f"{truth(estimand)[2]!r}, but none of the halves {' and '.join(HALVES)}; "
                    f"score {TRUTH} again, with both halves"
                )
            known = np.stack([q, -q, np.where(np.isnan(q), np.nan, draws[:, at])])
            asked_of = np.concatenate([scored[..., at], np.isfinite(known)])
            result = c_index(np.concatenate([values[..., at], known]), q, halves, asked_of)
            measured.setdefault(estimand, Measured()).add(part, result)
    return {estimand: each for estimand, each in measured.items() if each.c}


def _maps(readings: Readings, family: str, estimand: str) -> Array:
    """Return the places of the candidates of an estimand."""
    if family != DAMAGED:
        return np.arange(len(readings.methods))
    parsed = [candidates.parse(name) for name in readings.methods]
    return np.flatnonzero([c is not None and c.estimand == estimand for c in parsed])


def _random(readings: Readings, seed: int, dataset: str, network: str, family: str) -> Array:
    """Return random numbers for each finding and map, keyed by image, (P, M)."""
    shape = len(readings.methods)
    places: dict[int, int] = {}
    rows = []
    for image in readings.images.tolist():
        places[image] = places.get(image, -1) + 1
        stream = (seed, dataset, network, image, "concordance gate", family, places[image])
        rows.append(seeding.generator(*stream).random(shape))
    return np.stack(rows)


def checked(
    by_estimand: Mapping[str, Measured], asked: Asked, family: str, dataset: str
) -> Iterator[tuple[str, list[gates.Gate]]]:
    """Yield the gates of each estimand and what they are of."""
    for estimand, measured in by_estimand.items():
        known = measured.checked()
        if family == DAMAGED:
            for place in asked.blind:
                kind = asked.declared[place].setting["kind"]
                if kind in EXACT_HALF:
                    known[kind] = measured.of(place)
        yield f"{dataset}, {family}, {estimand}", gates.gates(known)
