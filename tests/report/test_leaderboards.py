"""The tables of maps and metrics against the truth."""

import agreeing
import pandas as pd
import pyarrow as pa
import pytest
import synthetic
from answering import CONFIG, MAPS, MINUS, NONE, OVERLAPPING, PATCHES, agreed, verdicts

from faithcam.report import map_leaderboard, metric_leaderboard, scope_table
from faithcam.statistics import agreement
from faithcam.statistics.tables import STATISTICS
from faithcam.validity.tables import CONCORDANCE


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=CONFIG)


def test_the_table_of_maps_has_all_maps_and_counts_unresolved_images():
    frame = agreed(unresolved=2).to_pandas()
    board = map_leaderboard.maps(frame, "phantom", "patches", CONFIG)
    assert [row[0] for row in board.rows][:2] == ["expected HiResCAM", "HiResCAM"]
    assert len(board.rows) == len(MAPS)
    assert board.rows[0][1:] == ["1.00 (1.00 to 1.00) *", "0.90 (0.90 to 0.90)"]
    assert "truth is not resolved: 4 of 24 (training images), 4 of 24 (grey)." in board.note
    assert board.note.endswith("*: follows from the definition.")


def test_the_declared_endpoint_is_the_first_estimand_on_overlapping_networks():
    board = map_leaderboard.nearer(agreed().to_pandas(), CONFIG)
    start = ["phantom", "overlapping networks"]
    assert board.rows[0] == [
        *(*start, "training images", "3", "+0.210", "+0.185 to +0.235", "0.25", "HiResCAM"),
    ]
    assert board.strong == {0}
    patches = [row for row in board.rows if row[1] == "patch networks"]
    assert {(row[6], row[7]) for row in patches} == {(NONE, "follows from the definition")}


def test_the_table_of_corrections_says_how_far_each_moves_the_agreement():
    maps = MAPS | {"hirescam_shifted": 0.85, "expected_hirescam_shifted": 0.8}
    rows = agreeing.statistics((*OVERLAPPING, *PATCHES), maps, ("background", "features"))
    frame = agreement.compute(rows, agreeing.settings()).to_pandas()
    board = map_leaderboard.corrections(frame, CONFIG)
    assert board.numbers == ["further passes", "n", "training images", "mean activations"]
    less, shifted = "+0.10 (+0.10 to +0.10)", "+0.05 (+0.05 to +0.05)"
    assert board.rows == [
        ["phantom", "HiResCAM", "less its mean", "training images, once", "3", less, f"{less} *"],
        ["phantom", "HiResCAM", "shifted", "none", "3", shifted, shifted],
        [
            *("phantom", "expected HiResCAM", "shifted", "none", "3"),
            *(text := f"{MINUS}0.10 ({MINUS}0.10 to {MINUS}0.10)", f"{text} *"),
        ],
    ]
    assert board.note.endswith("*: follows from the definition.")
    assert map_leaderboard.boards(frame, CONFIG)[1].rows == board.rows


def concordances(**settings):
    rows = []
    for seed, (text, estimand, protocol, c) in enumerate(
        (text, estimand, protocol, c)
        for text, (protocol, cs) in settings.items()
        for estimand, c in cs.items()
    ):
        row = {name: float("nan") for name in CONCORDANCE.names}
        row |= {"dataset": "phantom", "architecture": "vgg_small", "head": "flatten", "seed": seed}
        row |= {"protocol": protocol, "metric": "aopc", "setting": text, "family": "methods"}
        row |= {"estimand": estimand, "concordance": c, "floor": 0.6, "floor_metric": "edges"}
        own = "imputer=" + estimand in text
        rows.append(row | {"pairs": 1, "images": 1, "own_reference": own})
    return pa.Table.from_pylist(rows, CONCORDANCE).to_pandas()


def test_published_settings_are_described(run):
    noise = synthetic.primary(config=CONFIG)["aopc"]
    published = synthetic.primary("thesis", CONFIG)["aopc"]
    cells = {"background": 0.75, "grey": 0.97}
    frame = concordances(**{noise: ("strict", cells), published: ("thesis", cells)})
    inputs = (verdicts().to_pandas(), frame, run.evaluations, CONFIG, "phantom")
    board = metric_leaderboard.metrics(*inputs)
    assert "HAAS: explained_class=predicted; Max-Sensitivity: " in board.note
    assert f"AOPC, as published: {published.replace(';', ', ')}." in board.note
    rows = board.rows
    assert [row[0] for row in rows] == [
        *("AOPC", "HAAS", "Max-Sensitivity", "AOPC, as published", "AOPC, as published")
    ]
    assert rows[0][1:] == [
        *("training images", "usable; recommended", "10"),
        *("0.90 / 0.60", "+0.30 (+0.25 to +0.35)", "0.80 / 0.60", "+0.20 (+0.10 to +0.30)"),
    ]
    assert rows[3][1:] == [
        *("training images", "described", "1", NONE, NONE, "0.75 / 0.60", "+0.15"),
    ]


def test_r_oms_of_each_imputer_is_its_mean_over_networks():
    known = dict.fromkeys(STATISTICS.names, "") | {"dataset": "phantom", "metric": "aopc", "n": 6}
    known |= {"architecture": "all", "head": "flatten", "level": "model", "effect_name": "mean"}
    rows = [
        known | {"setting": f"imputer={name};output={output}", "estimate": r, "low": r - 0.1,
                 "high": r + 0.1}
        for name, r in (("mean", 0.75), ("noise", 0.5))
        for output in ("imputed_probability", "r_oms")
    ]  # fmt: skip
    rows.append(rows[1] | {"architecture": "vgg_small"})
    strict = CONFIG["aopc"]["strict"] | {"imputers": ["noise", "mean"]}
    config = CONFIG | {"aopc": CONFIG["aopc"] | {"strict": strict}}
    board = scope_table.scope(pd.DataFrame(rows), config)
    assert board.rows == [
        ["phantom", "flatten", "noise", "6", "0.500 (0.400 to 0.600)"],
        ["phantom", "flatten", "mean", "6", "0.750 (0.650 to 0.850)"],
    ]


def test_admission_shows_the_worst_network():
    known = {"dataset": "phantom", "architecture": "vgg_small", "head": "flatten", "parts": 20}
    rows = [
        known | {"seed": seed, "estimand": name, "correlation": r, "relative_error": 1 - r}
        for name, of in (("noise", (0.2, 0.4)), ("background", (0.9, 1.0)))
        for seed, r in enumerate(of)
    ]
    board = map_leaderboard.admission(pd.DataFrame(rows), CONFIG)
    assert board.rows == [
        ["phantom", "training images", "yes", "2", "40", "0.950", "0.900", "0.0500", "0.100"],
        ["phantom", "noise", "no", "2", "40", "0.300", "0.200", "0.700", "0.800"],
    ]
