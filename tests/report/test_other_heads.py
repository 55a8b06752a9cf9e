"""Networks with head other: a group of their own, and words about what is not proven."""

from dataclasses import replace

import agreeing
import concordant
import pandas as pd
import pyarrow as pa
import pytest
import synthetic
from answering import CONFIG, MAPS, OVERLAPPING, truths

from faithcam.figures import style
from faithcam.figures.agreements import Agreements
from faithcam.figures.subject import Subject
from faithcam.maps.tables import COMPLETENESS
from faithcam.report import basis_sentences, comparison_sentences, first_screen, map_leaderboard
from faithcam.report import network_tables as networks_of
from faithcam.report.answer import answer
from faithcam.statistics import agreement
from faithcam.statistics.compare import compute
from faithcam.validity import judgement

MINE = [("mymodels_build", seed, 0.02 * seed) for seed in range(2)]


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=CONFIG)


def completeness(**sums):
    """Maps of three images with the scores 1, 2 and -4; their sums are a factor of these."""
    rows = [
        {"dataset": "phantom", "architecture": "mymodels_build", "head": "other", "seed": 0}
        | {"method": method, "image_id": image, "class": 0}
        | {"map_sum": score * (1 + miss * (image + 1)), "score_minus_bias": score}
        for method, miss in sums.items()
        for image, score in enumerate((1.0, 2.0, -4.0))
    ]
    return pa.Table.from_pylist(rows, COMPLETENESS)


def both(head="other", **changes):
    tables = [
        agreeing.statistics(OVERLAPPING, MAPS, **changes),
        agreeing.statistics(MINE, MAPS, head=head, **changes),
    ]
    return pa.concat_tables(tables)


def test_by_how_much_maps_miss_the_score_is_the_median_over_them():
    said = basis_sentences.incomplete(completeness(hirescam=0.1, gradcam=-0.4))
    assert said == (
        "That maps add up to the score of mymodels_build-other: with a head other than Flatten or "
        "GAP and one linear layer completeness is not proven, but measured. Their sums miss it, "
        "median over all maps: "
        "HiResCAM's by 20 % and Grad-CAM's by 80 %."
    )
    assert basis_sentences.incomplete(completeness(sobel=0.1)).endswith(
        "is not proven, but measured."
    )
    assert basis_sentences.incomplete(None) == ""
    assert basis_sentences.incomplete(COMPLETENESS.empty_table()) == ""


def test_the_page_has_a_row_for_each_network_and_map():
    table = networks_of.completeness(completeness(hirescam=0.1, gradcam=-0.4))
    assert [list(map(str, row)) for row in table.rows] == [
        ["phantom/mymodels_build-other/seed0", "Grad-CAM", "3", "80 %"],
        ["phantom/mymodels_build-other/seed0", "HiResCAM", "3", "20 %"],
    ]


def test_they_are_compared_with_the_truth_in_a_group_of_their_own():
    rows = agreement.compute(both(), agreeing.settings()).to_pandas()
    pair = rows.query("method_a == 'hirescam' and method_b == 'gradcam'")
    counts = pair.groupby("networks")["n"].max()
    assert counts.to_dict() == {"overlapping": 3, "other heads": 2}
    assert not rows.loc[rows["networks"] == "other heads", "law"].any()
    alone = agreement.compute(both("gap"), agreeing.settings()).to_pandas()
    assert set(alone["networks"]) == {"overlapping"}


@pytest.mark.parametrize("mixed", [True, False])
def test_the_first_screen_says_which_heads_it_is_about(run, mixed):
    rows = both() if mixed else agreeing.statistics(MINE, MAPS, head="other")
    agreed = agreement.compute(rows, agreeing.settings())
    inputs = (compute(run.scores, run.models, run.evaluations, CONFIG), run.models, run.checks)
    missed = completeness(hirescam=0.1)
    blocks = first_screen.blocks(truths(agreement=agreed), *inputs, run.evaluations, CONFIG, missed)
    text = first_screen.text(blocks).replace("\n", " ")
    assert "n = 2 networks with head other" in text
    assert ("n = 3 overlapping networks" in text) == mixed
    assert "On networks with head other of phantom, HiResCAM - Grad-CAM where" in text
    assert ("On phantom, HiResCAM - Grad-CAM where" in text) == mixed
    assert "no overlapping network has a truth" not in text
    assert "completeness is not proven, but measured. Their" in text
    titles = [table.title for table in map_leaderboard.boards(agreed.to_pandas(), CONFIG)]
    assert any("networks with head other" in title for title in titles)


def test_the_answer_without_a_truth_says_it_too(run):
    rows = compute(run.scores, run.models, run.evaluations, CONFIG)
    inputs = (rows, run.models, run.checks, run.evaluations, CONFIG)
    text = answer(*inputs, None, completeness(hirescam=0.1)).text()
    assert "Not shown: that maps add up to the score of mymodels_build-other: with a head" in text
    assert "add up to the score of" not in answer(*inputs).text()
    nothing = {**CONFIG, "heads": ["other"]}
    said = comparison_sentences._why_nothing(run.evaluations, {**nothing, "metrics": ["aopc"]})
    assert said.startswith("no Flatten head was run; the tables have what metrics say of networks")


def test_metrics_are_judged_on_all_networks_whose_maps_differ(run):
    models = run.models.to_pandas()
    other = models.assign(head="other", architecture="mymodels_build")
    table = pa.Table.from_pandas(pd.concat([models, other]), run.models.schema)
    asked = declared(("vgg_small", "flatten"), ("mymodels_build", "other"))
    heads = {row["head"] for row in judgement._judged_networks(table, asked)}
    assert heads == {"flatten", "other"}


def test_gap_heads_are_judged_where_they_are_no_twins(run):
    models = run.models.to_pandas()
    mine = models.head(1).assign(head="gap", architecture="mymodels_build")
    other = mine.assign(head="other", architecture="another_build")
    assert {*models["head"]} == {"flatten", "gap"}
    table = pa.Table.from_pandas(pd.concat([models, mine, other]), run.models.schema)
    names = [("vgg_small", "flatten"), ("mymodels_build", "gap"), ("another_build", "other")]
    judged = judgement._judged_networks(table, declared(*names))
    assert {(row["architecture"], row["head"]) for row in judged} == {*names}


def declared(*networks):
    """What is declared where these networks are asked for the truth."""
    (row,) = (r for r in concordant.declared(["phantom"]) if r.setting == concordant.truth("grey"))
    return [replace(row, architecture=name, head=head) for name, head in networks]


def test_networks_without_a_law_are_not_called_unchecked(run):
    models = run.models.to_pandas()
    mine = models.head(1).assign(head="other", architecture="mymodels_build")
    table = pa.Table.from_pandas(pd.concat([models, mine]), run.models.schema)
    assert "not checked" not in basis_sentences.axioms(table, run.checks)
    mine = mine.assign(head="flatten")
    table = pa.Table.from_pandas(pd.concat([models, mine]), run.models.schema)
    assert "not checked: phantom/mymodels_build" in basis_sentences.axioms(table, run.checks)


def test_figures_take_the_head_whose_maps_differ(run):
    frame = pd.DataFrame({"head": ["gap", "other"]})
    assert style.one_head(frame) == "other"
    assert style.one_head(pd.DataFrame({"head": ["other", "flatten"]})) == "flatten"
    assert style.one_head(pd.DataFrame({"head": []})) == "flatten"
    kinds = {name: {"additive": False} for name in ("vgg_small", "mymodels_build")}
    chosen = {**CONFIG, "networks": kinds}
    rows = both()
    subject = Subject("phantom", run.evaluations, chosen)
    agreements = Agreements(agreement.compute(rows, agreeing.settings()), rows, subject)
    assert agreements.kinds == ["overlapping", "other heads"]
    rows = both("gap")  # of one's own: no twins
    agreements = Agreements(agreement.compute(rows, agreeing.settings()), rows, subject)
    assert {*agreements.networks["head"]} == {"flatten", "gap"}
    assert agreements.title("overlapping") == "overlapping networks, n = 5"
