"""Scores and specifications of controls, with known outcomes in them."""

from itertools import product

import numpy as np
import pyarrow as pa
import synthetic
from synthetic import named

from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.results import io as tables
from faithcam.validity.tables import MULTIVERSE


def config(**changes):
    """Return the small config with the metrics that have a figure of their own."""
    own = ["dose_response", "damage_ladder", "multiverse"]
    return synthetic.small(metrics=["aopc", "max_sensitivity", "haas", *own]) | changes


def multiverse(datasets=("phantom",)):
    """Return rows of multiverse.parquet."""
    rng = np.random.default_rng(2)
    rows = []
    for dataset in datasets:
        for grid, imputer, offset, explained_score, view, norm in product(
            ["native", "16"], ["noise", "mean", "blur"], ["none", "corrected"],
            ["centred", "logit"], ["signed", "scaled"], ["none", "range"],
        ):  # fmt: skip
            estimate = 0.006 * (imputer == "noise") - 0.007 * (imputer == "blur")
            estimate = float(estimate + 0.003 * (grid == "native") + rng.normal(0, 0.002))
            floor = {"noise": 0.0015}.get(imputer, 0.0)
            low, high = estimate - 0.003, estimate + 0.003
            outcome = "win" if low > 0 and estimate > floor else "within floor"
            outcome = "loss" if high < 0 and -estimate > floor else outcome
            text = named(
                grid=grid,
                imputer=imputer,
                normalisation=norm,
                offset=offset,
                explained_score=explained_score,
                view=view,
            )
            rows.append(
                {"dataset": dataset, "metric": "aopc", "specification": text, "n": 6}
                | {"estimate": estimate, "low": low, "high": high, "floor": floor}
                | {"outcome": outcome}
            )
    return pa.Table.from_pylist(rows, schema=MULTIVERSE)


class _Rows:
    """Score rows of the Flatten networks of a synthetic run, image by image."""

    def __init__(self, run, metric):
        self.models = [r for r in run.models.to_pylist() if r["head"] == "flatten"]
        self.metric, self.rows = metric, []

    def networks(self):
        for number, row in enumerate(self.models):
            key = {name: row[name] for name in tables.IDENTITY}
            yield key, np.random.default_rng([9, number])

    def add(self, key, setting, method, values):
        for i, value in enumerate(values):
            self.rows.append(
                key
                | {"protocol": "strict", "metric": self.metric, "setting": setting}
                | {"method": method, "image_id": i, "label": 0, "predicted": int(i % 5 == 4)}
                | {"correct": i % 5 != 4, "value": float(value), "status": "ok"}
            )

    def table(self):
        return pa.Table.from_pylist(self.rows, schema=SCORES)


def dose_response(run, doses=(0, 0.25, 0.5, 0.75, 1), images=10):
    """Return scores of dose_response: HiResCAM gains with the dose, its sham does not."""
    scores = _Rows(run, "dose_response")
    sizes = {"feature_aopc": 1.5, "aopc": 0.03, "max_sensitivity": -0.3, "haas": 0.02}
    for key, rng in scores.networks():
        slope = rng.normal(1, 0.3)
        for t, (metric, size) in product(doses, sizes.items()):
            text = named(metric=metric, t=float(t))
            base = rng.normal(0.5, 0.1, images)
            scores.add(key, text, "gradcam", base)
            noise = abs(size) * 0.1 * t * rng.normal(0, 1, images)
            scores.add(key, text, "hirescam", base + size * slope * t**2 + noise)
            scores.add(key, text, "sham", base - 0.4 * abs(size) * slope * t**2 + noise)
        for t, kind, method in product(doses, ("rank", "norm"), ("hirescam", "sham")):
            text = named(metric="dose", kind=kind, t=float(t))
            scores.add(key, text, method, 0.7 * t + 0.05 * t * rng.random(images))
    return scores.table()


def damage_ladder(run, steps=4, draws=3, images=10):
    """Return scores of damage_ladder: feature-space AOPC and AOPC fall, HAAS does not."""
    scores = _Rows(run, "damage_ladder")
    sizes = {"feature_aopc": 2.0, "aopc": 0.05, "rerendered": 0.08, "max_sensitivity": -0.1}
    speeds = {"noise": 0.8, "shift": 1.0, "inversion": 1.6}
    for key, rng in scores.networks():
        slope = rng.normal(1, 0.2)
        for (ladder, speed), (metric, size) in product(
            speeds.items(), [*sizes.items(), ("haas", 0.001)]
        ):
            for step, draw in [(0, 0), *product(range(1, steps + 1), range(draws))]:
                text = named(draw=draw, ladder=ladder, metric=metric, step=step)
                loss = size * slope * speed * (step / steps)
                scores.add(
                    key, text, "hirescam", 0.6 - loss + rng.normal(0, abs(size) / 20, images)
                )
    return scores.table()


def sham_scores(scores):
    """Return a run's scores with those of the sham: as Grad-CAM's, a little worse for AOPC."""
    frame = scores.to_pandas()
    sham = frame[(frame["method"] == "gradcam") & (frame["head"] == "flatten")].copy()
    rng = np.random.default_rng(11)
    shift = sham["metric"].map({"aopc": -0.006, "max_sensitivity": -0.1, "haas": 0.0})
    sham["value"] += shift * (1 + rng.normal(0, 0.2, len(sham)))
    sham["method"] = "sham"
    both = pa.concat_tables(
        [scores, pa.Table.from_pandas(sham, scores.schema, preserve_index=False)]
    )
    return both.sort_by([(name, "ascending") for name in SCORES_KEY])
