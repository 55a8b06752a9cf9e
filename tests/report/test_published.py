"""The published numbers: what follows from them, and where they stand beside ours."""

import math
from decimal import Decimal

import pytest
import synthetic

from faithcam.core.setting import Setting
from faithcam.experiment import axes
from faithcam.experiment import config as experiment
from faithcam.metrics.registry import METRICS
from faithcam.models.registry import ARCHITECTURES
from faithcam.report import published, published_tables
from faithcam.statistics.compare import compute

REGIONS, RADII = [56, 28, 21, 16], [0.05, 0.1]
STUDY = synthetic.small(
    datasets=["tissue", "crc"],
    dataset_definitions={
        "tissue": {"source": "crc", "size": 224},
        "crc": {"source": "folder", "size": 224},  # the name alone does not make it the study's
    },
    architectures=["resnet34_thesis", "resnet50_thesis"],
    aopc=synthetic.SMALL["aopc"] | {"thesis": {"regions": REGIONS}},
    max_sensitivity={
        "thesis": {"radii": RADII, "samples": [20, 20]},
        "strict": {"radii": [0.1], "samples": 10, "primary_radius": 0.1},
    },
)
EXCLUDED = [("resnet34_thesis", "flatten", 1)]


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=STUDY, excluded=EXCLUDED)


@pytest.fixture(scope="module")
def frame(run):
    return compute(run.scores, run.models, run.evaluations, STUDY).to_pandas()


def by_network(metric):
    """Return {network: [(Grad-CAM, HiResCAM) of each setting]} as exact decimals."""
    actual = {}
    for value in published.values():
        if value.metric == metric:
            pair = Decimal(str(value.gradcam)), Decimal(str(value.hirescam))
            actual.setdefault((value.data, value.architecture), []).append(pair)
    return actual


def test_the_claims_follow_from_the_values():
    signs = [
        sum(b for _, b in pairs) - sum(a for a, _ in pairs) for pairs in by_network("aopc").values()
    ]
    assert published.claims()["aopc"] == {
        "holds": sum(s > 0 for s in signs),
        "fails": sum(s < 0 for s in signs),
        "tied": sum(s == 0 for s in signs),
    }
    ratios = [n for pairs in by_network("haas").values() for pair in pairs for n in pair]
    assert published.claims()["haas"] == {
        "holds": sum(r < 1 for r in ratios),
        "fails": sum(r > 1 for r in ratios),
        "tied": 0,
    }
    lower = [b < a for pairs in by_network("max_sensitivity").values() for a, b in pairs]
    assert lower == [True] * 6
    assert sum(published.claims()["max_sensitivity"].values()) == len(published.accuracies()) == 8


def test_the_mean_gains_are_those_of_the_source():
    gains = {
        network: float(sum(b - a for a, b in pairs) / len(pairs))
        for network, pairs in by_network("aopc").items()
    }
    assert sum(gains.values()) / 8 == pytest.approx(0.022, abs=5e-4)
    del gains["breakhis", "vgg19_thesis"]
    assert sum(gains.values()) / 7 == pytest.approx(0.011, abs=5e-4)


def test_names_are_those_of_the_project():
    for row in published.study()["maps"]:
        assert row["metric"] in METRICS
        assert str(Setting.parse(row["setting"])) == row["setting"]
    for data, architecture in published.accuracies():
        assert architecture in ARCHITECTURES
        assert published.matches({"source": data, "size": 224}, data)


def test_the_thesis_config_runs_what_was_published():
    root = published_tables.__file__.split("workflow")[0]
    config = experiment.read([f"{root}config.yaml", f"{root}config/thesis.yaml"])
    planned = {
        (config["dataset_definitions"][dataset]["source"], architecture)
        for dataset, architecture, head, _ in axes.planned(config)
        if head == published.study()["head"]
    }
    assert planned == set(published.accuracies())
    for definition in map(config["dataset_definitions"].get, config["datasets"]):
        assert published.matches(definition, definition["source"])
    settings = {setting for _, _, setting, _, _ in synthetic._settings(config)}
    assert {row["setting"] for row in published.study()["maps"]} <= settings
    thesis = config["max_sensitivity"]["thesis"]
    assert thesis["radii"] == [0.05, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert thesis["samples"] == [20, 20, 30, 30, 40, 40]
    assert config["aopc"]["thesis"]["regions"] == REGIONS
    assert {*config["protocols"]} == {"thesis", "strict"}
    assert config["device"] == "cuda"


def test_matching_scores_stand_side_by_side(run, frame):
    table = published_tables.scores(frame, run.evaluations, STUDY)
    # the other architecture was not published on these data, the other data set is another one
    assert {tuple(row[:2]) for row in table.rows} == {("tissue", "resnet34_thesis")}
    assert [row[2] for row in table.rows] == [
        *(f"AOPC, {region} px" for region in REGIONS), "Max-Sensitivity, radius 0.1", "HAAS, ratio",
    ]  # fmt: skip
    assert table.rows[0][3:6] == ["0.57 / 0.57", "0", "2"]
    assert table.rows[3][3:6] == ["0.58 / 0.6", "+0.02", "2"]
    assert table.rows[4][3:5] == ["28.1 / 24.8", "+3.3"]  # lower is better
    assert table.rows[5][3:5] == ["0.47 / 0.53", "+0.06"]
    assert table.rows[5][-1] == published_tables.NONE
    assert len({len(row) for row in table.rows} | {len(table.words) + len(table.numbers)}) == 1


def test_our_side_is_the_mean_over_networks_in_the_summaries(run, frame):
    scores = run.scores.to_pandas()
    chosen = scores[
        (scores.dataset == "tissue") & (scores.architecture == "resnet34_thesis")
        & (scores["head"] == "flatten") & (scores.protocol == "thesis") & (scores.seed != 1)
        & scores.setting.str.endswith("region=28") & scores.correct
    ]  # fmt: skip
    means = chosen.groupby(["method", "seed"]).value.mean().groupby("method").mean()
    row = published_tables.scores(frame, run.evaluations, STUDY).rows[1]
    assert row[6] == f"{means['gradcam']:#.3g} / {means['hirescam']:#.3g}"
    assert float(row[7]) == pytest.approx(means["hirescam"] - means["gradcam"], rel=0.01)
    low, high = (
        float(n.replace("\N{MINUS SIGN}", "-").replace("+", "")) for n in row[8].split(" to ")
    )
    assert low < float(row[7]) < high


def test_accuracies_stand_side_by_side(run):
    (row,) = published_tables.accuracies(run.models, STUDY).rows
    models = run.models.to_pandas()
    computed = models[
        (models.dataset == "tissue") & (models.architecture == "resnet34_thesis")
        & (models["head"] == "flatten") & models.included
    ].balanced_accuracy  # fmt: skip
    assert len(computed) == 2
    numbers = [f"{n:#.3g}" for n in (computed.mean(), computed.min(), computed.max())]
    assert row == ["tissue", "resnet34_thesis", "0.89", "2", *numbers]


@pytest.mark.parametrize(
    "change",
    [
        {"size": 64},
        {"control": "shuffled_labels"},
        {"explained_split": "val"},
        {"source": "folder"},
    ],
)
def test_nothing_is_shown_where_nothing_matches(run, frame, change):
    definitions = STUDY["dataset_definitions"]
    definitions = definitions | {"tissue": definitions["tissue"] | change}
    settings = STUDY | {"dataset_definitions": definitions}
    assert published_tables.of_run(frame, run.models, run.evaluations, settings) == []
    assert len(published_tables.of_run(frame, run.models, run.evaluations, STUDY)) == 2


def test_a_part_of_a_published_data_set_does_not_match():
    whole = {"source": "breakhis", "size": 224}
    assert published.matches(whole, "breakhis")
    assert published.matches(whole | {"magnifications": [400, 200, 100, 40]}, "breakhis")
    assert not published.matches(whole | {"magnifications": [40]}, "breakhis")


def test_a_run_with_other_settings_shows_what_both_have(run, frame):
    others = frame[~frame.setting.str.contains("region=56|radius")]
    names = [row[2] for row in published_tables.scores(others, run.evaluations, STUDY).rows]
    assert names == ["AOPC, 28 px", "AOPC, 21 px", "AOPC, 16 px", "HAAS, ratio"]
    table = published_tables.scores(frame[frame.protocol == "strict"], run.evaluations, STUDY)
    assert table.rows == []


def test_values_are_finite_and_what_cannot_be_read_is_left_out():
    values = list(published.values())
    assert all(math.isfinite(v.gradcam) and math.isfinite(v.hirescam) for v in values)
    assert len(values) == 6 * 8 - 2
