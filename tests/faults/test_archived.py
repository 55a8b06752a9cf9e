"""A run is archived only if every file is there as it was made."""

import pytest
from damage import DAMAGES, KINDS, RESULTS, UNREAD
from workspace import ROOT

from faithcam.running import archive, snakemake_records

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.counts("faults")]

CONFIG = [str(ROOT / "config.yaml"), str(ROOT / "config" / "tiny.yaml")]


@pytest.fixture(scope="module")
def outputs(run):
    """All files that the run has made."""
    done = run.workspace.run("--summary")
    assert done.returncode == 0, done.stderr
    return list(snakemake_records.outputs(done.stdout))


def test_a_sound_run_is_archived(copied, monkeypatch, outputs):
    monkeypatch.chdir(copied(records=True))
    assert archive.main(["archive", *CONFIG], outputs) == 0


@pytest.mark.parametrize("damage", ["flip", "remove"])
@pytest.mark.parametrize("name", [*(name for name, _ in KINDS.values()), *UNREAD])
def test_a_damaged_run_is_not_archived(copied, monkeypatch, capsys, outputs, name, damage):
    folder = copied()
    monkeypatch.chdir(folder)
    DAMAGES[damage](folder / RESULTS / name)
    assert archive.main(["archive", *CONFIG], outputs) == 1
    assert name in capsys.readouterr().err
    assert not (folder / f"{RESULTS}.tar").exists()
