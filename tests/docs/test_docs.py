"""README and docs: links resolve, commands exist, what is made from the code is whole and true."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from faithcam.data.definitions import COLLECTIONS
from faithcam.maps.registry import METHODS
from faithcam.metrics.registry import METRICS
from faithcam.models.registry import ARCHITECTURES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md")),
    *sorted(DOCS.rglob("*.md")),
]


@pytest.fixture(scope="module")
def content():
    spec = importlib.util.spec_from_file_location("site_content", DOCS / "site" / "content.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages():
    return {path: path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}


def inserted(name):
    return [
        x for text in pages().values() for x in re.findall(f"<!-- insert {name}: (.+?) -->", text)
    ]


def prose(path):
    """Return a file's text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(path):
    """Return what GitHub and the site name the headings of a file."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 250


def test_the_readme_names_all_that_there_is():
    text = (ROOT / "README.md").read_text()
    lists = text[text.index("## What there is") : text.index("## Which file holds what")]
    named = set(re.findall(r"`(\w+)`", lists))
    there = {*METHODS, *METRICS, *ARCHITECTURES, *COLLECTIONS}
    assert named == {name for name in there if not name.startswith("timm_")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_resolve(page):
    text = re.sub(r"``?[^`\n]+``?", "", prose(page))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith(("http://", "https://")):
            file, _, anchor = link.partition("#")
            target = page.parent / file if file else page
            assert target.is_file(), link
            assert not anchor or anchor in anchors(target), link
            # the site has the README's text on a page of its own, below docs/
            assert page.parent != ROOT or link.startswith("docs/"), link


def test_commands_name_what_is_there():
    makefile = (ROOT / "Makefile").read_text()
    targets = {name for line in re.findall(r"^([\w -]+):", makefile, re.M) for name in line.split()}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        code = "\n".join(
            "".join(actual)
            for actual in re.findall(r"^```bash\n(.*?)^```$|`([^`\n]+)`", text, re.M | re.S)
        )
        for target in re.findall(r"(?:^|&& |> |/whl/cpu )make ([a-z][\w-]*)", code, re.M):
            assert target in targets, (page, target)
        for file in re.findall(r"\bconfig/\w+\.yaml", code):
            assert (ROOT / file).is_file(), (page, file)


def test_every_page_is_in_the_navigation():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = {
        re.sub(r".*<(.+)>", r"\1", line)
        for tree in re.findall(r"^```{toctree}\n(.*?)^```$", index, re.M | re.S)
        for line in tree.splitlines()
        if line and not line.startswith(":")
    }
    there = {path.relative_to(DOCS).with_suffix("").as_posix() for path in pages()}
    assert listed - {"self"} == there - {"index"}


def test_every_module_is_in_the_api_once(content):
    topics = content.modules()
    actual = [module for modules in topics.values() for module in modules]
    package = ROOT / "workflow" / "scripts" / "faithcam"
    there = [p.relative_to(package).with_suffix("").as_posix() for p in package.rglob("*.py")]
    assert sorted(actual) == sorted(p for p in there if not p.endswith("__init__"))
    assert all(topics.values())
    assert sorted(inserted("api")) == sorted(topics)


def test_every_config_key_and_what_it_may_be(content):
    text = content.config()
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())

    def keys(properties, prefix=""):
        for name, part in properties.items():
            yield from (
                keys(part["properties"], f"{prefix}{name}.")
                if "properties" in part
                else [(prefix + name, part["description"])]
            )

    for name, description in keys(schema["properties"]):
        lines = re.findall(rf"^\| `{re.escape(name)}` \| (.*)$", text, re.M)
        assert any(line.startswith(description.split("--")[0]) for line in lines), name
    for row in (
        "| `auto` | `auto`, `cpu`, `cuda` |",
        "| `16` | whole number ≥ 1 and ≤ 1,000,000 |",
        "| `[native, 16]` | list of different `native` or whole numbers ≥ 1 and ≤ 1,000,000 |",
        '| `""` | text |',
        "| `0.95` | number &gt; 0.5 and &lt; 1 |",
        "| `false` | `true`, `false` |",
    ):
        assert row in text
    assert "| `flag` | Which data set of MedMNIST. | text | yes |" in text
    assert "| `heads` | Instead of the experiment's. | list of different `flatten`" in text
    assert "`source: breakhis`" in text
    assert re.search(r"^\| `magnifications` \| .*\| list of different", text, re.M)
    assert "<!-- insert config keys -->" in pages()[DOCS / "config.md"]


def test_every_result_table_stands_once_with_its_types(content):
    assert sorted(inserted("columns")) == sorted(content.schemas())
    for name, schema in content.schemas().items():
        rows = content.columns(name).splitlines()[2:]
        assert [row.split("`")[1] for row in rows] == schema.names
        for row, field in zip(rows, schema, strict=True):
            meaning = field.metadata[b"meaning"].decode()
            assert row.endswith(f"| {meaning.replace('<', '&lt;').replace('>', '&gt;')} |")
    assert "| `recall` | list of double | recall of each class" in content.columns("MODELS")
    assert "| `included` | true or false |" in content.columns("MODELS")


def test_every_kind_of_figure_and_every_picture_is_in_the_gallery(content):
    text = content.gallery()
    from faithcam.report.figure_titles import FIGURES

    for kind, title in FIGURES.items():
        assert f"## {title}\n" in text
        caption = (ROOT / "workflow" / "report" / f"{kind}.rst").read_text().split("\n")[0]
        assert caption.replace("<", "&lt;") in text
    kept = {p.name for p in (DOCS / "figures").glob("*.png")}
    output = set(re.findall(r"\(figures/([^)]+)\)", text))
    assert kept - output == {"growth.png"}  # of speed.md, no figure of a report
    assert output <= kept


def test_every_quoted_error_is_one_of_the_code(content):
    text = "\n".join(pages()[DOCS / f"{name}.md"] for name in ("troubleshooting", "extending"))
    quoted = re.findall(r"^> `(.+)`$", text, re.M)
    assert len(quoted) == len(re.findall(r"^>", text, re.M)) > 30
    strings = content.strings()
    assert [q for q in quoted if not any(q in string for string in strings)] == []


def test_the_list_of_errors_has_all_that_are_raised(content):
    actual = content.messages()
    for path in (ROOT / "workflow").rglob("*.py"):
        name = path.relative_to(ROOT / "workflow").as_posix()
        for start in re.findall(r'raise FaithcamError\(\s*f?"([^"{]*)', path.read_text()):
            texts = [*actual.get(name, []), "config: ", "\\n  "]  # joined from problems
            assert any(text.startswith(start) for text in texts), (name, start)
    problems = actual["scripts/faithcam/experiment/problems.py"]
    assert "datasets: … is not defined; …dataset_definitions has …" in problems
    assert any(text.startswith("metrics: feature_aopc is computed from") for text in problems)
    assert any(text.startswith("incomplete: no model in …") for text in actual["rules/common.smk"])
    guards = actual["scripts/faithcam/running/placement.py"]
    assert any(text.endswith("or the folder of a profile of your own") for text in guards)


def test_texts_of_the_code_are_read_as_they_are_shown(content):
    tree = ast.parse('FaithcamError(f"{path}: a " f"{x!r}" + ", ".join(y) + ", b")')
    actual = [text for node in ast.walk(tree) for text in content._messages_of(node)]
    assert actual == ["…: a ……, b"]


def test_inserts_that_are_unknown_are_errors(content):
    with pytest.raises(ValueError, match="no table 'NOWHERE', only "):
        content.filled("<!-- insert columns: NOWHERE -->")
    with pytest.raises(ValueError, match="'poem' is unknown"):
        content.filled("<!-- insert poem -->")


def test_the_rule_graph_keeps_what_leads_where(content):
    edges = "\n".join(f"    {a} --> {b}" for a, b in ["ab", "bc", "ac", "ad"])
    drawn = content.filled(f"```mermaid\nflowchart LR\n{edges}\n```")
    assert "mermaid" not in drawn
    assert drawn.count("<path") == 3  # a to c follows from the others
    places = re.findall(r'<text x="[\d.]+" y="([\d.]+)">(\w)</text>', drawn)
    height = {name: float(y) for y, name in places}
    assert height["a"] < height["b"] == height["d"] < height["c"]


def test_shared_packages_have_one_version():
    def pins(name):
        lines = (ROOT / name).read_text().splitlines()
        return dict(line.lower().split("==") for line in lines if "==" in line)

    run, docs = pins("requirements.txt"), pins("requirements-docs.txt")
    assert {"sphinx", "furo", "myst-parser"} <= set(docs)
    assert {n: docs[n] for n in docs if n in run} == {n: run[n] for n in docs if n in run}
