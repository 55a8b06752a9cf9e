"""Files that must agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow" / "scripts" / "faithcam"


def pins():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("name", ["torch", "analysis"])
def test_environments_pin_what_requirements_pin(name):
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    (libraries,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert libraries
    for line in libraries:
        library, version = line.split("==")
        assert pins()[library] == version


@pytest.mark.parametrize("extra", ["captum", "dicom", "report", "timm", "workflow"])
def test_an_extra_is_pinned(extra):
    """In requirements.txt, or in its own file beside it."""
    own = ROOT / f"requirements-{extra}.txt"
    lines = own.read_text().splitlines() if own.is_file() else []
    pinned = {*pins(), *(line.partition("==")[0] for line in lines if line[0] not in "#-")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["optional-dependencies"][extra]
    names = {re.split("[<>=]", name)[0].lower() for name in asked if "[" not in name}
    assert names <= {name.lower() for name in pinned}


def test_the_analysis_environment_has_no_torch():
    assert "torch" not in (ROOT / "envs" / "analysis.yaml").read_text().split("dependencies")[1]


def test_rules_and_adapters_have_the_same_names():
    rules, scripts = set(), set()
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        for name, script in re.findall(
            r"^ *rule ?(\w+)?:.*?^ +script:\s+\"\.\./scripts/(\w+)\.py\"", text, re.M | re.S
        ):
            scripts.add(script)
            if name:
                rules.add(name)
                assert name == script, path
    adapters = {path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    assert scripts == adapters


def test_adapters_are_thin():
    for path in (ROOT / "workflow" / "scripts").glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 25, path
        assert not re.search(r"^\s*if ", text, re.M), path
        assert "snakemake.config" not in text, path


def test_the_package_never_imports_snakemake():
    for path in PACKAGE.rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake", path.read_text(), re.M), path


def test_snakemake_s_inside_stands_in_one_file_and_was_verified_with_the_pinned_version():
    rules = ROOT / "workflow" / "rules"
    guards = (rules / "internals.smk", PACKAGE / "running" / "snakemake_records.py")
    for path in guards:
        assert set(re.findall(r"\b9\.\d+\.\d+", path.read_text())) == {pins()["snakemake"]}, path
    published = {"snakemake.utils", "snakemake.exceptions"}
    published |= {f"snakemake_interface_logger_plugins.{part}" for part in ("base", "common")}
    mains = (ROOT / "Snakefile", ROOT / "workflow" / "Snakefile")
    for path in (*rules.glob("*.smk"), *mains, *ROOT.glob("workflow/**/*.py")):
        if path not in guards:
            text = path.read_text()
            modules = set(re.findall(r"^\s*(?:from|import) (snakemake[.\w]*)", text, re.M))
            assert modules <= published, path
            assert set(re.findall(r"(?<!/)\bworkflow\.(\w+)", text)) <= {"current_basedir"}, path
            assert '".snakemake' not in text, path


def test_the_snakefile_is_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 60


def test_the_container_is_named_before_the_rules_that_run_in_it():
    snakefile = (ROOT / "Snakefile").read_text()
    rules = snakefile.index("rules/data.smk")
    assert snakefile.index("rules/common.smk") < snakefile.index("container:") < rules
