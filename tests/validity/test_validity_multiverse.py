"""All declared specifications: factors, floors, win, within floor or loss."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from synthetic import named

from faithcam.experiment import config as experiment
from faithcam.experiment import datasets
from faithcam.experiment.evaluations import Plan
from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.validity import multiverse
from faithcam.validity.tables import MULTIVERSE

Z = stats.norm.ppf(0.975)
PLANTED = {"source": "phantom", "task": "lesion", "size": 64, "train": 30, "val": 30, "test": 30}
CONFIG = experiment.merged(
    experiment.read([Path(__file__).parents[2] / "config.yaml"]),
    {
        "datasets": ["lesion", "real"],
        "dataset_definitions": {
            "lesion": PLANTED,
            "real": {"source": "folder", "size": 64, "channels": 1},
        },
        "metrics": ["aopc", "max_sensitivity", "haas", "multiverse"],
        "gap_twins": "all",
    },
)
CONFIG["data"] = datasets.specs(CONFIG)
EVALUATIONS = Evaluations(Plan(CONFIG).table())
STRICT = {"radius": 0.2, "samples": 10, "version": "relative"}


class Scores:
    """Rows of scores.parquet, added for all images of a network at once."""

    def __init__(self):
        self._columns = {name: [] for name in SCORES.names}
        self._networks = []

    def network(self, dataset, architecture, head, seed, correct, included=True):
        """Begin a network; ``correct``: which of its images it classifies correctly."""
        keys = (dataset, architecture, head, seed)
        self._known = dict(zip(tables.IDENTITY, keys, strict=True))
        self._correct = np.asarray(correct, bool)
        self._networks.append(self._known | {"included": included})

    def add(self, metric, setting, method, values, status="ok", protocol="strict"):
        """Add a score per image; the first images if there are fewer values."""
        n = len(values)
        known = self._known | {"protocol": protocol, "metric": metric, "setting": setting}
        for name, value in (known | {"method": method}).items():
            self._columns[name] += [value] * n
        self._columns["image_id"] += range(n)
        self._columns["label"] += [0] * n
        self._columns["predicted"] += (~self._correct[:n]).astype(int).tolist()
        self._columns["correct"] += self._correct[:n].tolist()
        self._columns["value"] += np.asarray(values, float).tolist()
        self._columns["status"] += [status] * n

    def table(self, folder):
        """Return the table of all specifications."""
        table, path = pa.table(self._columns, schema=SCORES), folder / "scores.parquet"
        tables.write(path, tables.concatenate([table], SCORES, SCORES_KEY), SCORES)
        models = pa.Table.from_pylist(self._networks)
        return multiverse.specifications(path, models, EVALUATIONS, CONFIG)


@pytest.mark.parametrize(
    ("low", "high", "floor", "expected"),
    [
        (0.1, 0.3, 0.1, "win"),
        (0.1, 0.3, np.nan, "win"),
        (0.1, 0.3, 0.2, "within floor"),
        (-0.1, 0.3, 0.0, "within floor"),
        (-0.3, -0.1, 0.1, "loss"),
        (-0.3, -0.1, 0.3, "within floor"),
        (np.nan, np.nan, np.nan, "within floor"),
    ],
)
def test_outcomes(low, high, floor, expected):
    middle = (low + high) / 2
    assert multiverse.outcome(multiverse.Estimate(3, middle, low, high, floor)) == expected


def add(scores, metric, hirescam, protocol="strict", status="ok", **pairs):
    for method, values in (("hirescam", hirescam), ("gradcam", 0 * np.asarray(hirescam))):
        scores.add(metric, named(**pairs), method, values, status, protocol=protocol)


def specifications(scores, folder):
    rows = scores.table(folder).to_pylist()
    return {(row["metric"], row["specification"]): row for row in rows}


def test_aopc_raw_and_divided_by_the_range(tmp_path):
    scores = Scores()
    for seed in range(2):
        scores.network("real", "vgg_small", "flatten", seed, [True, True, False])
        for imputer, streams in (("noise", (0, 1)), ("mean", (0,))):
            for replicate in streams:
                known = {"imputer": imputer, "replicate": replicate}
                factors = {
                    "grid": "native",
                    "offset": "none",
                    "explained_score": "logit",
                    "view": "signed",
                }
                gain = np.array([0.2, 0.4, 0.9]) + 0.1 * replicate
                add(scores, "multiverse", gain, **known, **factors)
                # the second image's range is too small to divide by
                setting = named(output="range", **known)
                scores.add("multiverse", setting, "hirescam", [0.4, 0.05, 0.9])
    actual = specifications(scores, tmp_path)

    def row(imputer, images, normalisation):
        text = named(
            grid="native", offset="none", explained_score="logit", view="signed",
            imputer=imputer, images=images, normalisation=normalisation,
        )  # fmt: skip
        return actual["aopc", text]

    assert len(actual) == 8
    assert row("noise", "correct", "raw")["estimate"] == pytest.approx(0.3)
    assert row("noise", "all", "raw")["estimate"] == pytest.approx(0.5)
    assert row("noise", "correct", "range")["estimate"] == pytest.approx(0.5)
    assert row("noise", "all", "range")["estimate"] == pytest.approx(0.75)
    assert row("noise", "all", "raw")["floor"] == pytest.approx(Z * np.sqrt(0.02 / 3) / 2)
    assert np.isnan(row("mean", "all", "raw")["floor"])
    assert {r["outcome"] for r in actual.values()} == {"win"}
    assert all(r["n"] == 2 for r in actual.values())


def test_the_other_metrics_in_all_their_settings(tmp_path):
    scores = Scores()
    for seed in range(2):
        scores.network("real", "vgg_small", "flatten", seed, [True, False])
        add(scores, "max_sensitivity", [-1, -3], **STRICT, replicate=0)
        add(scores, "max_sensitivity", [-2, -3], **STRICT, replicate=1)
        add(scores, "max_sensitivity", [1, 2], **STRICT, replicate=0, explained_score="logit")
        add(scores, "max_sensitivity", [1, 2], "thesis", radius=0.2, samples=8, version="absolute")
        add(scores, "max_sensitivity", [9, 9], status="blank_map", **STRICT | {"radius": 0.4})
        add(scores, "haas", [1, 0], explained_class="label", protocol="thesis")
        add(scores, "haas", [1, 1], explained_class="predicted")
        add(scores, "haas", [0, 0], explained_class="predicted", outcome="kept")
    actual = specifications(scores, tmp_path)
    assert {
        name: row["estimate"] for (metric, name), row in actual.items() if metric == "haas"
    } == {
        "explained_class=label;explained_score=logit;images=all;protocol=thesis": 0.5,
        "explained_class=predicted;explained_score=centred;images=all;protocol=strict": 1.0,
    }
    sensitivity = {n: row for (metric, n), row in actual.items() if metric == "max_sensitivity"}
    relative = "protocol=strict;radius=0.2;version=relative"
    assert {name: row["estimate"] for name, row in sensitivity.items()} == {
        f"explained_score=centred;images=correct;{relative}": 1.0,
        f"explained_score=centred;images=all;{relative}": 2.0,
        f"explained_score=logit;images=correct;{relative}": -1.0,
        f"explained_score=logit;images=all;{relative}": -1.5,
        "explained_score=logit;images=correct;protocol=thesis;radius=0.2;version=absolute": -1.0,
        "explained_score=logit;images=all;protocol=thesis;radius=0.2;version=absolute": -1.5,
    }
    floor = sensitivity[f"explained_score=centred;images=correct;{relative}"]["floor"]
    assert floor == pytest.approx(Z * np.sqrt(2) / 2)


def test_nothing_measured_gives_no_specification(tmp_path):
    scores = Scores()
    scores.network("real", "vgg_small", "flatten", 0, [True])
    scores.add("feature_aopc", "order=morf", "hirescam", [1.0])
    assert specifications(scores, tmp_path) == {}


def test_networks_of_a_seed_that_share_images_are_one_unit(tmp_path):
    for dataset, n in (("lesion", 2), ("real", 4)):
        scores = Scores()
        for seed in range(2):
            for bonus, architecture in enumerate(("resnet_small", "vgg_small")):
                scores.network(dataset, architecture, "flatten", seed, [True])
                add(scores, "max_sensitivity", [-seed - 2 * bonus], **STRICT, replicate=0)
                add(scores, "max_sensitivity", [-seed], **STRICT, replicate=1)
        actual = specifications(scores, tmp_path)
        assert len(actual) == 2
        for row in actual.values():
            assert (row["dataset"], row["n"], row["estimate"]) == (dataset, n, 1.5)
            # changes: 0 and 2 in either seed, by unit 1 and 1, or 0, 2, 0, 2
            assert row["floor"] == pytest.approx(Z * np.sqrt(2 if n == 2 else 8) / n)


def test_networks_left_out_gap_twins_and_other_maps_do_not_count(tmp_path):
    scores = Scores()
    for seed, head, included in ((0, "flatten", True), (1, "flatten", False), (2, "gap", True)):
        scores.network("real", "vgg_small", head, seed, [True], included)
        add(scores, "max_sensitivity", [-1 - seed], **STRICT, replicate=0)
        setting = named(**STRICT, replicate=0)
        scores.add("max_sensitivity", setting, "sham", [99])
    table = scores.table(tmp_path)
    assert table.schema.equals(MULTIVERSE, check_metadata=True)
    assert table["n"].to_pylist() == [1, 1]
    assert table["estimate"].to_pylist() == [1, 1]
    assert table["specification"].to_pylist() == sorted(table["specification"].to_pylist())


def test_blank_maps_are_dropped_by_strict_and_kept_by_thesis(tmp_path):
    scores = Scores()
    scores.network("real", "vgg_small", "flatten", 0, [True])
    for protocol in ("strict", "thesis"):
        add(scores, "max_sensitivity", [-1], protocol, "blank_map", **STRICT)
    names = {name for _, name in specifications(scores, tmp_path)}
    assert len(names) == 2
    assert all("protocol=thesis" in name for name in names)
