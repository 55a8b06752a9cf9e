"""What the public catalogue of workflows looks for: its file, and workflow/Snakefile."""

import json

import pytest
import yaml
from workspace import ROOT, Workspace

CATALOG = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())


def test_the_catalogue_s_file_says_what_there_is():
    usage = CATALOG["usage"]
    assert usage["report"] is True
    assert "report(" in (ROOT / "workflow" / "rules" / "report.smk").read_text()
    assert usage["mandatory-flags"]["flags"] == []
    assert (ROOT / "config" / "README.md").is_file()


def test_the_archive_s_file_says_what_the_citation_says():
    deposit = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for name in ("title", "license", "keywords"):
        assert deposit[name] == citation[name]
    assert deposit["description"] == f"<p>{citation['abstract'].strip()}</p>"
    assert [each["name"] for each in deposit["creators"]] == [
        each["name"] for each in citation["authors"]
    ]
    cited = {each.get("doi") or each["identifiers"][0]["value"] for each in citation["references"]}
    assert {each["identifier"] for each in deposit["related_identifiers"]} <= cited


@pytest.mark.slow
def test_the_file_that_catalogues_look_for_runs_the_same_jobs(repository, tmp_path):
    workspace = Workspace(repository, tmp_path)
    expected = workspace.planned()
    assert expected.pop("all") == 1
    named = Workspace(repository, tmp_path, main="workflow/Snakefile").planned()
    assert named.pop("everything") == 1
    assert named == expected
