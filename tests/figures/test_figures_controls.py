"""Figures and sentences of the controls say what the tables say."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.stats
import synthetic
import synthetic_controls as made
from PIL import Image

from faithcam.experiment import figures
from faithcam.figures import controls, damage_ladder, dose_response, multiverse, sham, style
from faithcam.figures.network_means import network_means, over_units, unit_columns
from faithcam.figures.subject import Subject
from faithcam.metrics.tables import SCORES
from faithcam.models.tables import MODELS
from faithcam.report import control_tables
from faithcam.report.answer import answer
from faithcam.results import io as tables
from faithcam.statistics.compare import compute
from faithcam.statistics.tables import STATISTICS

CONFIG = made.config(
    heads=["flatten"], statistics=synthetic.CONFIG["statistics"] | {"resamples": 20}
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All tables of an experiment with controls, and the files that hold them."""
    folder = tmp_path_factory.mktemp("tables")
    run = synthetic.run(config=CONFIG)
    scores = pa.concat_tables([made.dose_response(run), made.damage_ladder(run)])
    actual = {
        "multiverse": made.multiverse(),
        "scores": scores,
        "models": run.models,
        "statistics": compute(made.sham_scores(run.scores), run.models, run.evaluations, CONFIG),
    }
    for name, table in actual.items():
        tables.write(folder / f"{name}.parquet", table, table.schema)
    files = {name: folder / f"{name}.parquet" for name in actual}
    files["multiverse"] = [files["multiverse"]]
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
    paths = [tmp_path / f"{name}-phantom.png" for name in figures.OF_CONTROLS]
    controls.draw_all("phantom", whole.files, whole.evaluations, CONFIG, paths)
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
    subject, path = Subject("phantom", run.evaluations, CONFIG), tmp_path / "a.png"
    sham.draw(statistics, subject, path)
    dose_response.draw(nothing, run.models, subject, path)
    damage_ladder.draw(nothing, run.models, subject, path)
    multiverse.draw(made.multiverse(()), subject, path)
    assert all(figure.texts[-1].get_text().startswith("no ") for figure in drawn)


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


def test_the_answer_counts_specifications_where_there_are_any(whole):
    given = (whole.statistics, whole.models, whole.run.checks, whole.evaluations, CONFIG)
    without, text = answer(*given).text(), answer(*given, whole.multiverse).text()
    assert text.isascii()
    assert "Multiverse" not in without
    counts = "AOPC prefers HiResCAM in 43 of 96 specifications, Grad-CAM in 28."
    sentence = f" Multiverse (all declared ways to compute a metric): {counts}"
    assert text.replace(sentence, "") == without
    assert sentence in text


def test_the_table_counts_specifications(whole):
    frame = whole.multiverse.to_pandas()
    shares = control_tables.multiverse_table(frame, whole.evaluations)
    wins = int((frame["outcome"] == "win").sum())
    assert shares.rows == [["phantom", "AOPC", "96", str(wins), f"{100 * wins / 96:.3g} %",
                            str(96 - wins - 28), "28"]]  # fmt: skip


def test_figures_of_metrics_are_planned_where_they_are_computed():
    none = ["examples", "completeness", "scoreboard"]
    assert figures.of_metrics(["similarity"]) == none
    actual = figures.of_metrics(["haas", "similarity", "aopc"])
    assert actual == [*none[:2], "paired_differences", "haas", "aopc_curves", "scoreboard"]


def test_figures_are_planned_only_where_their_controls_are():
    config = made.config()
    assert figures.of_controls(synthetic.small(), "phantom") == []
    assert figures.of_controls(config, "phantom") == [*figures.OF_METRICS]
    assert figures.of_controls(config | {"controls": ["sham"]}, "phantom")[:1] == ["sham"]
    own = {"phantom": {"source": "phantom", "metrics": ["aopc", "multiverse"]}}
    config = config | {"dataset_definitions": own}
    assert figures.of_controls(config, "phantom") == ["multiverse"]
