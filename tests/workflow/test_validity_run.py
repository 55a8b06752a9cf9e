"""All controls end to end: judgments are there, laws hold on real networks, little runs again."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from faithcam.validity.control import POSITIVE
from faithcam.validity.predictions import CONTROLS, WRONG
from workspace import Workspace

from faithcam.core.setting import Setting
from faithcam.data.dataset import open_dataset
from faithcam.maps import registry as cams
from faithcam.maps.tables import COMPLETENESS
from faithcam.metrics.tables import CURVES, PART_SHAPLEY, SCORES
from faithcam.models.tables import MODELS
from faithcam.results import io as tables
from faithcam.results.tables import CHECKS
from faithcam.statistics.tables import STATISTICS
from faithcam.validity import outcomes
from faithcam.validity.tables import MULTIVERSE, VALIDITY

pytestmark = [pytest.mark.slow, pytest.mark.validity]

CONFIG = Path(__file__).with_name("validity.yaml")
MAIN, PATCHES = "phantom_shortcut", "phantom_shuffled"
JUDGED = ("aopc", "max_sensitivity", "haas")
PER_NETWORK = {
    **dict.fromkeys(("explain_flatten", "agreement", "feature_aopc", "similarity"), 1),
    **dict.fromkeys(("dose_response", "damage_ladder", "convergence", "multiverse"), 1),
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
    "validity.parquet": VALIDITY,
    "multiverse.parquet": MULTIVERSE,
    f"{AGREEMENT}/part_shapley/0-12.parquet": PART_SHAPLEY,
}


@pytest.fixture(scope="session")
def judged(repository, tmp_path_factory):
    """The experiment, run once. Tests must leave it as they found it."""
    workspace = Workspace(repository, tmp_path_factory.mktemp("judged"), CONFIG, "validity")
    done = workspace.run(cores=2)
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace


@pytest.fixture(scope="session")
def validity(judged):
    return tables.read(judged.results / "validity.parquet").to_pandas()


def part(judged, folder, text):
    """A copy of the run, and a config of a part of it: a config file to be merged over its own."""
    replica = Workspace(judged.repository, folder / "twin", CONFIG, "validity")
    shutil.copytree(judged.directory, replica.directory)
    more = folder / "more.yaml"
    more.write_text(text)
    return replica, {"configs": (CONFIG, more), "cores": 2}


def fields(schema):
    """Names, types and meanings; files call the items of a list its elements."""
    return [(f.name, str(f.type).replace("element", "item"), f.metadata) for f in schema]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_there_with_its_schema(judged, name):
    table = tables.read(judged.results / name)
    assert len(table)
    assert fields(table.schema) == fields(TABLES[name])


def test_every_seed_has_images_of_its_own(judged):
    first, second = (
        open_dataset(judged.results / "data" / MAIN / f"seed{seed}") for seed in (0, 1)
    )
    assert first.renderings.shape == second.renderings.shape
    assert not np.array_equal(first.images, second.images)


def expected(dataset, protocol, metric):
    """The controls that can be judged where all metrics were run, or those of the patch net."""
    names = {c.name for c in CONTROLS if c.is_for(metric, protocol)}
    of_patches = {name for name in names if name.startswith("patch_net")}
    if dataset == PATCHES:
        return of_patches | {"preference", "sham", "sham_not_over_gradcam", "verdict"}
    # where all images' parts are ordered alike there is nothing to set apart
    names -= {"agreement_consistent", "agreement_inconsistent"}
    if metric == "max_sensitivity":  # not for maps that do not come from the network
        names -= {*WRONG} - {*cams.from_model([*WRONG])}
    return (names - of_patches) | {"verdict"}


@pytest.mark.parametrize("metric", JUDGED)
@pytest.mark.parametrize("protocol", ["thesis", "strict"])
def test_every_control_that_can_be_judged_has_a_row(validity, protocol, metric):
    rows = validity[(validity.protocol == protocol) & (validity.metric == metric)]
    actual = set(rows[rows.dataset == MAIN].control)
    apart = {"agreement_consistent", "agreement_inconsistent"}
    assert actual - apart == expected(MAIN, protocol, metric)
    if metric == "aopc":
        assert set(rows[rows.dataset == PATCHES].control) >= expected(PATCHES, protocol, metric)
    # networks that are controls themselves are not among those that a metric is judged by
    (over_all,) = rows[rows.dataset == "all"].itertuples()
    assert (over_all.control, over_all.n) == ("verdict", 1)


def test_laws_hold_on_real_networks(judged, validity):
    laws = {c.name for c in CONTROLS if c.role == POSITIVE and c.rule is outcomes.exact}
    rows = validity[validity.control.isin(laws) & (validity.role == POSITIVE)]
    assert set(rows.control) == laws
    assert (rows.n > 0).all()
    assert (rows.outcome == "pass").all(), rows[rows.outcome != "pass"].to_string()
    checks = tables.read(judged.results / "checks.parquet").to_pandas()
    assert checks.passed.all()
    assert checks[checks.dataset == PATCHES].check.str.contains("patch net").any()


def test_gap_twins_are_exactly_the_same(validity):
    twins = validity[validity.control == "gap_twin"]
    assert set(zip(twins.protocol, twins.metric, strict=True)) == {
        *product(("thesis", "strict"), JUDGED)
    }
    assert (twins.estimate == 0).all()


def test_the_multiverse_has_all_specifications(judged):
    frame = tables.read(judged.results / "multiverse.parquet").to_pandas()
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
    assert set(frame.metric) == {*JUDGED}
    assert not frame.duplicated(["dataset", "metric", "specification"]).any()


def test_the_report_shows_verdicts_and_cases(judged):
    page = (judged.results / "report.html").read_text()
    assert "<h3>Verdicts</h3>" in page
    assert page.count(' id="browser"') == 1
    names = {path.name for path in (judged.results / "figures").iterdir()}
    of_main = ("decision", "sham", "dose_response", "damage_ladder", "multiverse")
    assert {"decision-all.png", *(f"{name}-{MAIN}.png" for name in of_main)} <= names


def test_a_second_run_does_nothing(judged):
    assert judged.planned() == {}


def test_one_seed_more_needs_its_own_jobs_only(judged, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("seeds: [0, 1, 2]\n")
    planned = judged.planned("metrics", configs=(CONFIG, more))
    collecting = {"metrics", "collect_scores", "collect_curves"}
    assert {rule: n for rule, n in planned.items() if rule not in collecting} == {
        **PER_NETWORK, "prepare_planted": 1, "train": 2, "explain_gap": 1,
        **dict.fromkeys(("aopc", "max_sensitivity", "haas", "agreement"), 2),
    }  # fmt: skip


def test_other_shards_give_the_same_scores_and_verdicts(judged, tmp_path):
    fewer = (
        "datasets: [phantom_shortcut]\nseeds: [0]\n"
        "dataset_definitions: {phantom_shortcut: {heads: [flatten]}}\n"
    )
    whole, options = part(judged, tmp_path / "whole", fewer)
    done = whole.run("metrics", "validity", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    replica, options = part(judged, tmp_path / "shards", fewer + "images_per_job: {default: 6}\n")
    planned = replica.planned("metrics", "validity", **options)
    assert not {"train", "prepare_planted"} & set(planned)
    assert {rule: planned.get(rule) for rule in PER_NETWORK} == dict.fromkeys(PER_NETWORK, 2)
    done = replica.run("metrics", "validity", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("scores.parquet", "validity.parquet", "multiverse.parquet"):
        assert (replica.results / name).read_bytes() == (whole.results / name).read_bytes(), name


def test_a_run_without_controls_is_reported_without_verdicts(judged, tmp_path):
    replica, options = part(
        judged,
        tmp_path,
        "datasets: [phantom_shortcut]\nseeds: [0]\nmetrics: [aopc, haas]\ncontrols: []\n"
        "dataset_definitions: {phantom_shortcut: {heads: [flatten]}}\nreport: {cases: 0}\n",
    )
    shutil.rmtree(replica.results / "figures")
    done = replica.run(**options)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (replica.results / "report.html").read_text()
    assert "HiResCAM against Grad-CAM, network by network" in page
    assert "<h3>Verdicts</h3>" not in page
    assert ' id="browser"' not in page
    names = {path.stem.split("-")[0] for path in (replica.results / "figures").iterdir()}
    assert names == {
        *("examples", "completeness", "paired_differences", "aopc_curves", "haas", "scoreboard")
    }
