import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pytest
import synthetic
from PIL import Image

from faithcam.figures import (
    aopc_curves,
    completeness,
    examples,
    paired_differences,
    scoreboard,
    style,
)
from faithcam.figures.draw import OF_STATISTICS
from faithcam.figures.overlay import overlay
from faithcam.figures.subject import Subject
from faithcam.maps.tables import MAPS
from faithcam.results import io as tables
from faithcam.statistics.compare import compute
from faithcam.statistics.settings import PAIR
from faithcam.statistics.tables import STATISTICS

CONFIG = synthetic.small()


class Whole:
    """An experiment with its statistics, and every figure of it by name."""

    def __init__(self, **changes):
        self.config = changes.pop("config", CONFIG)
        self.run = synthetic.run(config=self.config, **changes)
        self.evaluations = self.run.evaluations
        self.statistics = compute(
            self.run.scores, self.run.models, self.evaluations, self.run.config
        )

    def draw(self, name, path, dataset="phantom"):
        subject = Subject(dataset, self.evaluations, self.run.config)
        if name == "aopc_curves":
            aopc_curves.draw(self.run.curves, self.run.models, subject, path)
        elif name == "completeness":
            completeness.draw(synthetic.completeness(config=self.config), subject, path)
        elif name == "examples":
            examples.draw(**synthetic.examples(), title="Maps", path=path)
        else:
            OF_STATISTICS[name].draw(self.statistics, subject, path)


NAMES = [
    "aopc_curves",
    "completeness",
    "examples",
    "haas",
    "max_sensitivity",
    "paired_differences",
    "scoreboard",
]


@pytest.fixture(scope="module")
def whole():
    return Whole()


@pytest.fixture(scope="module")
def first(whole, tmp_path_factory):
    """The files of all figures, each drawn once."""
    folder = tmp_path_factory.mktemp("first")

    @cache
    def file(name):
        whole.draw(name, folder / f"{name}.png")
        return folder / f"{name}.png"

    return file


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


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_a_png_of_200_dpi_with_the_same_bytes_every_time(name, whole, first, tmp_path):
    before = dict(mpl.rcParams)
    with Image.open(first(name)) as image:
        image.load()
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert "Software" not in image.info
        assert image.width >= 1000
    whole.draw(name, tmp_path / "b.png")
    assert first(name).read_bytes() == (tmp_path / "b.png").read_bytes()
    assert dict(mpl.rcParams) == before


def test_nothing_uses_pyplot_and_only_examples_need_torch():
    code = (
        "import sys; from faithcam.figures import aopc_curves, completeness, haas, "
        "max_sensitivity, paired_differences, scoreboard; assert 'torch' not in sys.modules; "
        "from faithcam.figures import examples; assert 'matplotlib.pyplot' not in sys.modules"
    )
    folder = Path(__file__).parents[2] / "workflow" / "scripts"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_a_users_matplotlibrc_changes_nothing(whole, first, tmp_path):
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        whole.draw("haas", tmp_path / "b.png")
    assert first("haas").read_bytes() == (tmp_path / "b.png").read_bytes()


FEW = {"architectures": ["vgg_small"], "seeds": [0, 1]}
CASES = {
    "gap only": {"config": synthetic.small(heads=["gap"], **FEW)},
    "flatten only": {"config": synthetic.small(heads=["flatten"], **FEW)},
    "one network": {
        "config": synthetic.small(heads=["flatten"], seeds=[0], architectures=["vgg_small"])
    },
    "strict only": {"config": synthetic.small(protocols=["strict"], **FEW)},
    "none included": {
        "config": synthetic.small(heads=["flatten"], seeds=[0], architectures=["vgg_small"]),
        "excluded": [("vgg_small", "flatten", 0)],
    },
}


@pytest.mark.parametrize("case", CASES)
def test_every_figure_can_be_drawn_of_partial_experiments(case, tmp_path):
    part = Whole(**CASES[case])
    for name in set(NAMES) - {"examples"}:  # that is of maps alone
        part.draw(name, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000


def test_figures_show_their_own_data_set_only(tmp_path):
    alone = Whole(config=synthetic.small(**FEW))
    both = Whole(config=synthetic.small(datasets=["phantom", "other"], **FEW))
    for name in ("aopc_curves", "haas", "max_sensitivity", "paired_differences", "scoreboard"):
        alone.draw(name, tmp_path / "a.png")
        both.draw(name, tmp_path / "b.png")
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_colours_and_markers_of_methods_differ():
    looks = [style.LOOKS[m] for m in ("hirescam", "gradcam", "cam", "random", "random_order")]
    assert len({look.colour for look in looks}) == len(looks)
    assert len({look.marker for look in looks}) == len(looks)
    assert len({str(look.line) for look in looks}) == len(looks)


def test_aopc_line_is_the_mean_over_networks(whole, tmp_path, drawn):
    whole.draw("aopc_curves", tmp_path / "a.png")
    ax = drawn[0].axes[0]
    assert ax.get_title(loc="left") == "resnet_small, strict (native cells)"
    frame = whole.run.curves.to_pandas()
    frame = frame[
        (frame["setting"] == synthetic.primary(config=CONFIG)["aopc"])
        & (frame["architecture"] == "resnet_small")
        & (frame["head"] == "flatten")
    ]
    for method in ("hirescam", "gradcam"):
        line = next(x for x in ax.lines if x.get_label() == style.look(method).name)
        expected = frame[frame["method"] == method].groupby("step")["mean"].mean()
        assert line.get_ydata() == pytest.approx(expected.to_numpy())
        assert line.get_xdata()[[0, -1]] == pytest.approx([0, 100])


def test_paired_differences_put_gap_on_zero_and_flatten_where_the_table_says(
    whole, tmp_path, drawn
):
    whole.draw("paired_differences", tmp_path / "a.png")
    ax = drawn[0].axes[0]
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert "all, GAP (n = 6)" in labels
    frame = whole.statistics.to_pandas()
    primary = frame[frame["primary"] & (frame["metric"] == "aopc")].iloc[0]
    diamonds = {}
    for line in ax.lines:
        if line.get_marker() == "D":
            diamonds[labels[round(float(line.get_ydata()[0]))]] = float(line.get_xdata()[0])
    assert diamonds["all, Flatten (n = 6)"] == primary["estimate"]
    assert {diamonds[name] for name in labels if "GAP" in name} == {0.0}
    dots = [x for line in ax.lines if line.get_marker() == "o" for x in line.get_xdata()]
    assert sum(x == 0.0 for x in dots) == 12


def test_paired_differences_name_twins_that_differ(whole, tmp_path, drawn):
    columns = whole.statistics.to_pydict()
    for i, name in enumerate(columns["effect_name"]):
        if name == "images that differ":
            columns["effect"][i] = 2.0
    table = pa.table(columns, schema=STATISTICS)
    paired_differences.draw(
        table, Subject("phantom", whole.evaluations, CONFIG), tmp_path / "a.png"
    )
    texts = {text.get_text() for text in drawn[0].axes[0].texts}
    assert "2 scores differ!" in texts
    assert "exactly 0" not in texts


def test_example_colours_follow_the_sign():
    image = np.full((1, 3), 255)
    positive, zero, negative = overlay(image, np.array([[1.0, 0.0, -1.0]]))[0]
    assert positive[0] > positive[2]
    assert negative[2] > negative[0]
    assert np.ptp(zero) < 0.02


def test_examples_take_colour_images_without_masks(tmp_path):
    arguments = synthetic.examples(count=2)
    arguments["images"] = np.repeat(arguments["images"], 3, axis=3)
    arguments["masks"] = np.zeros_like(arguments["masks"])
    examples.draw(**arguments, title="Maps", path=tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_stored_maps_are_shown_for_the_first_images_of_each_class_in_turn(monkeypatch, tmp_path):
    ids, labels, predicted = [3, 5, 6, 8, 9], [0, 0, 0, 1, 1], [0, 1, 0, 1, 0]
    for method, sign in (("hirescam", 1), ("gradcam", -1)):
        for shard, part in (("0-3", slice(0, 3)), ("3-5", slice(3, 5))):
            columns = {name: [] for name in MAPS.names}
            for explained_class, classes in (("label", labels), ("predicted", predicted)):
                for explained_score, offset in (("logit", 100), ("centred", 0)):
                    for i, k in zip(ids[part], classes[part], strict=True):
                        values = np.arange(6, dtype=np.float32) + 10 * i + offset
                        row = (
                            method,
                            i,
                            explained_class,
                            explained_score,
                            k,
                            2,
                            3,
                            0.0,
                            sign * values,
                        )
                        for name, value in zip(columns, ("d", "a", "gap", 0, *row), strict=True):
                            columns[name].append(value)
            tables.write(tmp_path / method / f"{shard}.parquet", columns, MAPS)
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    dataset = SimpleNamespace(
        images=images, masks=images[..., 0] > 5, classes=("a", "b"), slices=0, multi_label=False
    )
    monkeypatch.setattr(examples, "open_dataset", lambda folder: dataset)
    shown = {}
    monkeypatch.setattr(
        examples,
        "draw",
        lambda *given: shown.update(
            zip(("images", "masks", "maps", "classes", "predicted", "labels"), given, strict=False)
        ),
    )
    files = sorted(tmp_path.glob("*/*.parquet"), reverse=True)
    examples.draw_stored(tmp_path, files, "title", tmp_path / "a.png", count=3)
    assert shown["images"][:, 0, 0, 0].tolist() == [3, 8, 5]
    assert shown["labels"] == [0, 1, 0]
    assert shown["predicted"] == [0, 1, 1]
    assert shown["maps"]["hirescam"][:, 0, 0].tolist() == [30, 80, 50]
    assert shown["maps"]["gradcam"].shape == (3, 2, 3)
    assert shown["maps"]["gradcam"][1, 1, 2] == -85


def test_completeness_shows_only_maps_that_could_be_complete(whole, tmp_path, drawn):
    table = synthetic.completeness(config=CONFIG)
    cam = table.to_pandas().query("method == 'gradcam'").assign(method="cam")
    both = pa.concat_tables([table, pa.Table.from_pandas(cam, table.schema, preserve_index=False)])
    completeness.draw(both, Subject("phantom", whole.evaluations, CONFIG), tmp_path / "a.png")
    titles = [ax.get_title(loc="left") for ax in drawn[0].axes]
    assert titles == [f"{style.look(m).name}, {h} head" for h in ("Flatten", "GAP") for m in PAIR]


def test_a_failing_figure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), style.figure(path, 3, 2, "title"):
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_scoreboard_shows_means_ranks_and_how_far_metrics_agree(tmp_path, drawn):
    maps = ["hirescam", "gradcam", "layercam", "eigencam", "sham"]
    scores = {
        "aopc": {0: [0.5, 0.4, 0.3, 0.2, 0.1], 1: [0.3, 0.4, 0.2, 0.1, 0.6]},
        "max_sensitivity": {0: [1, 2, 3, 4, 5], 1: [1, 2, 3, 4, 0]},  # lower is better
    }
    settings = {**CONFIG, "methods": maps[:4], "controls": ["sham"]}
    primary = synthetic.primary(config=settings)
    rows = [
        dict(zip(tables.IDENTITY, ("phantom", "net", "flatten", seed), strict=True))
        | {"protocol": "strict", "metric": metric, "setting": primary[metric]}
        | {"method_a": name, "level": "image", "effect_name": "mean", "estimate": float(value)}
        | {"n": 24 - (metric == "aopc" and name == "eigencam")}
        for metric, networks in scores.items()
        for seed, values in networks.items()
        for name, value in zip(maps, values, strict=True)
    ]
    no_map = [row | {"method_a": "random_order"} for row in rows if row["method_a"] == "sham"]
    table = pa.Table.from_pylist([*rows, *no_map])
    named = table.rename_columns({"method_a": "method"})
    evaluations = synthetic.evaluations(named, config=settings)
    scoreboard.draw(table, Subject("phantom", evaluations, settings), tmp_path / "a.png")
    board, together = drawn[0].axes
    assert "mean over fewer images" in board.get_xlabel()
    assert "blank" not in together.get_title()
    shown = [[t.get_text() for t in board.texts if t.get_position()[0] == i] for i in (0, 1)]
    assert shown == [
        [".400", ".400", ".250", ".150°", ".350"],
        ["1.00", "2.00", "3.00", "4.00", "2.50"],
    ]
    # of five maps; the first network ranks them alike by both metrics
    assert board.images[0].get_array()[:, 0].tolist() == pytest.approx(
        [0.25, 0.25, 0.625, 0.875, 0.5]
    )
    # of the four methods: one network has them in the same order, one with one pair of six swapped
    assert [t.get_text() for t in together.texts] == [f"+{(1 + 4 / 6) / 2:.2f}".replace("0.", ".")]


def drawn_text(path, text):
    with style.figure(path, 3, 1, "Title") as fig:
        fig.text(0.1, 0.4, text)


def test_names_of_classes_are_no_formulas(tmp_path):
    drawn_text(tmp_path / "a.png", r"$\frac$")  # as a formula an error: a fraction of nothing
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize("text", ["良性", "악성", "นม"])
def test_letters_that_the_usual_font_lacks_come_from_another_one(tmp_path, text, recwarn):
    there = set(style.font_manager.get_font_names())
    fonts = [name for name in style.FONTS if name in there]
    covered = any(
        all(ord(letter) in style.font_manager.get_font(
            style.font_manager.findfont(name)).get_charmap() for letter in text)
        for name in fonts
    )  # fmt: skip
    drawn_text(tmp_path / "a.png", text)
    missing = [warning for warning in recwarn if "missing from font" in str(warning.message)]
    assert bool(missing) is not covered


def test_other_fonts_change_nothing_of_what_the_usual_one_has(tmp_path, monkeypatch):
    drawn_text(tmp_path / "a.png", "benign, malignant")
    monkeypatch.setattr(style, "FONTS", ())
    drawn_text(tmp_path / "b.png", "benign, malignant")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
