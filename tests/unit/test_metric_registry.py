"""Metrics are files that declare facts: they are found without torch, and checked."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import faithcam
from faithcam import config as experiment
from faithcam import provenance, tables
from faithcam.errors import FaithcamError
from faithcam.metrics import registry
from faithcam.metrics.facts import Metric
from faithcam.metrics.planning import Model

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
FACTS = 'from faithcam.metrics.facts import Metric\nMETRIC = Metric("Mine", True, "me", (0, 1){})\n'
SCORE = "def score_shard(shard, maps, settings):\n    return None\n"


def config(*more):
    return experiment.read([ROOT / "config.yaml", *more])


def written(folder, text):
    path = folder / "mine.py"
    path.write_text(text)
    return path


def test_metrics_and_their_costs_are_known_without_torch():
    text = (
        "import sys, faithcam.metrics.registry, faithcam.config, faithcam.costs, faithcam.plan;"
        "assert 'torch' not in sys.modules"
    )
    folder = str(Path(faithcam.__file__).parents[1])
    subprocess.run([sys.executable, "-c", text], check=True, env={"PYTHONPATH": folder})


def test_every_file_with_a_score_is_registered_in_alphabetical_order():
    files = {p.stem for p in registry.FOLDER.glob("*.py") if "\ndef score_shard(" in p.read_text()}
    assert list(registry.METRICS) == sorted(files)


@pytest.mark.parametrize("name", registry.METRICS)
def test_facts_are_complete(name):
    metric = registry.METRICS[name]
    low, high = metric.range
    assert low < high
    assert metric.title
    assert metric.source.startswith(("arXiv ", "10.", "docs/"))
    if metric.compared:
        setting = metric.primary_setting(config())
        parts = dict(part.split("=") for part in setting.split(";") if part)
        assert tables.setting(**parts) == setting
    assert set(metric.needs) <= set(config())


def bounds(low, high):
    def number(value):
        return f"{value:g}".replace("-", "\N{MINUS SIGN}")

    if high < float("inf"):
        return f"{number(low)} to {number(high)}"
    return "any" if low == -float("inf") else f"from {number(low)}"


def test_the_table_of_all_metrics_says_what_the_files_declare():
    table = (ROOT / "docs" / "metrics.md").read_text().split("## All metrics")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    found = {name.strip("`"): facts for name, *facts in rows}
    assert set(found) == set(registry.METRICS)
    for name, metric in registry.METRICS.items():
        better = "higher" if metric.larger_is_better else "lower"
        cost = found[name].pop()
        assert found[name] == [better, bounds(*metric.range), metric.source], name
        assert ("windows" in cost) == metric.windows, name
        model = Model("phantom", "vgg_small", "flatten")
        assert (cost == "none") == (metric.passes(config(), model) == 0), name


def test_the_table_of_formulas_names_the_primary_settings_of_the_default_config():
    text = (ROOT / "docs" / "metrics.md").read_text()
    table = text.split("## What each one computes")[1].split("\n## ")[0]
    table = table.partition("What else stands in settings")[0]
    lines = table.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    found = {row[0].strip("`"): row[-1].strip("`") for row in rows}
    compared = {name: metric for name, metric in registry.METRICS.items() if metric.compared}
    assert found == {name: metric.primary_setting(config()) for name, metric in compared.items()}
    others = set(registry.METRICS) - set(compared)
    assert set(re.findall(r"`(\w+)`", table.rpartition("no primary setting")[2])) == others


def test_the_readme_names_every_metric():
    text = (ROOT / "README.md").read_text()
    section = text.split("### Metrics\n")[1].split("\n### ")[0]
    assert set(re.findall(r"`(\w+)`", section)) >= set(registry.METRICS)


def test_facts_are_those_of_the_module():
    from importlib import import_module

    for name, metric in registry.METRICS.items():
        theirs = import_module(f"faithcam.metrics.{name}").METRIC
        assert (metric.title, metric.range, metric.needs) == (
            theirs.title,
            theirs.range,
            theirs.needs,
        )


def test_only_the_facts_of_a_file_are_evaluated(tmp_path):
    made = "COST = 3\n\n\ndef passes(config, model):\n    return COST * config['n']\n"
    text = "import no_such_package\n" + made + FACTS.format(", passes=passes") + SCORE
    metric = registry.declared(written(tmp_path, text))
    assert metric.title == "Mine"
    assert metric.passes({"n": 2}, None) == 6
    assert registry.declared(written(tmp_path, "import no_such_package\n" + SCORE)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FACTS.format(""), "mine.py: METRIC found, but no function score_shard"),
        ("METRIC = 3\n" + SCORE, "mine.py: METRIC is int, expected Metric"),
        (FACTS.format(", titel=1") + SCORE, "mine.py: METRIC cannot be evaluated: .*titel"),
        ("METRIC = (", "mine.py: no Python"),
    ],
)
def test_wrong_files_are_named(tmp_path, text, words):
    with pytest.raises(FaithcamError, match=words):
        registry.declared(written(tmp_path, text))


def test_directions_can_be_reversed_by_a_part_of_the_setting():
    metric = Metric("Mine", True, "me", (0, 1), reverses=("order=lerf",))
    assert metric.is_better_larger("order=morf")
    assert not metric.is_better_larger("draws=1;order=lerf")


def test_an_own_metric_may_have_a_section_and_stands_in_the_lists(monkeypatch):
    own = {"metrics": ["aopc", "mine"], "mine": {"anything": 3}}
    schema = ROOT / "workflow" / "schemas" / "config.schema.yaml"
    with pytest.raises(FaithcamError, match="mine: unknown key"):
        experiment.validate(experiment.merged(config(), own), schema)
    metric = Metric("Mine", True, "me", (0, 1))
    monkeypatch.setitem(registry.METRICS, "mine", metric)
    experiment.validate(experiment.merged(config(), own), schema)
    definitions = {"dataset_definitions": {"phantom": {"metrics": ["mine", "yours"]}}}
    with pytest.raises(FaithcamError, match=r"definitions\.phantom\.metrics: 'yours' is unknown"):
        experiment.validate(experiment.merged(config(), definitions), schema)


def test_the_code_of_one_metric_is_not_that_of_another(monkeypatch):
    def versions():
        provenance._read.cache_clear()
        return {
            name: provenance.code_version(SCRIPTS / "score.py", [registry.file(name)])
            for name in registry.METRICS
        }

    before, read = versions(), Path.read_text

    def edited(path, **options):
        text = read(path, **options)
        return text + "\nEDITED = True\n" if path.name == "haas.py" else text

    monkeypatch.setattr(Path, "read_text", edited)
    after = versions()
    changed = {name for name in before if before[name] != after[name]}
    assert {"haas"} < changed <= {"haas", "dose_response", "damage_ladder"}
    monkeypatch.undo()
    assert versions() == before
