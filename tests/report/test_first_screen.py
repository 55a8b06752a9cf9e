"""The first screen: of the answer, and of the page."""

import html
import json
import re
from types import SimpleNamespace

import agreeing
import concordant
import pandas as pd
import pyarrow as pa
import pytest
import synthetic
from answering import CONFIG, MAPS, MINUS, NONE, OVERLAPPING, PATCHES, agreed, truths, verdicts
from put import put

from faithcam.maps.tables import COMPLETENESS
from faithcam.report import first_screen, metric_leaderboard
from faithcam.report import page as report
from faithcam.report.answer import answer
from faithcam.report.first_screen import Truths
from faithcam.report.table import decimals, number
from faithcam.results import io as tables
from faithcam.statistics import agreement, subgroups
from faithcam.statistics.compare import compute
from faithcam.statistics.tables import AGREEMENT, STATISTICS, SUBGROUPS
from faithcam.truth.tables import ADMISSION
from faithcam.validity.judgement import judge
from faithcam.validity.tables import CONCORDANCE, VERDICTS


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=CONFIG)


@pytest.fixture(scope="module")
def statistics(run):
    return compute(run.scores, run.models, run.evaluations, CONFIG)


@pytest.fixture(scope="module")
def said(run, statistics):
    def of(**changes):
        inputs = (statistics, run.models, run.checks, run.evaluations, CONFIG)
        return first_screen.text(first_screen.blocks(truths(**changes), *inputs))

    return of


def test_the_first_screen_word_for_word(said):
    actual = said().split("\n\n")
    assert actual[0] == (
        "Run: phantom (simulated); 12 of 12 networks; 16 images explained; "
        "all 42 axiom checks hold."
    )
    assert actual[1].splitlines() == [
        "Which map is right? Agreement (Spearman) with the truth, by what absent cells show",
        "phantom, overlapping networks      training images  grey",
        "expected HiResCAM              0.91 (0.89 to 0.93)  0.81",
        "HiResCAM                       0.81 (0.79 to 0.83)  0.71",
        "LayerCAM                       0.71 (0.69 to 0.73)  0.61",
        "Grad-CAM                       0.60 (0.60 to 0.60)  0.50",
        "occlusion, training images     0.51 (0.49 to 0.53)  0.41",
        "truth of other images          0.31 (0.29 to 0.33)  0.21",
        "On phantom, HiResCAM - Grad-CAM where absent cells show training images: +0.210 (95 % "
        "interval",
        "+0.185 to +0.235, n = 3 overlapping networks, p = 0.25). HiResCAM is nearer where absent "
        "cells show",
        "training images and grey.",
        "On the 2 patch networks of phantom HiResCAM less its mean is the truth: that follows from "
        "the",
        "definition.",
    ]
    assert [re.split(r" {2,}", line) for line in actual[2].splitlines()] == [
        ["Which metric finds it? C: share of pairs in which it prefers the nearer map "
         "(training images)"],
        ["metric", "C damaged", "C methods", "floors", "smaller C - floor", "verdict"],
        ["AOPC", "0.90", "0.80", "0.60 / 0.60", "+0.20 (+0.10 to +0.30)", "recommended"],
        ["HAAS", "0.65", "0.70", "0.60 / 0.60", "+0.05 (-0.01 to +0.11)", "undecided"],
        [
            *("Max-Sensitivity", "0.50", "0.40", "0.60 / 0.60"),
            *("-0.20 (-0.30 to -0.10)", "no better than blind"),
        ],
        ["Recommended: AOPC (C at least 0.80 for every estimand)."],
    ]  # fmt: skip
    assert actual[3].splitlines()[1:] == [
        "AOPC is higher for HiResCAM: here in 6 of 6 networks; published 7 of 8.",
        "Max-Sensitivity is lower for HiResCAM: here in 6 of 6 networks; published 8 of 8.",
        *actual[3].splitlines()[3:],
    ]
    assert len(actual[3].splitlines()) == 4
    assert actual[4].splitlines()[0] == "What this does not show"
    assert len(actual[4].splitlines()) == 4


def test_it_fits_a_screen(said):
    lines = said().splitlines()
    assert said().isascii()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


def test_of_few_networks_there_are_numbers_alone(said):
    text = said(validity=verdicts(networks=5, recommended=""))
    assert "Fewer than 8 networks (5): numbers alone, no verdict." in text
    assert "+0.20 (+0.10 to +0.30)" in text
    for word in ("verdict\n", "blind", "undecided", "recommended", "Recommended"):
        assert word not in text


def test_of_one_network_it_is_said_that_it_is_about_that_network(said):
    rows = [row | {"scope": "this network"} for row in verdicts(networks=12).to_pylist()]
    text = said(validity=pa.Table.from_pylist(rows, VERDICTS))
    assert "for every estimand). All of this is about this network alone." in text
    rows = [row | {"scope": "this network"} for row in verdicts(networks=5).to_pylist()]
    text = said(validity=pa.Table.from_pylist(rows, VERDICTS))
    assert "Fewer than 8 images (5): numbers alone" in text


def test_numbers_of_the_leaderboards_keep_their_sign():
    values = (0.0, -0.0, 1e-17, -0.003, 0.126, float("nan"))
    expected = ["0", "0", "0.00", f"{MINUS}0.003", "+0.13", NONE]
    assert [decimals(value, sign=True) for value in values] == expected
    assert [number(value, sign=True) for value in (0.0, -0.0, 0.5)] == ["0", "0", "+0.500"]


def test_a_metric_that_was_asked_in_one_family_is_said_to_be(run):
    frame = verdicts().to_pandas()
    frame.loc[frame["metric"] == "haas", "damaged_difference"] = float("nan")
    empty = CONCORDANCE.empty_table().to_pandas()
    board = metric_leaderboard.metrics(frame, empty, run.evaluations, CONFIG, "phantom")
    assert [row[2] for row in board.rows][1] == "undecided, methods alone"


@pytest.mark.parametrize(("confirm", "where"), [(["b", "c"], "b, c"), ([], "the other half")])
def test_what_was_chosen_and_confirmed_is_said(said, run, confirm, where):
    rows = verdicts().to_pylist()
    whole = rows[0] | {"dataset": "all", "word": "not confirmed"}
    validity = pa.Table.from_pylist([*rows, whole, rows[1] | {"dataset": "all"}], VERDICTS)
    (line,) = metric_leaderboard.chosen(validity.to_pandas(), run.evaluations, confirm)
    assert line.startswith("AOPC is the best metric on ")
    assert line.endswith(f" of the data sets; on {where} it is not confirmed.")
    assert "AOPC is the best metric on one half" in said(validity=validity)
    assert "best metric" not in said()


def test_when_no_metric_is_recommended_the_nearest_are_named(said):
    rows = verdicts(recommended="").to_pylist()
    rows[0]["in_confidence_set"] = True
    text = said(validity=pa.Table.from_pylist(rows, VERDICTS))
    expected = "No metric is recommended: none is usable for every estimand; nearest: AOPC."
    assert expected in text


def test_grad_cam_can_be_nearer_and_neither_is_said_of_an_interval_with_zero(said):
    rows = agreed().to_pylist()
    for row in rows:
        if row["method_b"] and row["networks"] == "overlapping":
            first = row["estimand"] == "background"
            row |= {"estimate": -0.2, "low": -0.3, "high": -0.1 if first else 0.1}
    text = said(agreement=pa.Table.from_pylist(rows, AGREEMENT)).replace("\n", " ")
    assert "training images: -0.200 (95 % interval -0.300 to -0.100, n = 3" in text
    assert "Grad-CAM is nearer where absent cells show training images. No difference is" in text
    assert "No difference is established where absent cells show grey." in text


def test_of_all_differences_the_first_screen_tells_that_of_the_two_maps(said):
    rows = agreeing.statistics(OVERLAPPING, MAPS | {"expected_gradcam": 0.9, "gradcam_shifted": 0})
    table = agreement.compute(rows, agreeing.settings())
    pairs = [row for row in table.to_pylist() if row["method_b"] == "gradcam"]
    assert len(pairs) == 6
    for changed in (table, table.take(list(range(table.num_rows))[::-1])):
        assert "training images: +0.210 (95" in said(agreement=changed)


def test_a_single_network_decides_nothing(said):
    text = said(agreement=agreed(OVERLAPPING[:1])).replace("\n", " ")
    assert "training images: +0.200 (n = 1 overlapping network). " in text
    assert "A single unit decides nothing where absent cells show training images and grey." in text


def test_of_a_network_alone_everything_is_about_it_and_its_images(said, tmp_path):
    def of(**changes):
        scores = tmp_path / "scores.parquet"
        rows = agreeing.one_network(scores, **changes)
        table = agreement.compute(rows, agreeing.settings(), scores)
        return said(agreement=table).replace("\n", " ")

    text = of()
    assert "training images: +0.200 (95 % interval +0.134 to +0.266, n = 12 images" in text
    assert "n = 12 images of this network, p = 0.00049). HiResCAM is nearer where" in text
    assert "Anything about other networks: intervals are over images of one network." in text
    assert "networks that share" not in text
    text = of(architecture="patch_small")
    assert (
        "HiResCAM - Grad-CAM: no overlapping network has a truth. On the patch network of" in text
    )
    assert "HiResCAM - Grad-CAM: with GAP heads both are one map." in of(head="gap")


def test_maps_that_were_not_asked_for_are_not_compared(said):
    rows = [row for row in agreed().to_pylist() if row["method_a"] != "hirescam"]
    text = said(agreement=pa.Table.from_pylist(rows, AGREEMENT))
    assert "HiResCAM - Grad-CAM: not both were asked for." in text


def test_intervals_of_correlations_end_at_one(said):
    rows = [row | {"low": -1.27, "high": 1.63} for row in agreed().to_pylist()]
    text = said(agreement=pa.Table.from_pylist(rows, AGREEMENT))
    assert "0.81 (-1.00 to 1.00)" in text


def test_intervals_of_shares_end_at_one(said):
    rows = [row | {"methods_low": -13.2, "methods_high": 13.3} for row in verdicts(2).to_pylist()]
    text = said(validity=pa.Table.from_pylist(rows, VERDICTS))
    assert "+0.20 (-1.00 to +1.00)" in text


def test_patch_networks_alone_say_what_follows_from_the_definition(said):
    text = said(agreement=agreed(PATCHES))
    assert "phantom, patch networks" in text
    assert "1.00 (1.00 to 1.00) *" in text
    assert "* follows from the definition\n" in text
    assert "HiResCAM - Grad-CAM: no overlapping network has a truth." in text


def test_what_went_wrong_is_said_first(run, statistics):
    checks = run.checks.to_pylist()
    checks[0]["passed"] = False
    broken = pa.Table.from_pylist(checks, run.checks.schema)
    inputs = (statistics, run.models.slice(1), broken, run.evaluations, CONFIG)
    first = first_screen.blocks(truths(), *inputs)[0].lines
    assert first[0] == "Run: phantom (simulated); 11 of 12 networks; 16 images explained."
    assert "INCOMPLETE, missing: phantom/resnet_small-flatten/seed0" in first[1]
    assert first[2].startswith("AXIOMS VIOLATED, trust nothing here")


def grouped(run):
    settings = CONFIG | {"additive": []}
    return subgroups.compute(run.scores, run.models, run.evaluations, settings, {})


def write(run, statistics, folder, **changes):
    """Write a report from files, as its job does; return the page and the answer."""
    given = {
        "statistics": (statistics, STATISTICS),
        "subgroups": (grouped(run), SUBGROUPS),
        "models": (run.models, run.models.schema),
        "checks": (run.checks, run.checks.schema),
        "agreement": (agreed(), AGREEMENT),
        "concordance": (CONCORDANCE.empty_table(), CONCORDANCE),
        "validity": (verdicts(), VERDICTS),
        "admission": (ADMISSION.empty_table(), ADMISSION),
        "completeness": (COMPLETENESS.empty_table(), COMPLETENESS),
    } | changes
    files = {"figures": [], "multiverse": [], "part_shapley": [], "cases": []}
    for name, (table, schema) in given.items():
        files[name] = folder / f"{name}.parquet"
        tables.write(files[name], table, schema)
    truth = ("agreement", "concordance", "validity", "admission")
    files["truths"] = [files.pop(name) for name in truth]
    files["provenance"] = folder / "provenance.json"
    put(files["provenance"], json.dumps(synthetic.provenance(CONFIG)))
    page, text = folder / "report.html", folder / "answer.txt"
    captions = folder  # there are no figures
    report.write(SimpleNamespace(**files), run.evaluations, CONFIG, captions, page, text)
    return html.unescape(page.read_text(encoding="utf-8")), text.read_text(encoding="utf-8")


def test_the_page_shows_the_same_and_folds_what_the_answer_said(run, statistics, said, tmp_path):
    page, text = write(run, statistics, tmp_path)
    assert text == f"{said()}\n"
    shown = page[page.index('id="answer"') : page.index("</section>")]
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown)).replace(MINUS, "-")
    for cell in re.split(r"\s{2,}|\n", text.split("What this does")[0]):
        assert all(word in shown for word in cell.split())
    old = answer(statistics, run.models, run.checks, run.evaluations, CONFIG).sentences()
    details = page[page.index('<details id="details">') : page.index('id="truth"')]
    assert all(sentence in details for sentence in old)
    assert not any(sentence in shown for sentence in old)
    groups = page[page.index("HiResCAM - Grad-CAM by groups of images") :]
    assert "A description: groups are small and many" in groups


def test_without_a_truth_the_answer_is_the_old_one(run, statistics, tmp_path):
    nothing = {"agreement": (AGREEMENT.empty_table(), AGREEMENT)}
    page, text = write(run, statistics, tmp_path, **nothing)
    old = answer(statistics, run.models, run.checks, run.evaluations, CONFIG)
    assert text == f"{old.text()}\n"
    assert 'id="truth"' not in page
    assert 'id="details"' not in page
    shown = page[page.index('id="answer"') : page.index("</section>")]
    assert all(sentence in shown for sentence in old.sentences())


def test_of_many_data_sets_there_is_a_sentence_each(run, statistics):
    names = ["phantom", "second", "third"]
    definitions = {name: {"source": "phantom"} for name in names}
    config = synthetic.small(datasets=names, dataset_definitions=definitions)
    actual = Truths(agreed().to_pandas(), pd.DataFrame(), verdicts().to_pandas(), pd.DataFrame())
    inputs = (statistics, run.models, run.checks, run.evaluations, config)
    maps, metrics = first_screen.blocks(actual, *inputs)[1:3]
    assert maps.tables == metrics.tables == []
    assert maps.lines[0].startswith("On phantom, HiResCAM - Grad-CAM where absent cells show")
    assert maps.lines[2] == "second: no network has a truth."
    assert metrics.lines == [
        "phantom: Recommended: AOPC (C at least 0.80 for every estimand).",
        *(f"{name}: no metric was judged." for name in names[1:]),
    ]


def test_judged_concordance_is_told_in_full(tmp_path):
    strengths = {"aopc": 0.9, "grey_aopc": 0.5, "max_sensitivity": -0.2}
    scores, candidates, models = concordant.experiment(
        tmp_path, strengths, ("phantom",), networks=8, images=6
    )
    declared = concordant.declared(("phantom",), tuple(strengths))
    settings = concordant.settings(strengths, ("phantom",))
    concordance, validity = judge(scores, candidates, models, declared, settings)
    inputs = (validity.to_pandas(), concordance.to_pandas(), declared, CONFIG, "phantom")
    board = metric_leaderboard.metrics(*inputs)
    own = [row for row in board.rows if row[0] == "grey_aopc" and row[1] == "grey"]
    assert [row[2] for row in own] == ["its own reference"]
    place = board.rows.index(own[0])
    assert {row for row, _ in board.grey} == {place}
    assert [row[0] for row in board.rows][:2] == ["aopc", "aopc"]
    assert board.strong == {0, 1}
    short = metric_leaderboard.metrics_in_short(validity.to_pandas(), declared, "phantom")
    assert short.rows[0][-1] == "recommended"
    assert short.rows[-1][0] == "max_sensitivity"


def test_networks_that_were_left_out_are_named_with_what_helps(statistics):
    run = synthetic.run(config=CONFIG, excluded=[("vgg_small", "flatten", 1)])
    inputs = (statistics, run.models, run.checks, run.evaluations, CONFIG)
    first = first_screen.blocks(truths(), *inputs)[0].text().replace("\n", " ")
    assert "12 of 12 networks; 16 images" in first
    assert "1 left out (phantom/vgg_small-flatten/seed1: balanced accuracy not above" in first
    assert "What helps where one is not above chance: more test images" in first
