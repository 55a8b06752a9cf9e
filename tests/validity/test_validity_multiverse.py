"""All declared specifications: factors, floors, win, within floor or loss."""

import numpy as np
import pytest
from judged import CONFIG, EVALUATIONS, Scores
from scipy import stats
from synthetic import named

from faithcam.validity import multiverse
from faithcam.validity.evidence import read
from faithcam.validity.outcomes import Estimate

Z = stats.norm.ppf(0.975)


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
    assert multiverse.outcome(Estimate(3, middle, low, high, floor)) == expected


def add(scores, metric, hirescam, protocol="strict", status="ok", **pairs):
    for method, values in (("hirescam", hirescam), ("gradcam", 0 * np.asarray(hirescam))):
        scores.add(metric, named(**pairs), method, values, status, protocol=protocol)


def specifications(scores, tmp_path):
    ((_, evidence),) = read(*scores.write(tmp_path / "scores.parquet"), EVALUATIONS, CONFIG)
    rows = multiverse.specifications("real", evidence)
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
        strict = {"radius": 0.2, "samples": 10, "version": "relative"}
        add(scores, "max_sensitivity", [-1, -3], **strict, replicate=0)
        add(scores, "max_sensitivity", [-2, -3], **strict, replicate=1)
        add(scores, "max_sensitivity", [1, 2], **strict, replicate=0, explained_score="logit")
        add(scores, "max_sensitivity", [1, 2], "thesis", radius=0.2, samples=8, version="absolute")
        add(scores, "max_sensitivity", [9, 9], status="blank_map", **strict | {"radius": 0.4})
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
