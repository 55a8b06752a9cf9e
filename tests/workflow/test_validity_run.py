"""All controls end to end: all tables are there, laws hold on real networks, little runs again."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from workspace import Workspace

from faithcam.core.setting import Setting
from faithcam.data.dataset import open_dataset
from faithcam.maps.tables import COMPLETENESS
from faithcam.metrics.tables import CURVES, PART_SHAPLEY, SCORES
from faithcam.models.tables import MODELS
from faithcam.results import io as tables
from faithcam.results.tables import CHECKS
from faithcam.statistics.tables import STATISTICS
from faithcam.validity.tables import CONCORDANCE, MULTIVERSE, VERDICTS

pytestmark = [pytest.mark.slow, pytest.mark.validity]

CONFIG = Path(__file__).with_name("validity.yaml")
MAIN, PATCHES = "phantom_shortcut", "phantom_shuffled"
COMPARED = ("aopc", "max_sensitivity", "haas")
PER_NETWORK = {
    **dict.fromkeys(("explain_flatten", "agreement", "feature_aopc", "similarity"), 1),
    **dict.fromkeys(("dose_response", "damage_ladder", "multiverse"), 1),
    **dict.fromkeys(("aopc", "max_sensitivity", "haas"), 1),
}
AGREEMENT = "metrics/agreement/phantom_shortcut/vgg_small-gap/seed1"
TABLES = {
    "scores.parquet": SCORES,
    "curves.parquet": CURVES,
    "checks.parquet": CHECKS,
    "models.parquet": MODELS,
    "statistics.parquet": STATISTICS,
    "completeness.parquet": COMPLETENESS,
    "multiverse.parquet": MULTIVERSE,
    "concordance.parquet": CONCORDANCE,
    "validity.parquet": VERDICTS,
    f"{AGREEMENT}/part_shapley/0-12.parquet": PART_SHAPLEY,
}


@pytest.fixture(scope="session")
def finished(repository, tmp_path_factory):
    """The experiment, run once. Tests must leave it as they found it."""
    workspace = Workspace(repository, tmp_path_factory.mktemp("finished"), CONFIG, "validity")
    done = workspace.run(cores=2)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace


def part(finished, folder, text):
    """A copy of the run, and a config of a part of it: a config file to be merged over its own."""
    replica = Workspace(finished.repository, folder / "twin", CONFIG, "validity")
    shutil.copytree(finished.directory, replica.directory)
    more = folder / "more.yaml"
    more.write_text(text)
    return replica, {"configs": (CONFIG, more), "cores": 2}


def fields(schema):
    """Names, types and meanings; files call the items of a list its elements."""
    return [(f.name, str(f.type).replace("element", "item"), f.metadata) for f in schema]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_there_with_its_schema(finished, name):
    table = tables.read(finished.results / name)
    assert len(table)
    assert fields(table.schema) == fields(TABLES[name])


def test_every_seed_has_images_of_its_own(finished):
    first, second = (
        open_dataset(finished.results / "data" / MAIN / f"seed{seed}") for seed in (0, 1)
    )
    assert first.renderings.shape == second.renderings.shape
    assert not np.array_equal(first.images, second.images)


@pytest.fixture(scope="session")
def scores(finished):
    return tables.read(finished.results / "scores.parquet").to_pandas()


def of(scores, metric, setting):
    """A metric's strict values, a row per network and image, a column per method."""
    rows = scores[(scores["metric"] == metric) & (scores["protocol"] == "strict")]
    rows = rows[(rows["setting"] == setting) & (rows["status"] == "ok")]
    return rows.pivot(
        index=["dataset", "architecture", "head", "seed", "image_id"],
        columns="method",
        values="value",
    )


def test_checks_hold(finished):
    checks = tables.read(finished.results / "checks.parquet").to_pandas()
    assert checks.passed.all()
    assert checks[checks.dataset == PATCHES].check.str.contains("patch net").any()


def test_no_order_of_cells_beats_hirescam_in_feature_space(scores):
    actual = of(scores, "feature_aopc", "order=morf")
    others = actual.drop(columns="hirescam")
    assert len(others.columns) > 10
    above = others.sub(actual["hirescam"], axis=0).max(axis=1)
    assert (above <= 1e-6 * actual.abs().max(axis=None)).all()


def test_the_advantage_in_feature_space_is_zero_at_dose_zero_convex_and_monotone(scores):
    gains = []
    for dose in ("0.0", "0.5", "1.0"):
        actual = of(scores, "dose_response", f"metric=feature_aopc;t={dose}")
        gains.append(actual["hirescam"] - actual["gradcam"])
    none, half, whole = gains
    rounding = 1e-5 * actual.abs().max(axis=None)
    assert len(none)
    assert (none.abs() <= rounding).all()
    assert (half >= -rounding).all()
    assert (whole - half >= half - rounding).all()
    assert (whole > 0.01 * actual.abs().max(axis=1)).any()


def test_cells_without_weights_have_no_share_of_hirescam(scores):
    actual = of(scores, "dose_response", "kind=share;metric=dead_zone")
    assert (actual["hirescam"] == 0).all()
    assert (actual["gradcam"] > 0).any()


def test_blank_maps_keep_every_prediction(scores):
    actual = of(scores, "haas", "explained_class=predicted;outcome=kept")
    assert len(actual)
    assert (actual["null_blank"] == 1).all()


def test_gap_twins_are_exactly_the_same(finished):
    rows = tables.read(finished.results / "statistics.parquet").to_pandas()
    twins = rows[rows["effect_name"] == "images that differ"]
    assert set(zip(twins.protocol, twins.metric, strict=True)) >= {
        *product(("thesis", "strict"), COMPARED)
    }
    assert (twins[["estimate", "effect"]] == 0).all(axis=None)


def test_the_multiverse_has_all_specifications(finished):
    frame = tables.read(finished.results / "multiverse.parquet").to_pandas()
    assert set(frame.dataset) == {MAIN}
    factors = {
        "view": ["signed", "scaled"],
        "explained_score": ["centred", "logit"],
        "grid": ["native", "16"],
        "offset": ["none", "corrected"],
        "imputer": ["noise", "mean"],
        "normalisation": ["raw", "range"],
        "images": ["correct", "all"],
    }
    assert set(frame[frame.metric == "aopc"].specification) == {
        str(Setting.of(**dict(zip(factors, values, strict=True))))
        for values in product(*factors.values())
    }
    assert set(frame.metric) == {*COMPARED}
    assert not frame.duplicated(["dataset", "metric", "specification"]).any()


def test_the_report_shows_controls_and_cases(finished):
    page = (finished.results / "report.html").read_text()
    assert "<h3>Multiverse</h3>" in page
    assert page.count(' id="browser"') == 1
    names = {path.name for path in (finished.results / "figures").iterdir()}
    of_main = ("sham", "dose_response", "damage_ladder", "multiverse")
    assert {f"{name}-{MAIN}.png" for name in of_main} <= names


def test_a_second_run_does_nothing(finished):
    assert finished.planned() == {}


def test_one_seed_more_needs_its_own_jobs_only(finished, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("seeds: [0, 1, 2]\n")
    planned = finished.planned("metrics", configs=(CONFIG, more))
    collecting = {"metrics", "collect_scores", "collect_curves"}
    assert {rule: n for rule, n in planned.items() if rule not in collecting} == {
        **PER_NETWORK, "prepare_planted": 1, "train": 2, "explain_gap": 1,
        **dict.fromkeys(("aopc", "max_sensitivity", "haas", "agreement"), 2),
        **dict.fromkeys(("compute_truth", "truth_agreement", "blind"), 1),
    }  # fmt: skip


def test_other_shards_give_the_same_tables(finished, tmp_path):
    fewer = (
        "datasets: [phantom_shortcut]\nseeds: [0]\n"
        "dataset_definitions: {phantom_shortcut: {heads: [flatten]}}\n"
    )
    whole, options = part(finished, tmp_path / "whole", fewer)
    done = whole.run("metrics", "validity", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    replica, options = part(finished, tmp_path / "shards", fewer + "images_per_job: {default: 6}\n")
    planned = replica.planned("metrics", "validity", **options)
    assert not {"train", "prepare_planted"} & set(planned)
    assert {rule: planned.get(rule) for rule in PER_NETWORK} == dict.fromkeys(PER_NETWORK, 2)
    done = replica.run("metrics", "validity", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("scores.parquet", "multiverse.parquet"):
        assert (replica.results / name).read_bytes() == (whole.results / name).read_bytes(), name


def test_a_run_without_controls_is_reported_without_them(finished, tmp_path):
    replica, options = part(
        finished,
        tmp_path,
        "datasets: [phantom_shortcut]\nseeds: [0]\nmetrics: [aopc, haas]\ncontrols: []\n"
        "dataset_definitions: {phantom_shortcut: {heads: [flatten]}}\nreport: {cases: 0}\n",
    )
    shutil.rmtree(replica.results / "figures")
    done = replica.run(**options)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (replica.results / "report.html").read_text()
    assert "HiResCAM against Grad-CAM, network by network" in page
    assert "<h3>Multiverse</h3>" not in page
    assert ' id="browser"' not in page
    names = {path.stem.split("-")[0] for path in (replica.results / "figures").glob("*.png")}
    assert names == {
        *("examples", "completeness", "paired_differences", "aopc_curves", "haas", "scoreboard")
    }
