"""Scores whose concordance with the truth is known: written as the workflow's jobs write them."""

import numpy as np
import pyarrow as pa

from faithcam.core.setting import Setting
from faithcam.metrics.registry import METRICS
from faithcam.metrics.tables import EVALUATIONS, SCORES, SCORES_KEY
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.validity import candidates

METHODS = [f"map{number}" for number in range(12)]
BLIND = ("edges", "variation", "sparseness")
SETTINGS = {  # of the metrics' primary evaluations
    "aopc": Setting.of(imputer="noise"),
    "grey_aopc": Setting.of(imputer="grey"),
    "haas": Setting.of(explained_class="predicted"),
    "max_sensitivity": Setting.of(radius=0.1),
}
SMALLER = ("max_sensitivity",)  # is better
ESTIMANDS = ("background", "grey")


def truth(estimand, half="all"):
    return Setting.of(estimand=estimand, half=half, measure="spearman")


def declared(datasets, metrics=tuple(SETTINGS), estimands=ESTIMANDS, settings=None):
    """Return what is declared on some data sets.

    Args:
        datasets: their names.
        metrics: with a primary evaluation each.
        estimands: of the truths.
        settings: further ones, {metric: [(protocol, setting)]}.
    """
    rows = [("blind", "strict", Setting.of(kind=kind), "variant") for kind in BLIND]
    rows += [(name, "strict", SETTINGS[name], "primary") for name in metrics]
    for metric, more in (settings or {}).items():
        rows += [(metric, protocol, setting, "variant") for protocol, setting in more]
    for estimand in estimands:
        known = [truth(estimand, half) for half in ("all", "first", "second")]
        rows += [("truth_agreement", "strict", setting, "fact") for setting in known]
    same = dict.fromkeys((f.name for f in EVALUATIONS if f.type == pa.bool_()), False)
    same |= {"architecture": "vgg_small", "head": "flatten", "replicate_of": "", "methods": METHODS}
    same |= {"passes": 0.0, "lowest": -1.0, "highest": 1.0}
    return Evaluations(
        pa.Table.from_pylist(
            [
                same
                | {"dataset": dataset, "protocol": protocol, "metric": metric, "role": role}
                | {"setting": str(setting), "title": metric, "judged": role == "primary"}
                | {"reference": setting.get("imputer", reference_of(metric))}
                | {"larger_is_better": metric not in SMALLER, "compared": metric != "blind"}
                | {"judged": role == "primary"}
                for dataset in datasets
                for metric, protocol, setting, role in rows
            ],
            schema=EVALUATIONS,
        )
    )


def reference_of(metric):
    """Return what a metric removes with; nothing for made-up ones."""
    return METRICS[metric].reference if metric in METRICS else ""


class Written:
    """Rows of scores, network by network."""

    def __init__(self):
        self._columns, self.networks = {name: [] for name in SCORES.names}, []

    def network(self, dataset, seed, images):
        self.known = {"dataset": dataset, "architecture": "vgg_small", "head": "flatten"}
        self.known |= {"seed": seed}
        self.images = np.asarray(images)
        self.networks.append(self.known | {"included": True})

    def add(self, metric, setting, method, values, protocol="strict", status="ok", correct=True):
        n = len(self.images)
        known = self.known | {"protocol": protocol, "metric": metric, "setting": str(setting)}
        known |= {"method": method, "label": 0, "predicted": 0}
        known |= {"image_id": self.images, "correct": correct, "value": values, "status": status}
        for name, column in self._columns.items():
            value = known[name]
            column += [value] * n if np.ndim(value) == 0 else list(value)

    def write(self, path):
        table = pa.table(self._columns, schema=SCORES)
        tables.write(path, tables.concatenate([table], SCORES, SCORES_KEY), SCORES)
        return path

    @property
    def models(self):
        return pa.Table.from_pylist(self.networks)


def experiment(
    folder, strengths, datasets=("real",), networks=10, images=12, estimands=ESTIMANDS, noise=0.3
):
    """Write an experiment; return (path of scores, paths of candidates' scores, models).

    Args:
        folder: where to.
        strengths: of each metric: its value is strength * q + noise, the smaller the better in
            ``SMALLER``; a pair (damaged, methods) of strengths where they differ. ``None`` in
            place of a strength: the metric is not asked there.
        datasets: names.
        networks: of each.
        images: of each network.
        estimands: of the truths.
        noise: standard deviation of the metrics'.
    """
    maps, damaged = Written(), Written()
    for place, dataset in enumerate(datasets):
        for seed in range(networks):
            rng = np.random.default_rng([place, seed])
            for written in (maps, damaged):
                written.network(dataset, seed, range(images))
            draws = rng.normal(size=(len(METHODS), images))
            qs = {e: draws + 0.3 * rng.normal(size=draws.shape) for e in estimands}
            qs = {e: np.tanh(0.5 * values) for e, values in qs.items()}
            for number, method in enumerate(METHODS):
                of_map = {estimand: q[number] for estimand, q in qs.items()}
                _scores(maps, method, of_map, strengths, 1, noise, rng)
            for estimand in estimands:
                for step in (0.0, *candidates.STEPS):
                    for draw in range(candidates.DRAWS if step else 1):
                        q = 1 - step * rng.uniform(0.5, 1, images)
                        name = candidates.name(estimand, step, draw)
                        _scores(damaged, name, {estimand: q}, strengths, 0, noise, rng)
                        for other in set(estimands) - {estimand}:  # it is no candidate of theirs
                            for half in ("all", "first", "second"):
                                wrong = np.full(images, 2 - 10 * step)
                                damaged.add("truth_agreement", truth(other, half), name, wrong)
    models = maps.models
    path = maps.write(folder / "scores.parquet")
    return path, [damaged.write(folder / "candidates.parquet")], models


def _scores(written, method, of_map, strengths, family, noise, rng):
    shape = written.images.shape
    for estimand, q in of_map.items():
        for half in ("all", "first", "second"):
            written.add("truth_agreement", truth(estimand, half), method, q)
    q = np.mean(list(of_map.values()), axis=0)
    for metric, given in strengths.items():
        strength = given[family] if isinstance(given, tuple) else given
        if strength is not None:
            value = strength * q + noise * rng.normal(size=shape)
            sign = -1 if metric in SMALLER else 1
            written.add(metric, SETTINGS[metric], method, sign * value)
    for kind in BLIND:
        value = 0.1 * q + noise * rng.normal(size=shape)
        if kind == "sparseness" and not family:
            value = np.full(shape, 0.4)  # equal histograms
        written.add("blind", Setting.of(kind=kind), method, value)


def settings(primary, datasets=("real",), nested=False, control=(), **changes):
    """Return the settings of a judgement."""
    data = {name: {"nested": nested, "control": name in control} for name in datasets}
    chosen = {"seed": 1, "statistics": {"confidence": 0.95, "resamples": 300}, "data": data}
    return chosen | {"concordance": {"primary": list(primary), "confirm": [], **changes}}
