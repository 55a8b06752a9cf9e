"""Figures and sentences of the controls say what the tables say."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats
import synthetic
import synthetic_validity as made
from PIL import Image

from faithcam.figures import (
    damage_ladder,
    decision,
    dose_response,
    multiverse,
    sham,
    style,
    validity,
)
from faithcam.figures.network_means import network_means, over_units, unit_columns
from faithcam.figures.subject import Subject
from faithcam.metrics.tables import SCORES
from faithcam.models.tables import MODELS
from faithcam.report import control_tables
from faithcam.report.answer import answer
from faithcam.statistics.compare import compute
from faithcam.statistics.tables import STATISTICS
from faithcam.validity import available as judged
from faithcam.validity.tables import VALIDITY
from faithcam.validity.verdicts import OTHER, group, preferred, verdicts

CONFIG = made.config(
    heads=["flatten"], statistics=synthetic.CONFIG["statistics"] | {"resamples": 20}
)
NAMES = ["decision", "sham", "dose_response", "damage_ladder", "multiverse"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All tables of an experiment with controls, and the files that hold them."""
    folder = tmp_path_factory.mktemp("tables")
    run = synthetic.run(config=CONFIG)
    scores = pa.concat_tables([made.dose_response(run), made.damage_ladder(run)])
    actual = {
        "validity": made.validity(),
        "multiverse": made.multiverse(),
        "scores": scores,
        "models": run.models,
        "statistics": compute(made.sham_scores(run.scores), run.models, run.evaluations, CONFIG),
    }
    for name, table in actual.items():
        pa.parquet.write_table(table, folder / f"{name}.parquet")
    files = {name: folder / f"{name}.parquet" for name in actual}
    evaluations = synthetic.evaluations(run.scores, scores, config=CONFIG)
    subject = Subject("phantom", evaluations, CONFIG)
    known = {"run": run, "evaluations": evaluations, "subject": subject}
    return SimpleNamespace(files=SimpleNamespace(**files), **known, **actual)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, to look into them."""
    figures = []
    save = style.Figure.savefig

    def keep(self, *args, **kwargs):
        figures.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(style.Figure, "savefig", keep)
    return figures


def test_all_are_drawn(whole, tmp_path):
    paths = [tmp_path / f"{name}-phantom.png" for name in NAMES]
    validity.draw_all("phantom", whole.files, whole.evaluations, CONFIG, paths)
    for path in paths:
        with Image.open(path) as image:
            assert image.width >= 1500


def test_the_same_tables_give_the_same_bytes(whole, tmp_path):
    for name in ("a.png", "b.png"):
        sham.draw(whole.statistics, whole.subject, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_experiment_without_a_control_has_figures_that_say_so(tmp_path, drawn):
    run = synthetic.run(config=synthetic.small(seeds=[0]))
    nothing = pa.Table.from_pylist([], schema=SCORES)
    statistics = pa.Table.from_pylist([], schema=STATISTICS)
    empty = made.validity(datasets=())
    subject, path = Subject("phantom", run.evaluations, CONFIG), tmp_path / "a.png"
    decision.draw(empty, statistics, subject, path)
    sham.draw(statistics, subject, path)
    dose_response.draw(nothing, run.models, subject, path)
    damage_ladder.draw(nothing, run.models, subject, path)
    multiverse.draw(made.multiverse(()), subject, path)
    assert all(figure.texts[-1].get_text().startswith("no ") for figure in drawn)


def cells(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_decision_shows_each_outcome_as_symbol_and_in_words(whole, tmp_path, drawn):
    decision.draw(whole.validity, whole.statistics, whole.subject, tmp_path / "a.png")
    shown = cells(drawn[0])
    actual = list(verdicts(whole.validity.to_pandas(), CONFIG))
    assert [(v.protocol, v.metric) for v in actual[:3]] == [("strict", m) for m in made.METRICS]
    for outcome in ("pass", "fail", "inconclusive"):
        count = sum(len(verdict.names(outcome)) for verdict in actual)
        assert shown.count(decision.LOOKS[outcome][0]) == count > 0
    assert shown.count("\N{CHECK MARK} valid") == 1
    assert shown.count("\N{BALLOT X} not valid") == 4
    assert "fails: sham" in shown
    assert "open: agreement with part Shapley values, reliability" in shown
    assert {"AOPC, strict", "HAAS, thesis"} <= set(shown)
    row = preferred(whole.statistics, whole.evaluations, CONFIG).loc[
        ("phantom", "strict", "max_sensitivity")
    ]
    assert row["estimate"] > 0  # lower is more stable
    assert f"{row['estimate']:+#.2g}" in shown


def test_a_failure_that_may_be_chance_is_named_beside_the_verdict(whole, tmp_path, drawn):
    chance = "sham failed, but one of 3 may by chance"
    rows = whole.validity.to_pylist()
    for row in rows:
        if row["control"] == "verdict" and row["outcome"] == "not valid":
            row |= {"outcome": "inconclusive", "reason": chance}
    table = pa.Table.from_pylist(rows, schema=VALIDITY)
    failed = [v for v in verdicts(table.to_pandas(), CONFIG) if v.names("fail")]
    decision.draw(table, whole.statistics, whole.subject, tmp_path / "a.png")
    assert cells(drawn[0]).count(chance) == len(failed) > 0
    text = answer(
        whole.statistics, whole.models, whole.run.checks, whole.evaluations, CONFIG, table
    ).text()
    assert f"evidence of faithfulness stays open ({chance})" in text


def test_decision_of_all_has_a_block_for_each_data_set(whole, tmp_path, drawn):
    both = made.validity(("phantom", "other"))
    decision.draw(
        both, whole.statistics, Subject("all", whole.evaluations, CONFIG), tmp_path / "a.png"
    )
    shown = cells(drawn[0])
    assert {"phantom", "other"} <= set(shown)
    assert shown.count("AOPC, strict") == 3
    assert shown.index("all together") < shown.index("phantom")
    assert shown.count("not valid on shortcut, other") == 6


def test_outcomes_differ_without_colour():
    assert len({look[0] for look in decision.LOOKS.values()}) == len(decision.LOOKS)


def test_sham_counts_the_units_of_its_intervals_not_of_other_rows(whole, tmp_path, drawn):
    rows = whole.statistics.to_pandas()
    means = rows[(rows["level"] == "model") & (rows["effect_name"] == "Cohen dz")]
    others = pd.concat([rows, means.assign(effect_name="mixed model", n=99)])
    more = pa.Table.from_pandas(others, STATISTICS, preserve_index=False)
    sham.draw(more, whole.subject, tmp_path / "a.png")
    shown = {text.get_text() for ax in drawn[0].axes for text in ax.texts}
    assert {f"n = {n}" for n in means["n"]} >= {text for text in shown if text.startswith("n = ")}


def test_sham_turns_every_difference_so_that_right_is_better(whole, tmp_path, drawn):
    sham.draw(whole.statistics, whole.subject, tmp_path / "a.png")
    ax = next(a for a in drawn[0].axes if a.get_title(loc="left") == "Max-Sensitivity, strict")
    diamonds = [x for line in ax.lines if line.get_marker() == "D" for x in line.get_xdata()]
    frame = whole.statistics.to_pandas()
    frame = frame[frame["effect_name"].eq("Cohen dz") & frame["architecture"].eq("all")]
    frame = frame[frame["metric"].eq("max_sensitivity") & frame["protocol"].eq("strict")]
    frame = frame[frame["setting"].str.contains("relative") & frame["head"].eq("flatten")]
    value = frame.set_index(["method_a", "method_b"])["estimate"]
    expected = [
        -value["hirescam", "gradcam"], -value["hirescam", "sham"], -value["sham", "gradcam"]
    ]  # fmt: skip
    assert diamonds == pytest.approx(expected)
    assert diamonds[2] == pytest.approx(diamonds[0] - diamonds[1])
    assert diamonds[2] > 0  # the sham is more stable than Grad-CAM
    intervals = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 1.4]
    assert len(intervals) == 3
    for ends, mean in zip(intervals, diamonds, strict=True):
        assert sum(ends) / 2 == pytest.approx(mean)


def test_dose_response_is_the_mean_over_networks(whole, tmp_path, drawn):
    scores = made.dose_response(whole.run)
    dose_response.draw(scores, whole.models, whole.subject, tmp_path / "a.png")
    first, ax = drawn[0].axes[:2]
    assert first.get_title(loc="left") == "Feature-space AOPC"
    line = next(x for x in ax.lines if x.get_label().startswith("HiResCAM"))
    frame = scores.to_pandas()
    frame = frame[frame["correct"] & (frame["setting"] == "metric=aopc;t=1.0")]
    wide = frame.pivot_table(
        index=["architecture", "seed"], columns="method", values="value", aggfunc="mean"
    )
    assert line.get_ydata()[-1] == pytest.approx((wide["hirescam"] - wide["gradcam"]).mean())
    assert line.get_ydata()[0] == pytest.approx(0, abs=1e-9)
    assert (np.diff(line.get_xdata()) > 0).all()


def test_bands_are_over_seeds_where_each_draws_its_own_images():
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(
        [
            {"dataset": "phantom", "architecture": name, "head": "flatten", "seed": seed}
            | {"t": "1.0", "draw": draw, "change": rng.normal(), "dose": 0.5}
            for name in ("a", "b", "c") for seed in range(4) for draw in range(2)
        ]
    )  # fmt: skip
    rows = rows[(rows["architecture"] != "c") | (rows["seed"] == 0)]
    seeds = [
        part.groupby("architecture")["change"].mean().mean() for _, part in rows.groupby("seed")
    ]
    nested = unit_columns(nested=True)
    (point,) = over_units(rows, ["t"], ["change", "dose"], nested, 0.9).to_dict("records")
    low, high = scipy.stats.t.interval(0.9, 3, np.mean(seeds), scipy.stats.sem(seeds))
    assert point["n"] == 4
    assert (point["change"], point["dose"]) == pytest.approx((np.mean(seeds), 0.5))
    assert (point["low"], point["high"]) == pytest.approx((low, high))
    crossed = over_units(rows, ["t"], ["change"], unit_columns(nested=False), 0.9)
    assert crossed["n"].item() == 9
    means = rows.groupby(["architecture", "seed"])["change"].mean()
    assert crossed["change"].item() == pytest.approx(means.mean())


def test_ladders_start_at_zero_and_fall(whole, tmp_path, drawn):
    damage_ladder.draw(
        made.damage_ladder(whole.run), whole.models, whole.subject, tmp_path / "a.png"
    )
    for ax in drawn[0].axes:
        lines = [line for line in ax.lines if line.get_label() in
                 {label for label, *_ in damage_ladder.LADDERS.values()}]  # fmt: skip
        assert len(lines) == 3
        for line in lines:
            x, y = (np.asarray(part, float) for part in line.get_data())
            assert (x[0], y[0]) == (0, 0)
            assert (np.diff(x) > 0).all()
            assert y[-1] < 0, ax.get_title(loc="left")


def test_network_means_leave_out_what_the_statistics_leave_out(whole):
    models = whole.models.to_pylist()
    for row in models:
        row["included"] = row["seed"] > 0
    table = pa.Table.from_pylist(models, schema=MODELS)
    means = network_means(made.dose_response(whole.run).to_pandas(), table)
    assert set(means["seed"]) == {1, 2}
    rows = made.dose_response(whole.run).to_pandas()
    rows = rows[(rows["setting"] == "metric=haas;t=0.5") & (rows["seed"] == 1)]
    rows = rows[(rows["architecture"] == "vgg_small") & (rows["method"] == "sham")]
    chosen = means[(means["architecture"] == "vgg_small") & (means["seed"] == 1)]
    chosen = chosen[(chosen["metric"] == "haas") & (chosen["t"] == "0.5")]
    assert chosen["sham"].item() == pytest.approx(rows["value"].mean())  # wrong ones, too


def test_multiverse_is_sorted_and_counts_wins(whole, tmp_path, drawn):
    multiverse.draw(whole.multiverse, whole.subject, tmp_path / "a.png")
    frame = whole.multiverse.to_pandas()
    wins = (frame["outcome"] == "win").sum()
    assert (
        f"HiResCAM wins in {wins} of {len(frame)} specifications" in drawn[0]._suptitle.get_text()
    )
    below = drawn[0].axes[1]
    labels = [text.get_text() for text in below.get_yticklabels()]
    assert {"imputer: blur", "grid: native", "view: scaled"} <= set(labels)
    squares = {
        labels[int(part.get_offsets()[0, 1])]: set(part.get_offsets()[:, 0].astype(int))
        for part in below.collections
    }
    ranked = frame.sort_values(["estimate", "specification"])["specification"].tolist()
    expected = {i for i, text in enumerate(ranked) if "imputer=blur" in text}
    assert squares["imputer: blur"] == expected


def test_the_answer_gives_verdict_preference_and_evidence(whole):
    given = (whole.statistics, whole.models, whole.run.checks, whole.evaluations, CONFIG)
    text = answer(*given, whole.validity, whole.multiverse).text()
    assert text.isascii()
    assert "nan" not in text
    assert (
        "Validity on phantom, strict protocol: AOPC is valid (no control failed, all required "
        "ones passed); Max-Sensitivity is not valid (a control failed); HAAS is undecided."
    ) in text
    row = preferred(whole.statistics, whole.evaluations, CONFIG).loc[("phantom", "strict", "aopc")]
    assert f"AOPC prefers HiResCAM by {row['estimate']:#.3g} (interval" in text
    assert "this is evidence of faithfulness" in text
    assert (
        "it fails sham (sham not over gradcam, predicted: the sham is not better than Grad-CAM"
        in text
    )
    assert "its preferences are no evidence of faithfulness" in text
    assert "AOPC prefers HiResCAM in 43 of 96 specifications" in text
    assert "No control with a known true explanation was run" not in text


def test_all_data_sets_together_stand_first_and_say_where(whole):
    given = (whole.statistics, whole.models, whole.run.checks, whole.evaluations, CONFIG)
    actual = answer(*given, made.validity(("phantom", "other"))).sentences()
    assert actual[1].startswith("Validity on all data sets together, strict protocol: AOPC, Max-")
    assert actual[2] == "AOPC: not valid on shortcut, other."
    one = answer(*given, whole.validity).sentences()
    assert not any("all data sets together" in text for text in one)


def test_the_answer_without_controls_is_as_it_was(whole):
    given = (whole.statistics, whole.models, whole.run.checks, whole.evaluations, CONFIG)
    without = answer(*given).sentences()
    assert not any("Validity" in text or "Multiverse" in text for text in without)
    assert any("No control with a known true explanation was run" in text for text in without)
    assert not any(text.startswith("There is no comparison") for text in without)


def test_tables_hold_predicted_and_observed_of_every_control(whole):
    frame = whole.validity.to_pandas()
    table = control_tables.control_table(frame, whole.evaluations)
    assert len(table.rows) == (frame["control"] != "verdict").sum()
    assert "not valid on shortcut" not in str(table.rows)
    columns = [*table.words, *table.numbers]
    row = dict(zip(columns, table.rows[0], strict=True))
    assert row["predicted"] == "HiResCAM is better than its sham"
    assert row["outcome"] == "\N{CHECK MARK} pass"
    assert row["group"] == "sham"
    actual = control_tables.verdict_table(frame, whole.statistics, whole.evaluations, CONFIG)
    outcomes = {tuple(row[1:3]): row[3] for row in actual.rows}
    assert outcomes["strict", "AOPC"] == "\N{CHECK MARK} valid"
    assert outcomes["strict", "Max-Sensitivity"] == "\N{BALLOT X} not valid"
    assert [row[7] for row in actual.rows[:2]] == ["9 of 9", "5 of 7"]
    shares = control_tables.multiverse_table(whole.multiverse.to_pandas(), whole.evaluations)
    wins = int((whole.multiverse.to_pandas()["outcome"] == "win").sum())
    assert shares.rows == [["phantom", "AOPC", "96", str(wins), f"{100 * wins / 96:.3g} %",
                            str(96 - wins - 28), "28"]]  # fmt: skip


def test_every_control_of_the_table_has_a_group():
    assert {name for name in made.CONTROLS if group(name) == OTHER} == {"preference"}
    assert group("something_new") == OTHER


def test_a_group_says_what_its_worst_control_says(whole):
    frame = whole.validity.to_pandas()
    strict = frame[(frame["protocol"] == "strict") & (frame["metric"] == "aopc")]
    worse = strict.assign(
        outcome=strict["outcome"].where(strict["control"] != "random", "inconclusive")
    )
    (verdict,) = verdicts(pd.DataFrame(worse), CONFIG)
    assert verdict.groups["wrong maps"] == "inconclusive"
    assert verdict.groups["sham"] == "pass"


def test_all_together_say_the_worst_but_not_of_data_sets_that_are_controls():
    table = made.validity(("phantom", "other", "untrained")).to_pandas()
    known = (table["protocol"] == "strict") & (table["metric"] == "aopc")
    for dataset, control in (("other", "dose"), ("untrained", "sham")):
        row = known & (table["dataset"] == dataset) & (table["control"] == control)
        table.loc[row, "outcome"] = "fail"
    data = CONFIG["data"] | {"untrained": {"control": True}}
    first = next(verdicts(table, CONFIG | {"data": data}))
    assert (first.dataset, first.protocol, first.metric) == ("all", "strict", "aopc")
    assert first.groups["dose-response"] == "fail"
    assert first.groups["sham"] == "pass"


def test_figures_of_metrics_are_planned_where_they_are_computed():
    none = ["examples", "completeness", "scoreboard"]
    assert judged.metric_figures(["similarity"]) == none
    actual = judged.metric_figures(["haas", "similarity", "aopc"])
    assert actual == [*none[:2], "paired_differences", "haas", "aopc_curves", "scoreboard"]


def test_figures_are_planned_only_where_their_controls_are():
    config = made.config()
    assert judged.figures(synthetic.small(), "phantom") == []
    assert judged.figures(config, "phantom") == ["decision", *judged.OF_METRICS]
    assert judged.figures(config | {"controls": ["sham"]}, "phantom")[:2] == ["decision", "sham"]
    own = {"phantom": {"source": "phantom", "metrics": ["aopc", "multiverse"]}}
    config = config | {"dataset_definitions": own}
    assert judged.figures(config, "phantom") == ["decision", "multiverse"]
