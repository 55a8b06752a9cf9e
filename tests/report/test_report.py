import base64
import html
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import synthetic
import synthetic_controls
from PIL import Image

from faithcam.core.errors import FaithcamError
from faithcam.figures import haas, paired_differences
from faithcam.figures.subject import Subject
from faithcam.models.tables import MODELS
from faithcam.report import comparison_tables
from faithcam.report import page as report
from faithcam.report.answer import answer
from faithcam.report.figure_titles import FIGURES
from faithcam.results.tables import CHECKS
from faithcam.statistics.compare import compute
from faithcam.statistics.tables import STATISTICS

CAPTIONS = Path(__file__).parents[2] / "workflow" / "report"
CONFIG = synthetic.small()
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=CONFIG, excluded=[("vgg_small", "flatten", 1)])


@pytest.fixture(scope="module")
def statistics(run):
    return compute(run.scores, run.models, run.evaluations, CONFIG)


@pytest.fixture(scope="module")
def figures(run, statistics, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    subject = Subject("phantom", run.evaluations, CONFIG)
    for module, name in ((haas, "haas"), (paired_differences, "paired_differences")):
        module.draw(statistics, subject, folder / f"{name}-phantom.png")
    return [folder / "haas-phantom.png", folder / "paired_differences-phantom.png"]


def render(path, run, statistics, figures, **changes):
    given = {
        "models": run.models,
        "checks": run.checks,
        "evaluations": run.evaluations,
        "settings": CONFIG,
        "provenance": synthetic.provenance(CONFIG),
        "captions": CAPTIONS,
    } | changes
    report.render(path, statistics, figures=figures, **given)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page_file(run, statistics, figures, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    render(path, run, statistics, figures)
    return path


@pytest.fixture(scope="module")
def page(page_file):
    return page_file.read_text(encoding="utf-8")


class Parsed(HTMLParser):
    """Collects tags with their attributes and checks that they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_answer_stands_first_then_figures_tables_what_was_run_and_limits(page, run, statistics):
    text = html.unescape(page)
    order = [
        text.index(s)
        for s in answer(statistics, run.models, run.checks, run.evaluations, CONFIG).sentences()
    ]
    order += [text.index(f'<h2 id="{name}"') for name in ("figures", "tables", "run", "limits")]
    assert order == sorted(order)


def test_the_page_is_well_formed_and_asks_for_nothing(page):
    parsed = Parsed(page)
    assert not parsed.open
    for tag, attributes in parsed.tags:
        assert tag not in ("script", "iframe", "object", "embed", "video", "audio", "base")
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith(("#", "data:"))
        assert not {"srcset", "style", "background", "ping"} & set(attributes)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in page


def test_figures_are_inside_in_reading_order_with_captions(page, figures):
    sources = [a["src"] for tag, a in Parsed(page).tags if tag == "img"]
    actual = [base64.b64decode(source.split(",", 1)[1]) for source in sources]
    for data, figure in zip(actual, figures[::-1], strict=True):
        with Image.open(io.BytesIO(data)) as output, Image.open(figure) as drawn:
            assert output.convert("RGB").tobytes() == drawn.convert("RGB").tobytes()
        assert len(data) < figure.stat().st_size
    assert "How to read it: arrows name the side" in page
    alternatives = [a["alt"] for tag, a in Parsed(page).tags if tag == "img"]
    assert all(len(text) > 40 for text in alternatives)


def test_every_figure_has_a_plain_caption():
    assert {f.stem for f in CAPTIONS.glob("*.rst")} == {*FIGURES, "workflow"}
    for file in CAPTIONS.glob("*.rst"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"``|\*\*|`_|\{\{|\.\. ", text), file
        assert text.isascii()


def table_of(page, title):
    start = page.index(f'aria-label="{html.escape(title)}"')
    body = page[start : page.index("</table>", start)]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in body.split("<tr")[2:]]
    return [[html.unescape(cell) for cell in row] for row in cells]


def test_primary_results_are_in_the_table(page, statistics):
    rows = table_of(page, "HiResCAM - Grad-CAM over networks")
    frame = statistics.to_pandas()
    for _, row in frame[frame["primary"]].iterrows():
        actual = [
            r for r in rows if r[1] == "strict" and r[3:5] == ["all", "Flatten"]
            and r[2].lower().replace("-", "_") == row["metric"]
        ]  # fmt: skip
        assert len(actual) == 1
        assert actual[0][5] == str(row["n"]) == "5"
        better = -row["estimate"] if row["metric"] == "max_sensitivity" else row["estimate"]
        assert actual[0][6] == f"{better:+#.3g}".replace("-", "\N{MINUS SIGN}")
    assert [r[6] for r in rows if r[4] == "GAP"] == ["exactly 0"] * 6


def test_claims_networks_checks_and_leaks_are_there(page):
    claims = table_of(page, "The published claims, restated")
    assert claims[0][2:5] == ["7 / 0 / 1", "0.016", "0.070"]
    networks = table_of(page, "Networks")
    assert len(networks) == 12
    excluded = next(r for r in networks if r[0] == "phantom/vgg_small-flatten/seed1")
    assert excluded[1].startswith("no: balanced accuracy not above chance")
    assert {row[2] for row in table_of(page, "Axiom checks")} == {"yes"}
    assert "train[115] (train, class 0) has the same pixels as test[76] (test, class 1)" in page
    assert "0123456789abcdef0123456789abcdef01234567" in page
    assert "secret-host" not in page


def test_missing_networks_and_failed_checks_are_named(run, statistics, figures, tmp_path):
    checks = run.checks.to_pylist()
    checks[0]["passed"] = False
    page = render(
        tmp_path / "report.html",
        run,
        statistics,
        figures,
        checks=pa.Table.from_pylist(checks, schema=CHECKS),
        models=run.models.slice(1),
    )
    assert ["phantom/resnet_small-flatten/seed0", "MISSING"] in [
        row[:2] for row in table_of(page, "Networks")
    ]
    assert "AXIOMS VIOLATED" in page
    assert "NO: phantom/resnet_small-flatten/seed0" in page


@pytest.mark.counts("attacks")
def test_texts_from_elsewhere_are_escaped(run, statistics, figures, tmp_path):
    models = run.models.to_pylist()
    models[0] |= {"included": False, "reason": "<script>alert(1)</script>"}
    provenance = synthetic.provenance(CONFIG) | {"commit": "<img src=x>"}
    page = render(
        tmp_path / "report.html",
        run,
        statistics,
        figures,
        models=pa.Table.from_pylist(models, schema=MODELS),
        provenance=provenance,
    )
    assert "<script" not in page
    assert "<img src=x>" not in page


def test_same_inputs_give_the_same_bytes_in_any_order(page, run, statistics, figures, tmp_path):
    assert render(tmp_path / "report.html", run, statistics, figures[::-1]) == page


def test_a_missing_figure_is_named_and_the_old_report_stays(run, statistics, figures, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(FaithcamError, match=r"examples-phantom\.png: missing"):
        render(path, run, statistics, [*figures, tmp_path / "examples-phantom.png"])
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    "changes",
    [
        {"heads": ["gap"]},
        {"heads": ["flatten"], "seeds": [0], "architectures": ["vgg_small"]},
        {"protocols": ["strict"]},
        {"metrics": ["aopc"]},
    ],
)
def test_partial_experiments_have_a_report(changes, tmp_path):
    config = synthetic.small(**changes)
    run = synthetic.run(config=config)
    statistics = compute(run.scores, run.models, run.evaluations, config)
    page = render(tmp_path / "report.html", run, statistics, [], settings=config)
    assert not Parsed(page).open
    assert "nan" not in page.split("<pre>")[0]


def test_a_report_without_any_included_network(tmp_path):
    config = synthetic.small(heads=["flatten"], seeds=[0], architectures=["vgg_small"])
    run = synthetic.run(config=config, excluded=[("vgg_small", "flatten", 0)])
    statistics = compute(run.scores, run.models, run.evaluations, config)
    page = render(tmp_path / "report.html", run, statistics, [], settings=config)
    assert "there are no scores of an included Flatten network" in html.unescape(page)
    assert "nothing to show" in page


def browse(page, tmp_path, *options):
    """Open a page in headless Chromium; return its DOM and the URLs that the page asked for."""
    log = tmp_path / "net.json"
    command = [
        CHROMIUM,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--log-net-log={log}",
        *options,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    record = json.loads(log.read_text(encoding="utf-8"))
    start = record["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    started = [event.get("params", {}) for event in record["events"] if event["type"] == start]
    # the browser's own requests have no origin
    urls = [p["url"] for p in started if "url" in p and p["initiator"] != "not an origin"]
    return done.stdout, [url for url in urls if not url.startswith(("file:", "data:"))]


browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
PROBE = (
    "<script>document.documentElement.dataset.images = [...document.images].map("
    "i => i.complete && i.naturalWidth).join()</script></body>"
)


@browser
def test_the_browser_decodes_all_images_and_asks_nobody(page, page_file, tmp_path):
    _, asked = browse(page_file, tmp_path, "--dump-dom")
    assert asked == []
    probed = tmp_path / "probed.html"
    without_policy = re.sub(r"<meta http-equiv[^>]*>", "", page)
    probed.write_text(without_policy.replace("</body>", PROBE), encoding="utf-8")
    dom, asked = browse(probed, tmp_path, "--dump-dom")
    assert asked == []
    assert re.search(r'data-images="([^"]*)"', dom).group(1) == "1800,1800"


@browser
def test_the_browser_test_notices_a_request(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://127.0.0.1:9/a.png">')
    assert browse(page, tmp_path, "--dump-dom")[1] == ["http://127.0.0.1:9/a.png"]


@browser
@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_is_not_wider_than_the_window(page, page_file, tmp_path, width):
    probed = tmp_path / "probed.html"
    probe = (
        "<script>document.documentElement.dataset.width = "
        "document.documentElement.scrollWidth <= innerWidth</script></body>"
    )
    without_policy = re.sub(r"<meta http-equiv[^>]*>", "", page)
    probed.write_text(without_policy.replace("</body>", probe), encoding="utf-8")
    dom, _ = browse(probed, tmp_path, f"--window-size={width},900", "--dump-dom")
    assert 'data-width="true"' in dom
    picture = tmp_path / "page.png"
    browse(page_file, tmp_path, f"--window-size={width},900", f"--screenshot={picture}")
    with Image.open(picture) as image:
        assert image.width == width
        assert len(image.convert("L").getcolors()) > 20


def test_the_table_of_haas_leaves_out_the_logit_gauge(statistics):
    frame = statistics.to_pandas()
    other = frame[(frame["metric"] == "haas") & (frame["setting"] == "explained_class=predicted")]
    more = pd.concat(
        [frame, other.assign(setting="explained_class=predicted;explained_score=logit")]
    )
    assert comparison_tables.haas(more) == comparison_tables.haas(frame)


def test_tables_of_controls_have_a_section_after_the_answer(run, statistics, figures, tmp_path):
    table = synthetic_controls.multiverse()
    page = html.unescape(
        render(tmp_path / "report.html", run, statistics, figures, multiverse=table)
    )
    assert not Parsed(page).open
    order = [page.index(f'id="{name}"') for name in ("answer", "controls")]
    order += [page.index('aria-label="Multiverse"'), page.index('id="figures"')]
    assert order == sorted(order)


def test_without_controls_there_is_no_section(page):
    assert 'id="controls"' not in page
    assert "a preference alone cannot tell" in page


def test_phantoms_do_not_confirm_each_other():
    definitions = CONFIG["dataset_definitions"] | {"second": {"source": "phantom"}}
    two = synthetic.small(datasets=["phantom", "second"], dataset_definitions=definitions)
    text = "all phantoms come from one generator"
    assert [any(text in limit for limit in report._limits(c)) for c in (CONFIG, two)] == [
        False,
        True,
    ]


def test_a_mixture_of_versions_is_named():
    made = {"torch": ["2.12.0", "2.13.0"], "numpy": ["2.4.6"]}
    (limit,) = report.mixed({"made_with": made})
    assert "torch 2.12.0 and 2.13.0 did" in limit
    assert not report.mixed({"made_with": {"torch": ["2.13.0"]}})


def test_metrics_that_are_not_published_have_a_table_of_their_own():
    nothing = dict.fromkeys(("low", "high", "p", "effect", "floor", "estimate"), float("nan"))
    known = {
        **{"dataset": "phantom", "architecture": "all", "protocol": "strict", "level": "model"},
        **{"metric": "deletion", "setting": "region=native", "n": 3, "method_b": ""},
        **nothing,
    }
    pair = {"method_a": "hirescam", "method_b": "gradcam"}
    actual = {"estimate": -0.125, "low": -0.25, "high": 0.5, "effect": 1.5, "p": 0.25}
    rows = [
        known | pair | actual | {"head": "flatten", "effect_name": "Cohen dz"},
        known | pair | {"head": "gap", "effect_name": "images that differ", "effect": 0.0},
        known | pair | actual | {"head": "flatten", "effect_name": "two-way"},
        known
        | pair
        | actual
        | {"head": "flatten", "effect_name": "Cohen dz", "setting": "region=other"},
    ]
    for head, method, mean in (("flatten", "hirescam", 0.5), ("flatten", "gradcam", 0.625)):
        rows.append(
            known | {"head": head, "method_a": method, "effect_name": "mean", "estimate": mean}
        )
    settings = synthetic.small(metrics=[*CONFIG["metrics"], "deletion", "similarity"])
    scores = pa.Table.from_pylist([row | {"method": "hirescam"} for row in rows])
    chosen = [("strict", "deletion", "region=native")]
    evaluations = synthetic.evaluations(scores, chosen=chosen)
    table = comparison_tables.further(pd.DataFrame(rows), evaluations, settings)
    minus, none = "\N{MINUS SIGN}", "\N{EN DASH}"
    start = ["phantom", "Deletion", "lower", "region=native"]
    assert table.rows == [
        [
            *(*start, "Flatten", "3", "0.500", "0.625"),
            # lower is better: positive is better for HiResCAM
            *("+0.125", f"{minus}0.500 to +0.250", none, f"{minus}1.5", "0.25"),
        ],
        [*start, "GAP", "3", none, none, "exactly 0", none, none, none, none],
    ]
    assert not comparison_tables.further(pd.DataFrame(rows), evaluations, CONFIG).rows


def test_a_setting_of_the_same_name_of_another_metric_is_not_taken_for_a_published_one(
    run, statistics, figures, tmp_path
):
    frame = statistics.to_pandas()
    chosen = (frame["metric"] == "max_sensitivity") & (frame["head"] == "flatten")
    other = frame[chosen].assign(metric="average_sensitivity")
    both = pa.Table.from_pandas(pd.concat([frame, other]), STATISTICS, preserve_index=False)
    page = render(tmp_path / "a.html", run, statistics, figures)
    assert render(tmp_path / "b.html", run, both, figures) == page
