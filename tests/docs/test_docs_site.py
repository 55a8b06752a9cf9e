"""The built documentation in headless Chromium: whole, quiet, on a desk and on a phone."""

import importlib.util
import sys
import types
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

pytestmark = [
    pytest.mark.docs,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "docs"
LOOK = """({
    reached: document.documentElement.scrollWidth,
    broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
    links: [...document.links].filter(a => a.protocol === "file:").map(a => a.pathname + a.hash),
    anchors: [...document.querySelectorAll("[id]")].map(e => e.id),
})"""
HITS = "[...document.querySelectorAll('#search-results a')].map(a => a.href)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def pages():
    actual = sorted(SITE.rglob("*.html"))
    assert {"index.html", "gallery.html", "troubleshooting.html", "maps.html"} <= {
        page.name for page in actual
    }
    return actual


@pytest.fixture(scope="module", params=[1280, 390])
def looks(browser, request):
    """What every page shows in a window of this width, and what it asked for until then."""
    actual = {}
    for page in pages():
        browser.open(page, width=request.param)
        actual[str(page)] = browser.value(LOOK)
    return request.param, actual, list(browser.asked), list(browser.errors)


def test_pages_ask_for_nothing_fit_the_screen_and_show_all_pictures(looks):
    width, actual, asked, errors = looks
    assert (asked, errors) == ([], [])
    assert {page: look["broken"] for page, look in actual.items() if look["broken"]} == {}
    assert {page: look["reached"] for page, look in actual.items() if look["reached"] > width} == {}


def test_links_lead_to_what_is_there(looks):
    _, actual, _, _ = looks
    for page, look in actual.items():
        for target in look["links"]:
            file, _, anchor = target.partition("#")
            assert Path(file).is_file(), (page, target)
            assert not anchor or file not in actual or anchor in actual[file]["anchors"], (
                page,
                target,
            )


def test_the_search_works_from_disk(browser):
    browser.open(SITE / "search.html")
    browser.call("Page.navigate", url=f"{(SITE / 'search.html').as_uri()}?q=scancel")
    for _ in range(50):
        browser.settle()
        if actual := browser.value(HITS):
            break
    assert any("cluster.html" in href for href in actual)


def test_a_site_that_loads_from_elsewhere_is_refused(tmp_path, monkeypatch):
    for name in ("sphinx", "sphinx.application", "sphinx.errors"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["sphinx.application"].Sphinx = object
    sys.modules["sphinx.errors"].ExtensionError = RuntimeError
    spec = importlib.util.spec_from_file_location("conf", ROOT / "docs" / "site" / "conf.py")
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    assert conf.loaded_from_network(SITE) == []
    for bad in (
        '<script async src="https://a.example/x.js">',
        '<link href="//a.example/x.css" rel="stylesheet">',
        "<img alt='' src='http://a.example/x.png'>",
        "<style>@import 'https://a.example/x.css'</style>",
        "<style>a {background: url(https://a.example/x.woff2)}</style>",
    ):
        (tmp_path / "a.html").write_text(f'<a href="https://a.example">ok</a>{bad}')
        assert len(conf.loaded_from_network(tmp_path)) == 1, bad
