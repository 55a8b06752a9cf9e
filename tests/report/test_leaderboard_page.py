"""The page of leaderboards: both of each data set, over what, and nothing from elsewhere."""

import html
import re

import pytest
import synthetic
from answering import CONFIG, truths

from faithcam.maps.tables import COMPLETENESS
from faithcam.report import leaderboard

SOURCE = {
    "name": "anna <b>",
    "sha256": "ab" * 32,
    "networks": ["phantom/vgg_small-flatten/seed0", "phantom/vgg_small-flatten/seed1"],
    "commit": "c" * 40,
    "uncommitted_changes": "",
    "processor": "EPYC",
    "gpu": "none",
}
MERGED = {"sources": [SOURCE, SOURCE | {"name": "ben", "processor": "Xeon", "sha256": "cd" * 32}]}


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=CONFIG)


def written(folder, run, of=None, **record):
    """Return the page as it is written, and its text."""
    known = synthetic.provenance(CONFIG) | {"made_with": {"torch": ["2.13.0", "2.14.0"]}} | record
    path = folder / "leaderboard.html"
    none = COMPLETENESS.empty_table()
    leaderboard.write(path, of, run.models, run.evaluations, CONFIG, known, "0.1.0", none)
    page = path.read_text(encoding="utf-8")
    return page, html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def test_both_leaderboards_stand_on_the_page(run, tmp_path):
    page, text = written(tmp_path, run, truths())
    assert "Which map is right? phantom, overlapping networks, Spearman" in text
    assert "Which map is right? phantom, patch networks, Spearman" in text
    assert "Which metric finds it? phantom" in text
    assert "Recommended: AOPC (C at least 0.80 for every estimand)" in text
    assert "0.90 / 0.60 +0.30 (+0.25 to +0.35)" in text  # C, floor, and the interval
    assert "no better than blind" in text
    assert "12 networks (resnet_small, vgg_small), 12 in the summaries." in text
    assert "faithcam 0.1.0; torch 2.13.0 and 2.14.0." in text
    assert "That one environment made these numbers: torch 2.13.0 and 2.14.0 did." in text
    assert "Merged from" not in text
    assert len(page) < 60_000


def test_the_page_asks_for_nothing(run, tmp_path):
    page, _ = written(tmp_path, run, truths(), **MERGED)
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)", page)
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "prefers-color-scheme: dark" in page


def test_it_says_what_was_merged_from_whom(run, tmp_path):
    page, text = written(tmp_path, run, truths(), **MERGED)
    assert "anna <b> phantom EPYC cccccccccccc abababababab 2" in text
    assert "ben phantom Xeon cccccccccccc cdcdcdcdcdcd 2" in text
    assert "anna &lt;b&gt;" in page
    assert "That one kind of processor made these numbers: EPYC and Xeon did." in text


def test_without_a_truth_it_says_so(run, tmp_path):
    _, text = written(tmp_path, run)
    assert "No map of this run was compared with a truth, so there are no leaderboards." in text
    assert "Which metric finds it?" not in text
