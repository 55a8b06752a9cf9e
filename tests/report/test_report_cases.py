"""The case browser in headless Chromium: quiet, complete, by keyboard, within its budget."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
import synthetic
import synthetic_cases
from browser import CHROMIUM, Browser

from faithcam.figures.style import look
from faithcam.report import browser as report_cases
from faithcam.report import page as report
from faithcam.statistics.compare import compute

CAPTIONS = Path(__file__).parents[2] / "workflow" / "report"
CONFIG = synthetic_cases.config(
    statistics=synthetic.CONFIG["statistics"] | {"resamples": 20}, heads=["flatten"], seeds=[0]
)


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    models = ("vgg_small-flatten", "vgg_small-gap")
    return synthetic_cases.collect(
        synthetic_cases.files(folder, ("phantom", "other"), models), CONFIG
    )


@pytest.fixture(scope="module")
def run():
    run = synthetic.run(config=CONFIG)
    return run, compute(run.scores, run.models, run.evaluations, CONFIG)


def render(path, run, collected):
    given = (
        run[1],
        run[0].models,
        run[0].checks,
        run[0].evaluations,
        CONFIG,
        synthetic.provenance(CONFIG),
        [],
    )
    report.render(path, *given, CAPTIONS, cases=collected)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(run, collected, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    render(path, run, collected)
    return path


@pytest.mark.counts("attacks")
def test_the_policy_lets_only_this_script_run(page):
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:")
    assert not re.search(r"\son\w+=", text.split("<script")[0])


def test_no_script_and_no_policy_for_one_without_cases(run, tmp_path):
    text = render(tmp_path / "report.html", run, None)
    assert "<script" not in text
    assert "script-src" not in text


@pytest.mark.counts("attacks")
def test_names_from_elsewhere_cannot_end_the_data(run, collected, tmp_path):
    names = ["</script><script>alert(1)</script>", "b", "c"]
    bad = json.loads(json.dumps(collected))
    bad["datasets"]["phantom"]["classes"] = names
    text = render(tmp_path / "report.html", run, bad)
    assert text.count("<script") == 2
    data = re.search(r'<script type="application/json" id="cases-data">(.*?)</script>', text)
    assert json.loads(data.group(1))["datasets"]["phantom"]["classes"] == names


def test_as_many_networks_as_the_page_has_room_for(run, collected):
    whole = report_cases.browser(collected, 10_000_000, run[0].evaluations)
    assert (whole["shown"], whole["planned"], whole["most"]) == (8, 8, 6)
    room = len(whole["data"]) // 2 + 20_000
    fewer = report_cases.browser(collected, room, run[0].evaluations)
    assert 0 < fewer["shown"] < 8
    assert len(fewer["data"]) + len(fewer["script"]) < room
    kept = json.loads(fewer["data"])["networks"]
    assert kept == json.loads(json.dumps(collected["networks"][: fewer["shown"]]))
    assert report_cases.browser(collected, 3000, run[0].evaluations) is None


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def opened(chromium, page):
    chromium.errors.clear()
    chromium.asked.clear()
    chromium.open(page)
    chromium.settle()
    yield chromium
    assert chromium.errors == []
    assert chromium.asked == []


def text(browser, name):
    return browser.value(f"document.getElementById('{name}').textContent")


def pick(browser, name, value):
    browser.value(
        f"(e => {{ e.value = {json.dumps(str(value))}; e.dispatchEvent(new Event('change')) }})"
        f"(document.getElementById('{name}'))"
    )
    browser.settle()


def picture(browser):
    return browser.value("document.getElementById('picture').toDataURL()")


@needs_browser
def test_a_case_is_shown_with_all_maps_scores_and_means(opened, collected):
    network = collected["networks"][0]
    first = network["cases"][0]
    assert text(opened, "case").startswith(f"Case 1 of 6: image {first['id']}, ")
    assert opened.value("document.querySelectorAll('#gallery button').length") == 6
    names = opened.value("[...document.querySelectorAll('#gallery span')].map(e => e.textContent)")
    methods = [look(m).name for m in ("hirescam", "gradcam", "sham", "random")]
    assert names == ["Truth: training images", "Truth: blur", *methods]
    row = opened.value("document.querySelector('#scores tr').textContent")
    assert row.startswith("HiResCAM")
    value, mean = first["scores"]["hirescam"][0], network["means"]["hirescam"][0]
    assert f"{float(f'{value:.3g}')}mean {float(f'{mean:.3g}')}" in row
    colours = opened.value(
        "new Set(document.getElementById('picture').getContext('2d')"
        ".getImageData(0, 0, 384, 384).data).size"
    )
    assert colours > 50


@needs_browser
def test_filters_change_what_is_shown(opened, collected):
    start = text(opened, "case"), picture(opened)
    pick(opened, "outcome", "wrong")
    assert "Case 1 of 3" in text(opened, "case")
    assert text(opened, "case").endswith("wrong.")
    pick(opened, "class", 1)
    wrong = [
        case for case in collected["networks"][0]["cases"]
        if case["label"] != case["predicted"] and case["label"] == 1
    ]  # fmt: skip
    assert f"of {len(wrong)}: image {wrong[0]['id']}, nodule" in text(opened, "case")
    pick(opened, "class", "")
    pick(opened, "outcome", "")
    assert (text(opened, "case"), picture(opened)) == start
    for name, value in (("seed", 1), ("model", "vgg_small-gap"), ("dataset", "other")):
        before = picture(opened)
        pick(opened, name, value)
        assert picture(opened) != before, name


@needs_browser
def test_what_does_not_exist_is_said(opened, collected):
    for name, value in (("outcome", "wrong"), ("class", 0)):
        pick(opened, name, value)
    cases_left = [
        case for case in collected["networks"][0]["cases"]
        if case["label"] != case["predicted"] and case["label"] == 0
    ]  # fmt: skip
    expected = f"of {len(cases_left)}" if cases_left else "No case fits"
    assert expected in text(opened, "case")
    hidden = opened.value("document.getElementById('stage').hidden")
    assert hidden is (not cases_left)


@needs_browser
def test_opacity_outline_and_map_change_the_picture(opened, collected):
    lesion = next(
        i for i, case in enumerate(collected["networks"][0]["cases"])
        if collected["images"][case["image"]]["masks"]
    )  # fmt: skip
    for _ in range(lesion):
        opened.value("document.getElementById('next').click()")
        opened.settle()
    assert text(opened, "masks") == "Outlined: lesion."
    seen = [picture(opened)]
    for change in (
        "document.getElementById('outline').click()",
        "(e => { e.value = 0; e.dispatchEvent(new Event('input')) })"
        "(document.getElementById('opacity'))",
    ):
        opened.value(change)
        seen.append(picture(opened))
    # at opacity 0 every map shows the image alone
    opened.value("document.querySelector('#gallery button[value=random]').click()")
    assert picture(opened) == seen[-1]
    assert opened.value("document.getElementById('method').value") == "random"
    pixel = "document.getElementById('picture').getContext('2d').getImageData(3, 3, 1, 1).data"
    output = opened.value(f"[...{pixel}]")
    assert output[0] == output[1] == output[2]
    assert len(set(seen)) == 3


@needs_browser
def test_the_keyboard_is_enough(opened):
    opened.value("document.getElementById('seed').focus()")
    for _ in range(3):
        opened.press("Tab")
    assert opened.value("document.activeElement.id") == "previous"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert opened.value(outline) == "solid"
    opened.press("ArrowRight")
    assert "Case 2 of 6" in text(opened, "case")
    opened.press("ArrowLeft")
    opened.press("ArrowLeft")
    assert "Case 6 of 6" in text(opened, "case")
    opened.press("Tab")
    opened.press("Enter")
    assert "Case 1 of 6" in text(opened, "case")
    for _ in range(5):
        opened.press("Tab")
    opened.press("Enter")
    assert opened.value("document.activeElement.tagName") == "BUTTON"
    assert opened.value("document.activeElement.getAttribute('aria-pressed')") == "true"
    opened.value("document.getElementById('dataset').focus()")
    before = text(opened, "case")
    opened.press("ArrowRight")
    assert opened.value("document.activeElement.id") == "dataset"
    assert opened.value("document.getElementById('case').getAttribute('aria-live')") == "polite"
    assert before.startswith("Case 1")


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_browser_fits_the_window(opened, page, width, dark, tmp_path):
    opened.open(page, width, dark=dark)
    opened.settle()
    assert opened.value("document.documentElement.scrollWidth") <= width
    assert text(opened, "case").startswith("Case 1")
    opened.picture(tmp_path / "page.png", "#browser")
    assert (tmp_path / "page.png").stat().st_size > 20_000


@needs_browser
def test_the_test_notices_errors_and_requests(chromium, tmp_path):
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://127.0.0.1:9/a.png"><script>nothing()</script>')
    chromium.open(bad)
    chromium.settle()
    assert chromium.asked == ["http://127.0.0.1:9/a.png"]
    assert chromium.errors
