"""Several labels per image: pairs are findings, units are images, and one label changes nothing."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import synthetic

from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.results import io as tables
from faithcam.statistics import compare
from faithcam.statistics.floor import of_networks
from faithcam.validity.multiverse import specifications

METHODS = ("gradcam", "hirescam", "sham")
SEEDS = 4
LABELS = [(0,), (0, 2), (1,), (0, 1, 2), (2,), (1, 2), (0,), (1,)]  # of each image


def config(source="ct_phantom"):
    actual = synthetic.small(controls=["sham"])
    return synthetic.known(actual | {"dataset_definitions": {"phantom": {"source": source}}})


def made(labels=LABELS, source="ct_phantom", *, whole=False):
    """Return scores of the published metrics, networks, evaluations, and the config they are of.

    Some findings are not detected, some maps blank, but in a ``whole`` table.
    """
    settings, random, rows = config(source), np.random.default_rng(0), []
    output = synthetic.primary(config=settings)
    output["aopc2"] = output["aopc"].replace("replicate=0", "replicate=1")
    for seed in range(SEEDS):
        for image, here in enumerate(labels):
            for label in here:
                right = whole or bool(random.random() < 0.8)
                for metric, setting in output.items():
                    for method in METHODS:
                        value = random.normal(0.3 * (method == "hirescam"))
                        rows.append(
                            {
                                "dataset": "phantom", "architecture": "net", "head": "flatten",
                                "seed": seed, "protocol": "strict",
                                "metric": metric.removesuffix("2"), "setting": setting,
                                "method": method, "image_id": 10 * image, "label": label,
                                "predicted": label if right else -1, "correct": right,
                                "value": float(value > 0) if metric == "haas" else value,
                                "status": "ok" if whole or random.random() < 0.95 else "blank_map",
                            }
                        )  # fmt: skip
    scores = tables.concatenate([pa.Table.from_pylist(rows, schema=SCORES)], SCORES, SCORES_KEY)
    networks = [
        {"dataset": "phantom", "architecture": "net", "head": "flatten", "seed": seed}
        | {"included": True, "exempt": False}
        for seed in range(SEEDS)
    ]
    evaluations = synthetic.evaluations(scores, config=settings)
    return scores, pa.Table.from_pylist(networks), evaluations, settings


@pytest.fixture(scope="module")
def run():
    scores, *others = made()
    return scores.to_pandas(), compare.compute(scores, *others).to_pandas(), others[-1]


def differences(frame, metric, setting):
    """Return HiResCAM - Grad-CAM of each network, image and label that counts."""
    part = frame[(frame["metric"] == metric) & (frame["setting"] == setting)]
    part = part[part["correct"]] if metric != "haas" else part
    wide = part[part["status"] == "ok"].pivot(
        index=["seed", "image_id", "label"], columns="method", values="value"
    )
    return (wide["hirescam"] - wide["gradcam"]).dropna()


def row(table, metric, setting, name, seed="all", **known):
    actual = table[(table["metric"] == metric) & (table["setting"] == setting)]
    actual = actual[(actual["effect_name"] == name) & (actual["seed"] == seed)]
    known = {"method_a": "hirescam", "method_b": "gradcam", "architecture": "all"} | known
    if seed != "all":
        known["architecture"] = "net"
    for column, value in known.items():
        actual = actual[actual[column] == value]
    assert len(actual) == 1
    return actual.iloc[0]


@pytest.mark.parametrize("metric", ["aopc", "max_sensitivity", "haas"])
def test_an_image_counts_once_whatever_its_number_of_findings(run, metric):
    frame, table, settings = run
    setting = synthetic.primary(config=settings)[metric]
    images = differences(frame, metric, setting).groupby(["seed", "image_id"]).mean()
    networks = images.groupby("seed").mean()
    overall = row(table, metric, setting, "Cohen dz")
    assert overall["estimate"] == pytest.approx(networks.mean())
    assert overall["n"] == SEEDS
    within = {"haas": "discordant"}.get(metric, "rank-biserial")
    for seed, expected in networks.items():
        one = row(table, metric, setting, within, str(seed))
        assert one["estimate"] == pytest.approx(expected)
        assert one["n"] == len(images[seed]) <= len(LABELS)
        assert one["low"] <= expected <= one["high"]


def test_the_findings_of_an_image_share_their_noise(run):
    frame, table, settings = run
    setting = synthetic.primary(config=settings)["aopc"]
    other = setting.replace("replicate=0", "replicate=1")
    first, second = (differences(frame, "aopc", text) for text in (setting, other))
    images = first.groupby(["seed", "image_id"]).mean().unstack("image_id")
    changes = (first - second).dropna().groupby(["seed", "image_id"]).mean().unstack("image_id")
    changes = changes.reindex(index=images.index, columns=images.columns)
    floors = of_networks(changes.to_numpy(), images.notna().sum(axis=1).to_numpy())
    actual = row(table, "aopc", setting, "Cohen dz")["floor"]
    assert actual == pytest.approx(np.sqrt((floors**2).sum()) / SEEDS)


def test_haas_is_a_ratio_of_sensitivities_over_findings(run):
    frame, table, _ = run
    part = frame[(frame["metric"] == "haas") & (frame["method"] == "hirescam")]
    sums = part.groupby("seed")[["value", "correct"]].sum()
    actual = row(table, "haas", "explained_class=predicted", "ratio", method_b="clean")
    assert actual["estimate"] == pytest.approx((sums["value"] / sums["correct"]).mean())
    one = row(table, "haas", "explained_class=predicted", "ratio", "0", method_b="clean")
    assert one["n"] == len(LABELS)


def test_blank_maps_are_shares_of_images(run):
    frame, table, settings = run
    setting = synthetic.primary(config=settings)["aopc"]
    part = frame[(frame["setting"] == setting) & (frame["method"] == "gradcam")]
    blank = (part["status"] == "blank_map").groupby([part["seed"], part["image_id"]]).mean()
    actual = row(table, "aopc", setting, "blank share", method_a="gradcam", method_b="")
    assert actual["estimate"] == pytest.approx(blank.groupby("seed").mean().mean())


def test_the_multiverse_is_of_the_same_differences(tmp_path):
    scores, models, evaluations, settings = made()
    table = compare.compute(scores, models, evaluations, settings).to_pandas()
    tables.write(tmp_path / "scores.parquet", scores, SCORES)
    actual = specifications(tmp_path / "scores.parquet", models, evaluations, settings)
    primary = synthetic.primary(config=settings)
    for one in actual.to_pylist():
        images = "all" if one["metric"] == "haas" else "correct"
        if f"images={images}" in one["specification"]:
            pair = row(table, one["metric"], primary[one["metric"]], "Cohen dz")
            sign = -1 if one["metric"] == "max_sensitivity" else 1
            assert one["estimate"] == pytest.approx(sign * pair["estimate"])
            assert one["n"] == SEEDS
    assert {*actual["metric"].to_pylist()} == {"haas", "max_sensitivity"}


def test_one_finding_of_every_image_is_one_label_per_image():
    labels = [here[:1] for here in LABELS]
    multi_label, one = (
        compare.compute(*made(labels, source)) for source in ("ct_phantom", "phantom")
    )
    pd.testing.assert_frame_equal(multi_label.to_pandas(), one.to_pandas())
