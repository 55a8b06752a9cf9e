"""What the public catalogue of workflows looks for: its file, and workflow/Snakefile."""

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


@pytest.mark.slow
def test_the_file_that_catalogues_look_for_runs_the_same_jobs(repository, tmp_path):
    workspace = Workspace(repository, tmp_path)
    expected = workspace.planned()
    assert expected.pop("all") == 1
    named = Workspace(repository, tmp_path, main="workflow/Snakefile").planned()
    assert named.pop("everything") == 1
    assert named == expected
