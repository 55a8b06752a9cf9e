"""What the documentation site takes from README, schema, tables and code is whole and true."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# sections of the README that sum up a page
SUMMARIES = {
    "On a Slurm cluster": "cluster",
    "Speed": "speed",
    "Validity": "validity",
    "When something goes wrong": "troubleshooting",
}


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


def test_every_section_of_the_readme_is_on_one_page(content):
    sections = content.sections((ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted(inserted("readme")) == sorted(set(sections) - set(SUMMARIES))
    for page in SUMMARIES.values():
        assert (DOCS / f"{page}.md").is_file()


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
    found = [module for modules in topics.values() for module in modules]
    package = ROOT / "workflow" / "scripts" / "faithcam"
    there = [p.relative_to(package).with_suffix("").as_posix() for p in package.rglob("*.py")]
    assert sorted(found) == sorted(p for p in there if not p.endswith("__init__"))
    assert all(topics.values())
    assert sorted(inserted("api")) == sorted(topics)


def test_every_config_key_and_what_it_may_be(content):
    text = content.readme("Configuration")
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
    assert "| key | default | meaning |" not in text
    for row in (
        "| `auto` | `auto`, `cpu`, `cuda` |",
        "| `15` | whole number ≥ 1 |",
        "| `[native, 16]` | list of different `native` or whole numbers ≥ 1 |",
        '| `""` | text |',
        "| `0.95` | number &gt; 0.5 and &lt; 1 |",
        "| `false` | `true`, `false` |",
    ):
        assert row in text
    assert "| `rho` | number ≥ 0 and ≤ 1 |  |" in text
    assert "| `flag` | text | yes |" in text
    assert "`source: breakhis`" in text
    assert "| `magnifications` | list of different" in text


def test_every_result_table_with_its_types(content):
    text = content.readme("Result tables") + "\n\n" + content.more_tables()
    shown = re.findall(r"^## `(.+?)`\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    columns = {path: tuple(re.findall(r"^\| `(\w+)` \| \w", body, re.M)) for path, body in shown}
    everything = list(content.schemas().values())
    assert len(columns) == len(everything)
    for schema in everything:
        assert any(list(found)[: len(schema)] == schema.names for found in columns.values())
    assert "| `recall` | list of double | recall of each class" in text
    assert "| `included` | true or false |" in text
    assert "| column | meaning |" not in text


def test_every_kind_of_figure_and_every_picture_is_in_the_gallery(content):
    text = content.gallery()
    from faithcam.report import FIGURES

    for kind, title in FIGURES.items():
        assert f"## {title}\n" in text
        caption = (ROOT / "workflow" / "report" / f"{kind}.rst").read_text().split("\n")[0]
        assert caption.replace("<", "&lt;") in text
    kept = {p.name for p in (DOCS / "figures").glob("*.png")}
    shown = set(re.findall(r"\(figures/([^)]+)\)", text))
    assert kept - shown == {"growth.png"}  # of speed.md, no figure of a report
    assert shown <= kept


def test_every_quoted_error_is_one_of_the_code(content):
    text = "\n".join(pages()[DOCS / f"{name}.md"] for name in ("troubleshooting", "extending"))
    quoted = re.findall(r"^> `(.+)`$", text, re.M)
    assert len(quoted) == len(re.findall(r"^>", text, re.M)) > 30
    quoted += ["cannot be read as Parquet", "no whole safetensors file"]
    assert all(fragment in text for fragment in quoted)
    strings = content.strings()
    assert [q for q in quoted if not any(q in string for string in strings)] == []


def test_the_list_of_errors_has_all_that_are_raised(content):
    found = content.messages()
    for path in (ROOT / "workflow").rglob("*.py"):
        name = path.relative_to(ROOT / "workflow").as_posix()
        for start in re.findall(r'raise FaithcamError\(\s*f?"([^"{]*)', path.read_text()):
            texts = [*found.get(name, []), "config: ", "\\n  "]  # joined from problems
            assert any(text.startswith(start) for text in texts), (name, start)
    problems = found["scripts/faithcam/config.py"]
    assert "datasets: … is not defined; …dataset_definitions has …" in problems
    assert any(text.startswith("metrics: feature_aopc is computed from") for text in problems)
    assert any(text.startswith("incomplete: no model in …") for text in found["rules/common.smk"])
    guards = found["scripts/faithcam/placement.py"]
    assert any(text.endswith("or the folder of a profile of your own") for text in guards)


def test_texts_of_the_code_are_read_as_they_are_shown(content):
    tree = ast.parse('FaithcamError(f"{path}: a " f"{x!r}" + ", ".join(y) + ", b")')
    found = [text for node in ast.walk(tree) for text in content._messages_of(node)]
    assert found == ["…: a ……, b"]


def test_a_table_of_the_readme_that_no_schema_has_is_an_error(content):
    with pytest.raises(ValueError, match=r"results/x.parquet has columns \['dataset'\]"):
        content._readme_table("results/x.parquet", "", "| `dataset` | name |")


def test_inserts_that_are_unknown_are_errors(content):
    with pytest.raises(ValueError, match="no section 'Nowhere'"):
        content.filled("<!-- insert readme: Nowhere -->")
    with pytest.raises(ValueError, match="'poem' is unknown"):
        content.filled("<!-- insert poem -->")


def test_the_rule_graph_keeps_what_leads_where(content):
    drawn = content.rule_graph("\n".join(f"    {a} --> {b}" for a, b in ["ab", "bc", "ac", "ad"]))
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
