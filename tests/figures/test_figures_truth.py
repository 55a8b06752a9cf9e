"""Figures of agreement and concordance with the truth show what the tables say."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import agreeing
import concordant
import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from PIL import Image

from faithcam.experiment import config as experiment
from faithcam.experiment import figures
from faithcam.experiment.evaluations import Plan
from faithcam.figures import (
    agreement_cost,
    concordance_by_gap,
    concordance_cost,
    concordance_matrix,
    map_leaderboard,
    metric_leaderboard,
    overlap,
    style,
    truth,
    truth_examples,
)
from faithcam.figures.subject import Subject
from faithcam.maps.tables import MAPS
from faithcam.results import io as tables
from faithcam.statistics import agreement
from faithcam.statistics.tables import AGREEMENT, STATISTICS
from faithcam.truth.tables import TRUTH
from faithcam.validity.judgement import judge
from faithcam.validity.tables import CONCORDANCE, VERDICTS, gap_columns

ROOT = Path(__file__).parents[2]
STRENGTHS = {"aopc": 2, "grey_aopc": 1, "haas": 0, "max_sensitivity": (None, 2)}
NETWORKS = [("vgg_small", 0, -0.01), ("vgg_small", 1, 0.0), ("resnet_small", 0, 0.04)]
PATCHES = [("patch_small", 0, 0.1), ("patch_small", 1, 0.1)]
ESTIMANDS = [*agreeing.ESTIMANDS]
SIMPLE = dict.fromkeys(("hirescam", "layercam", "sham"), 1.0)
CHEAP = SIMPLE | {"sobel": 0.0, "occlusion_grey": 65.0, "occlusion_background": 641.0}
FACTS = {
    "vgg_small": {
        "additive": False,
        "passes": CHEAP | {"gradcam": 1.0},
        "truth": 5000.0,
        "field": 43,
    },
    "resnet_small": {
        "additive": False,
        "passes": CHEAP | {"gradcam": 4.0},
        "truth": 8000.0,
        "field": 47,
    },
    "patch_small": {
        "additive": True,
        "passes": CHEAP | {"gradcam": 3.0},
        "truth": 100.0,
        "field": 8,
    },
}
PRIMARY = ["aopc", "haas", "max_sensitivity"]
PASSES = {"aopc": 120.0, "grey_aopc": 24.0, "haas": 12.0, "max_sensitivity": 60.0}


class Judged:
    """An experiment whose metrics are judged, and its subject."""

    def __init__(self, folder):
        self.evaluations = concordant.declared(["real"])
        rows = [replace(row, passes=PASSES.get(row.metric, 0.0)) for row in self.evaluations]
        self.evaluations._rows = rows
        settings = concordant.settings(PRIMARY)
        run = concordant.experiment(folder, STRENGTHS, networks=8, images=6)
        self.concordance, self.verdicts = judge(*run, self.evaluations, settings)
        self.frame = self.concordance.to_pandas()
        named = {"methods": ["hirescam"], "truth": {"estimands": ESTIMANDS}}
        settings |= named | {"networks": FACTS}
        self.subject = Subject("real", self.evaluations, settings)

    def of(self, metric, family, estimand, column="concordance"):
        rows = self.frame[(self.frame["metric"] == metric) & (self.frame["family"] == family)]
        return rows[rows["estimand"] == estimand][column].to_numpy()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return Judged(tmp_path_factory.mktemp("judged"))


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, to look into them."""
    kept, save = [], style.Figure.savefig

    def keep(self, *args, **kwargs):
        kept.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(style.Figure, "savefig", keep)
    return kept


def marks(ax, marker="D"):
    """Return the points (x, y) with a marker."""
    lines = [line for line in ax.lines if line.get_marker() == marker]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def named(ax):
    """Return what stands at the vertical axis."""
    return [text.get_text() for text in ax.get_yticklabels()]


def agreed(networks=NETWORKS + PATCHES):
    """Return rows of ``AGREEMENT`` and of ``STATISTICS``."""
    rows = agreeing.statistics(networks, dataset="real")
    return agreement.compute(rows, agreeing.settings(dataset="real")), rows


def draw_all(whole, folder, concordance, verdicts, of_maps, statistics):
    files = {"concordance": (concordance, CONCORDANCE), "validity": (verdicts, VERDICTS)}
    files |= {"agreement": (of_maps, AGREEMENT), "statistics": (statistics, STATISTICS)}
    for name, (table, schema) in files.items():
        tables.write(folder / f"{name}.parquet", table, schema)
    paths = SimpleNamespace(**{name: folder / f"{name}.parquet" for name in files})
    drawn = [folder / f"{name}-real.png" for name in figures.OF_TRUTH]
    truth.draw_all("real", paths, whole.evaluations, whole.subject.settings, drawn)
    return drawn


def test_the_same_tables_give_the_same_bytes(whole, tmp_path):
    given = (whole.concordance, whole.verdicts, *agreed())
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, again = (draw_all(whole, tmp_path / name, *given) for name in ("a", "b"))
    for one, other in zip(first, again, strict=True):
        with Image.open(one) as image:
            assert image.width >= 1000
        assert one.read_bytes() == other.read_bytes()


def test_without_rows_every_figure_says_so(whole, tmp_path, drawn):
    schemas = (CONCORDANCE, VERDICTS, AGREEMENT, STATISTICS)
    draw_all(whole, tmp_path, *(schema.empty_table() for schema in schemas))
    said = [figure.texts[-1].get_text() for figure in drawn]
    assert len(said) == len(figures.OF_TRUTH)
    assert all(text.startswith("no ") for text in said)


def test_maps_stand_where_their_agreement_is(whole, tmp_path, drawn):
    of_maps, statistics = agreed()
    map_leaderboard.draw(of_maps, statistics, whole.subject, tmp_path / "a.png")
    axes = drawn[0].axes
    assert [ax.get_title(loc="left") for ax in axes] == ["training images", "grey"] * 2
    assert axes[0].get_ylabel() == "overlapping networks, n = 3"
    assert axes[2].get_ylabel() == "patch networks, n = 2"
    assert named(axes[0]) == [  # the nearest to the first truth first
        "HiResCAM", "LayerCAM", "Grad-CAM", "Occlusion, training images", "Occlusion, grey",
        "truth of other images", "sham HiResCAM", "Sobel edges",
    ]  # fmt: skip
    bold = [text.get_text() for text in axes[0].get_yticklabels() if text.get_weight() == "bold"]
    assert bold == ["HiResCAM"]
    means = of_maps.to_pandas().query("method_b == ''")
    for ax, (kind, estimand) in zip(
        axes, product(("overlapping", "patches"), ESTIMANDS), strict=True
    ):
        rows = means[(means["networks"] == kind) & (means["estimand"] == estimand)]
        assert {x for x, _ in marks(ax)} == set(rows["estimate"])
        laws = {
            x
            for line in ax.lines
            if line.get_markerfacecolor() == "white"
            for x in line.get_xdata()
        }
        assert laws == set(rows.loc[rows["law"], "estimate"])
        ends = {tuple(line.get_xdata()) for line in ax.lines if line.get_marker() == "None"}
        assert ends >= set(zip(rows["low"], rows["high"], strict=True))
    dots = {tuple(line.get_xdata()) for line in axes[0].lines if line.get_marker() == "o"}
    assert (0.74, 0.69, 0.7) in {tuple(np.round(values, 9)) for values in dots}  # LayerCAM's
    assert len(dots) == 8


def test_maps_stand_over_their_passes(whole, tmp_path, drawn):
    of_maps, statistics = agreed()
    agreement_cost.draw(of_maps, statistics, whole.subject, tmp_path / "a.png")
    means = of_maps.to_pandas().query("method_b == '' and estimand == 'background'")
    for ax, kind, gradcam, truths in zip(
        drawn[0].axes, ("overlapping", "patches"), (2, 3), (6000, 100), strict=True
    ):
        known = means[means["networks"] == kind].set_index("method_a")["estimate"]
        passes = CHEAP | {"gradcam": gradcam}
        points = {
            (line.get_xdata()[0], line.get_ydata()[0])
            for line in ax.lines
            if line.get_marker() != "None"
        }
        assert points == {(passes[method], known[method]) for method in passes}
        assert any(list(line.get_xdata()) == [truths] * 2 for line in ax.lines)
        names = [text.get_text() for text in ax.texts]
        assert {"HiResCAM", "Occlusion, grey"} <= {*names}
        assert "truth of other images" not in names


def test_differences_stand_over_receptive_fields(whole, tmp_path, drawn):
    _, statistics = agreed()
    overlap.draw(statistics, whole.concordance, whole.subject, tmp_path / "a.png")
    leads, *metrics = drawn[0].axes
    ticks = [text.get_text().split() for text in leads.get_xticklabels()]
    assert ticks == [["8", "patch_small"], ["43", "vgg_small"], ["47", "resnet_small"]]
    shifts = {"patch_small": 0.1, "vgg_small": -0.005, "resnet_small": 0.04}
    expected = [0.2 + shifts[name] for _, name in ticks]
    lines = {line.get_marker(): line.get_ydata() for line in leads.lines}
    assert list(lines["o"]) == pytest.approx(expected)
    assert list(lines["s"]) == pytest.approx(expected)  # both truths: .1 less for each map
    for ax, family in zip(metrics, ("damaged", "methods"), strict=True):
        lines = {line.get_marker(): line.get_ydata() for line in ax.lines}
        c = whole.of("aopc", family, "background").mean()
        assert np.nanmean(lines["o"]) == pytest.approx(c)


def test_metrics_stand_where_their_concordance_is(whole, tmp_path, drawn):
    path = tmp_path / "a.png"
    metric_leaderboard.draw(whole.concordance, whole.verdicts, whole.subject, path)
    axes = [ax for ax in drawn[0].axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in axes] == [
        f"{name}: {family}"
        for name in ("training images", "grey")
        for family in ("damaged truths", "maps and controls")
    ]
    assert named(axes[0]) == ["aopc", "haas", "max_sensitivity", "grey_aopc"]
    weights = [text.get_weight() for text in axes[0].get_yticklabels()]
    assert weights == ["bold"] * 3 + ["normal"]
    keys = [(f, e) for e in ESTIMANDS for f in ("damaged", "methods")]
    for ax, key in zip(axes, keys, strict=True):
        asked = [m for m in (*PRIMARY, "grey_aopc") if len(whole.of(m, *key))]
        expected = [whole.of(metric, *key).mean() for metric in asked]
        assert [x for x, _ in marks(ax)] == pytest.approx(expected)
        floor = whole.of("aopc", *key, "floor").mean()
        assert any(list(line.get_xdata()) == pytest.approx([floor] * 2) for line in ax.lines)
    verdicts = whole.verdicts.to_pandas().set_index(["estimand", "metric"])["word"]
    for ax, estimand in ((axes[1], "background"), (axes[3], "grey")):
        said = [text.get_text().replace(" \N{BLACK STAR}", "") for text in ax.texts]
        assert said == [verdicts[estimand, metric] for metric in PRIMARY]
    assert not axes[0].texts
    assert any("\N{BLACK STAR}" in text.get_text() for text in axes[1].texts)


def test_own_references_are_grey_and_have_their_number(whole, tmp_path, drawn):
    concordance_matrix.draw(whole.concordance, whole.subject, tmp_path / "a.png")
    damaged, methods = drawn[0].axes[:2]
    names = [text.get_text() for text in methods.get_xticklabels()]
    assert names == ["aopc, noise", "grey_aopc, grey"]
    assert named(damaged) == ["training images", "grey"]
    grey = tuple(int(concordance_matrix.OWN[i : i + 2], 16) / 255 for i in (1, 3, 5))
    for ax, family in ((damaged, "damaged"), (methods, "methods")):
        colours = ax.images[0].get_array()
        for row, estimand in enumerate(ESTIMANDS):
            for column, metric in enumerate(("aopc", "grey_aopc")):
                own = (estimand, metric) == ("grey", "grey_aopc")
                c = whole.of(metric, family, estimand).mean()
                (text,) = [t.get_text() for t in ax.texts if t.get_position() == (column, row)]
                assert text.startswith(f"{c:.2f}".replace("0.", "."))
                assert (tuple(colours[row, column, :3]) == pytest.approx(grey)) == own
    far = whole.frame.assign(floor=0.999)
    table = pa.Table.from_pandas(far, CONCORDANCE, preserve_index=False)
    concordance_matrix.draw(table, whole.subject, tmp_path / "a.png")
    arrows = [t.get_text().endswith("\N{DOWNWARDS ARROW}") for t in drawn[1].axes[0].texts]
    assert arrows == [True, True, True, False]  # its own reference is compared with nothing


def test_gaps_are_those_of_the_table(whole, tmp_path, drawn):
    concordance_by_gap.draw(whole.concordance, whole.subject, tmp_path / "a.png")
    axes = [ax for ax in drawn[0].axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in axes] == [*PRIMARY, "grey_aopc"]
    for ax, metric in zip(axes, (*PRIMARY, "grey_aopc"), strict=True):
        lines = {line.get_marker(): line.get_ydata() for line in ax.lines}
        for family, marker in (("damaged", "o"), ("methods", "s")):
            expected = [whole.of(metric, family, "background", name) for name in gap_columns()]
            if len(expected[0]):
                means = [np.nanmean(c) if np.isfinite(c).any() else np.nan for c in expected]
                assert lines[marker] == pytest.approx(means, nan_ok=True)
    rows = whole.frame[(whole.frame["family"] == "damaged") & (whole.frame["estimand"] == "grey")]
    best = concordance_by_gap.best_blind(rows)
    assert len(best) == 8
    assert (best["concordance"] == best["floor"]).all()


def test_metrics_stand_over_their_passes(whole, tmp_path, drawn):
    concordance_cost.draw(whole.concordance, whole.subject, tmp_path / "a.png")
    for ax, family in zip(drawn[0].axes, ("damaged", "methods"), strict=True):
        asked = [m for m in PASSES if len(whole.of(m, family, "background"))]
        expected = {}
        for metric in asked:
            c, floor = (
                whole.of(metric, family, "background", name) for name in ("concordance", "floor")
            )
            expected[PASSES[metric] / len(concordant.METHODS)] = (c - floor).mean()
        points = dict(marks(ax) + marks(ax, "o"))
        assert points == pytest.approx(expected)


def test_labels_keep_their_distance():
    places = np.array([0.2, 0.21, 0.21, 0.9])
    moved = style.spread(places, 0.05)
    assert (np.diff(moved) >= 0.05 - 1e-6).all()
    assert moved[3] == pytest.approx(0.9)
    assert moved[:3].mean() == pytest.approx(places[:3].mean(), abs=0.01)
    assert style.spread(np.array([1.0, 1.0]), 0.1).max() <= 1


def test_figures_are_planned_where_their_tables_have_rows():
    config = experiment.read([ROOT / "config.yaml"])

    def of(**changes):
        return figures.of_truth(Plan(config | changes), "phantom")

    metrics = ["aopc", "truth_agreement", "blind"]
    assert of(metrics=metrics) == [*figures.OF_TRUTH]
    without_matrix = [name for name in figures.OF_TRUTH if name != figures.MATRIX]
    assert of(metrics=["haas", *metrics[1:]]) == without_matrix
    assert figures.OVERLAP not in of(metrics=metrics, architectures=["vgg_small", "patch_small"])
    assert of(metrics=metrics[:2]) == of(metrics=metrics[1:]) == [*figures.OF_AGREEMENT]
    assert of(metrics=metrics[:1]) == []
    assert of(metrics=metrics[1:], heads=["gap"]) == []


def test_examples_show_the_truth_of_the_first_images_of_each_class(monkeypatch, tmp_path):
    images, labels, predicted = [3, 5, 6, 8], [0, 0, 0, 1], [0, 1, 0, 1]
    values = {image: np.arange(6.0) * (image - 5.5) for image in images}
    network = {"dataset": "d", "architecture": "a", "head": "flatten", "seed": 0}
    cells = {"height": 2, "width": 3}
    known = [
        network | cells | {"image_id": i, "class": k, "estimand": estimand, "label": label}
        | {"predicted": k, "correct": k == label, "values": sign * values[i]}
        | {"first_half": values[i], "second_half": values[i], "reliability": 0.75 + 0.01 * i}
        | {"resolved": i != 8, "permutations": 64, "score": 1.0, "reference_score": 0.0}
        for i, label, k in zip(images, labels, predicted, strict=True)
        for estimand, sign in (("background", 1), ("grey", -1))
    ]  # fmt: skip
    tables.write(tmp_path / "truth.parquet", pa.Table.from_pylist(known, TRUTH), TRUTH)
    maps = [
        network | cells | {"method": method, "image_id": i, "explained_class": explained}
        | {"explained_score": score, "class": k, "bias": 0.0}
        | {"map": np.float32(sign * values[i] + 100 * (score == "logit"))}
        for method, sign in (("hirescam", 2), ("gradcam", -1))
        for explained, classes in (("label", labels), ("predicted", predicted))
        for score in ("logit", "centred")
        for i, k in zip(images, classes, strict=True)
    ]  # fmt: skip
    tables.write(tmp_path / "maps.parquet", pa.Table.from_pylist(maps, MAPS), MAPS)
    dataset = SimpleNamespace(
        images=np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8),
        masks=np.zeros((10, 4, 4), bool), classes=("a", "b"), slices=0, multi_label=False,
    )  # fmt: skip
    monkeypatch.setattr(truth_examples, "open_dataset", lambda folder: dataset)
    shown = {}
    draw = truth_examples.examples.draw

    def keep(*given, **more):
        names = ("images", "masks", "maps", "classes", "predicted", "labels", "title", "path")
        shown.update(zip(names, given, strict=True))
        shown.update(more)
        draw(*given, **more)

    monkeypatch.setattr(truth_examples.examples, "draw", keep)
    given = (tmp_path, [tmp_path / "truth.parquet"], [tmp_path / "maps.parquet"], "background")
    truth_examples.draw_stored(*given, "title", tmp_path / "a.png", count=3)
    assert shown["images"][:, 0, 0, 0].tolist() == [3, 8, 5]
    assert shown["labels"] == [0, 1, 0]
    assert shown["predicted"] == [0, 1, 1]
    for place, image in enumerate((3, 8, 5)):
        assert shown["maps"]["truth"][place].ravel().tolist() == values[image].tolist()
        assert shown["maps"]["hirescam"][place].ravel().tolist() == (2 * values[image]).tolist()
    assert shown["notes"]["hirescam"] == ["Spearman 1.00"] * 3
    assert shown["notes"]["gradcam"] == ["Spearman -1.00"] * 3
    assert shown["notes"]["truth"] == [
        "reliability 0.78", "reliability 0.83, unresolved", "reliability 0.80",
    ]  # fmt: skip
    truth_examples.draw_stored(*given, "title", tmp_path / "b.png", count=3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    truth_examples.draw_stored(*given[:3], "blur", "title", tmp_path / "c.png")
    assert (tmp_path / "c.png").is_file()


def test_an_axis_of_passes_has_plain_numbers():
    figure = Figure()
    ax = figure.subplots()
    style.scale_passes(ax)
    ax.set_xlim(-0.25, 5000)
    figure.draw_without_rendering()
    texts = [label.get_text() for label in ax.get_xticklabels()]
    assert [text for text in texts if text] == ["0", "1", "10", "100", "1,000"]
