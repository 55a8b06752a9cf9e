"""Figures of agreement and concordance with the truth show what the tables say."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import agreed
import concordant
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from scipy import stats

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
    style,
    truth,
    truth_examples,
)
from faithcam.figures.agreements import OVERLAPPING, PATCHES, is_law
from faithcam.figures.subject import Subject
from faithcam.maps.tables import MAPS
from faithcam.metrics.tables import SCORES
from faithcam.results import io as tables
from faithcam.truth.tables import TRUTH
from faithcam.validity.judgement import judge
from faithcam.validity.tables import CONCORDANCE, VERDICTS, gap_columns

ROOT = Path(__file__).parents[2]
STRENGTHS = {"aopc": 2, "grey_aopc": 1, "haas": 0, "max_sensitivity": (None, 2)}
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
        named = {"methods": ["hirescam"], "truth": {"estimands": agreed.ESTIMANDS}}
        settings |= named | {"networks": agreed.FACTS}
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


def draw_all(whole, folder, concordance, verdicts, scores, models):
    files = {"concordance": (concordance, CONCORDANCE), "validity": (verdicts, VERDICTS)}
    files |= {"scores": (scores, SCORES)}
    for name, (table, schema) in files.items():
        tables.write(folder / f"{name}.parquet", table, schema)
    pa.parquet.write_table(models, folder / "models.parquet")
    paths = SimpleNamespace(**{name: folder / f"{name}.parquet" for name in (*files, "models")})
    drawn = [folder / f"{name}-real.png" for name in figures.OF_TRUTH]
    truth.draw_all("real", paths, whole.evaluations, whole.subject.settings, drawn)
    return drawn


def test_the_same_tables_give_the_same_bytes(whole, tmp_path):
    given = (whole.concordance, whole.verdicts, agreed.scores(), agreed.models())
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, again = (draw_all(whole, tmp_path / name, *given) for name in ("a", "b"))
    for one, other in zip(first, again, strict=True):
        with Image.open(one) as image:
            assert image.width >= 1000
        assert one.read_bytes() == other.read_bytes()


def test_without_rows_every_figure_says_so(whole, tmp_path, drawn):
    given = (CONCORDANCE.empty_table(), VERDICTS.empty_table(), agreed.scores([]))
    draw_all(whole, tmp_path, *given, agreed.models())
    draw_all(whole, tmp_path, *given[:2], agreed.scores(), agreed.models(set(agreed.NETWORKS)))
    said = [figure.texts[-1].get_text() for figure in drawn]
    assert len(said) == 2 * len(figures.OF_TRUTH)
    assert all(text.startswith("no ") for text in said)


def test_maps_stand_where_their_agreement_is(whole, tmp_path, drawn):
    map_leaderboard.draw(agreed.scores(), agreed.models(), whole.subject, tmp_path / "a.png")
    axes = drawn[0].axes
    assert [ax.get_title(loc="left") for ax in axes] == ["training images", "grey"] * 2
    assert axes[0].get_ylabel() == f"{OVERLAPPING}, n = 3"
    assert axes[2].get_ylabel() == f"{PATCHES}, n = 1"
    # sorted by the first truth; correct images whose status is ok, one measure
    assert named(axes[0]) == [
        "HiResCAM", "Grad-CAM", "expected HiResCAM", "Occlusion, grey", "truth of other images",
    ]  # fmt: skip
    for ax, estimand in zip(axes[:2], agreed.ESTIMANDS, strict=True):
        expected = [agreed.value(estimand, method, 1, 1) for method in agreed.METHODS]
        points = sorted(marks(ax), key=lambda point: point[1])
        assert [x for x, _ in points] == pytest.approx(expected)
        dots = next(line for line in ax.lines if line.get_marker() == "o")
        of_networks = [agreed.value(estimand, "expected_hirescam", k, 1) for k in range(3)]
        ends = [
            line.get_xdata()
            for line in ax.lines
            if line.get_marker() == "None" and list(line.get_ydata()) == [2, 2]
        ]
        assert ends[0] == pytest.approx(
            stats.t.interval(0.95, 2, np.mean(of_networks), 0.03 / 3**0.5)
        )
        assert len(dots.get_xdata()) == 3
    bold = [text.get_text() for text in axes[0].get_yticklabels() if text.get_weight() == "bold"]
    assert bold == ["HiResCAM"]
    faces = {
        round(float(line.get_ydata()[0])): line.get_markerfacecolor()
        for line in axes[2].lines
        if line.get_marker() == "D"
    }
    assert [y for y, face in faces.items() if face == "white"] == [2]


def test_laws_are_told_from_evidence():
    assert is_law("background", "expected_hirescam", PATCHES)
    assert not is_law("background", "expected_hirescam", OVERLAPPING)
    assert is_law("grey", "occlusion_grey", PATCHES)
    assert not is_law("blur", "occlusion_grey", PATCHES)
    assert is_law("features_zero", "hirescam", OVERLAPPING)
    assert not is_law("grey", "hirescam", PATCHES)


def test_maps_stand_over_their_passes(whole, tmp_path, drawn):
    agreement_cost.draw(agreed.scores(), agreed.models(), whole.subject, tmp_path / "a.png")
    overlapping, patches = drawn[0].axes

    def points(ax):
        return {
            (float(x), round(float(y), 6))
            for line in ax.lines
            if line.get_marker() != "None"
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        }

    for ax, place, facts in ((overlapping, 1, "vgg_small"), (patches, 3, "patch_small")):
        passes = agreed.FACTS[facts]["passes"]
        expected = {
            (p, round(agreed.value("background", m, place, 1), 6)) for m, p in passes.items()
        }
        assert points(ax) == expected
        at_truth = [
            line
            for line in ax.lines
            if list(line.get_xdata()) == [agreed.FACTS[facts]["truth"]] * 2
        ]
        assert len(at_truth) == 1


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
    keys = [(f, e) for e in agreed.ESTIMANDS for f in ("damaged", "methods")]
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
        for row, estimand in enumerate(agreed.ESTIMANDS):
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
    assert of(metrics=["haas", *metrics[1:]]) == [*figures.OF_AGREEMENT, *figures.OF_CONCORDANCE]
    assert of(metrics=metrics[:2]) == of(metrics=metrics[1:]) == [*figures.OF_AGREEMENT]
    assert of(metrics=metrics[:1]) == []


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
