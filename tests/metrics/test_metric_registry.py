"""Metrics are specs and scores: specs are found without torch, and checked."""

import inspect
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.core.setting import Setting
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.metrics import registry
from faithcam.metrics.evaluation import Evaluation, total_passes
from faithcam.metrics.registry import METRICS
from faithcam.metrics.spec import Metric
from faithcam.removal import imputers_spec
from faithcam.running import provenance

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
NEEDED = {"masks", "part_masks", "standard_images", "truth", *imputers_spec.NEEDS}
SPEC = """
from faithcam.metrics.spec import Metric
METRIC = Metric("Mine", True, "me", (0, 1), lambda config, network: []{})
"""


def config(*more):
    return experiment.read([ROOT / "config.yaml", *more])


def network_of(metric):
    """Return a network with all that metrics can need."""
    architecture = (*METRICS[metric].architectures, "vgg_small")[0]
    return Plan(config()).network("phantom_lesion", f"{architecture}-flatten")


def evaluations(metric):
    return registry.evaluations(config(), metric, network_of(metric))


def test_metrics_and_what_they_score_are_known_without_torch():
    text = (
        "import sys, faithcam.running.plan; from faithcam.experiment import config; "
        "from faithcam.experiment.evaluations import Plan; "
        f"print(len(Plan(config.read([{str(ROOT / 'config.yaml')!r}])).table()));"
        "assert 'torch' not in sys.modules"
    )
    folder = str(Path(faithcam.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", text],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": folder},
    )
    assert int(done.stdout) > 100


def test_every_spec_has_a_score_and_every_score_a_spec():
    files = (SCRIPTS / "faithcam" / "metrics").rglob("*.py")
    assert list(METRICS) == sorted(p.stem for p in files if "\ndef score(" in p.read_text())
    for name in METRICS:
        assert registry.spec_file(name).is_file()
        assert registry.code_file(name).stem == name


@pytest.mark.parametrize("name", METRICS)
def test_scores_take_the_options_of_their_spec_and_make_its_tables(name):
    code, metric = import_module(registry.module(name)), METRICS[name]
    first, second, *more = inspect.signature(code.score).parameters.values()
    assert (first.name, second.name) == ("inputs", "evaluations")
    asked = {parameter.name for parameter in more}
    assert asked == set(metric.options(config(), network_of(name)))
    assert set(getattr(code, "schemas", dict)()) == {*metric.tables} - {"checks"}


@pytest.mark.parametrize("name", METRICS)
def test_facts_are_complete(name):
    metric = METRICS[name]
    low, high = metric.range
    assert low < high
    assert metric.title
    assert metric.source.startswith(("arXiv ", "10.", "docs/"))
    assert {*metric.needs, *metric.uses} <= NEEDED
    assert metric.supports(network_of(name)) == (True, "")


def bounds(low, high):
    def number(value):
        return f"{value:g}".replace("-", "\N{MINUS SIGN}")

    if high < float("inf"):
        return f"{number(low)} to {number(high)}"
    return "any" if low == -float("inf") else f"from {number(low)}"


def test_the_table_of_all_metrics_says_what_the_specs_declare():
    table = (ROOT / "docs" / "metrics.md").read_text().split("## All metrics")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    actual = {name.strip("`"): cells for name, *cells in rows}
    assert set(actual) == set(METRICS)
    for name, metric in METRICS.items():
        better = "higher" if metric.larger_is_better else "lower"
        cost = actual[name].pop()
        assert actual[name] == [better, bounds(*metric.range), metric.source], name
        assert ("windows" in cost) == metric.removes, name
        assert (cost == "none") == (total_passes(evaluations(name)) == 0), name


def test_the_table_of_formulas_names_the_primary_settings_of_the_default_config():
    text = (ROOT / "docs" / "metrics.md").read_text()
    table = text.split("## What each one computes")[1].split("\n## ")[0]
    table = table.partition("What else stands in settings")[0]
    lines = table.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    primary = {
        name: str(evaluation.setting)
        for name in METRICS
        for evaluation in evaluations(name)
        if (evaluation.protocol, evaluation.role) == ("strict", "primary")
    }
    assert {row[0].strip("`"): row[-1].strip("`") for row in rows} == primary
    others = set(METRICS) - set(primary)
    assert set(re.findall(r"`(\w+)`", table.rpartition("no primary setting")[2])) == others


def test_the_first_table_names_every_metric():
    text = (ROOT / "docs" / "metrics.md").read_text()
    first = text.split("\n\n| name | what |")[1].split("\n\n")[0]
    rows = "".join(line.split(" | ")[0] for line in first.splitlines()[1:])
    assert sorted(re.findall(r"`(\w+)`", rows)) == sorted(METRICS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "complexity/zz_mine_spec.py: METRIC is missing, expected Metric"),
        ("METRIC = 3\n", "complexity/zz_mine_spec.py: METRIC is int for zz_mine, expected Metric"),
        (SPEC.format(", titel=1"), "complexity/zz_mine_spec.py: cannot be imported (TypeError: "),
        ("METRIC = (", "complexity/zz_mine_spec.py: cannot be imported (SyntaxError: "),
        (SPEC.format(""), "zz_mine.py: no such file, but "),
    ],
)
def test_wrong_specs_are_named(tmp_path, text, words):
    shutil.copytree(SCRIPTS / "faithcam", tmp_path / "faithcam")
    (tmp_path / "faithcam" / "metrics" / "complexity" / "zz_mine_spec.py").write_text(text)
    look = "from faithcam.metrics import registry; registry.code_file('zz_mine')"
    done = subprocess.run(
        [sys.executable, "-c", look],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )
    (error,) = [line for line in done.stderr.splitlines() if ".FaithcamError: " in line]
    assert words in error


def test_an_own_metric_may_have_a_section_and_stands_in_the_lists(monkeypatch):
    changes = {"metrics": ["aopc", "mine"], "mine": {"anything": 3}}
    schema = ROOT / "workflow" / "schemas" / "config.schema.yaml"
    with pytest.raises(FaithcamError, match="mine: unknown key"):
        experiment.validate(experiment.merged(config(), changes), schema)
    evaluation = Evaluation("mine", "strict", Setting(), ("hirescam",), "primary")
    metric = Metric("Mine", True, "me", (0, 1), lambda config, network: [evaluation])
    monkeypatch.setitem(METRICS, "mine", metric)
    experiment.validate(experiment.merged(config(), changes), schema)
    definitions = {"dataset_definitions": {"phantom": {"metrics": ["mine", "yours"]}}}
    with pytest.raises(FaithcamError, match=r"definitions\.phantom\.metrics: 'yours' is unknown"):
        experiment.validate(experiment.merged(config(), definitions), schema)


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("metrics/faithfulness/haas.py", {"haas"}),
        ("metrics/faithfulness/deletion.py", {"deletion"}),
        ("metrics/randomisation/stages.py", set()),
        ("metrics/faithfulness/haas_spec.py", set()),
        ("metrics/faithfulness/aopc_spec.py", set()),
        ("metrics/spec.py", set()),
        ("metrics/networks.py", set()),
        ("evaluations.py", set()),
        ("running/costs.py", set()),
        ("metrics/inputs.py", {*METRICS}),
        ("metrics/evaluation.py", {*METRICS}),
        ("running/scoring.py", {*METRICS}),
    ],
)
def test_the_code_of_a_metric_is_no_other_s_and_holds_no_declaration(monkeypatch, edited, changed):
    def versions():
        provenance._read.cache_clear()
        return {
            name: provenance.code_version(SCRIPTS / "score.py", [registry.code_file(name)])
            for name in METRICS
        }

    before, read = versions(), Path.read_text

    def with_edit(path, **options):
        text = read(path, **options)
        return (
            text + "\nEDITED = True\n" if path.as_posix().endswith(f"faithcam/{edited}") else text
        )

    monkeypatch.setattr(Path, "read_text", with_edit)
    after = versions()
    assert {name for name in before if before[name] != after[name]} == changed
    monkeypatch.undo()
    assert versions() == before
