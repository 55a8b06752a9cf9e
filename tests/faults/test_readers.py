"""Whatever happens to a file of a run, the job that reads it names it and writes nothing."""

import pytest
from damage import DAMAGES, KINDS, answer

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.counts("faults")]


@pytest.mark.parametrize("rule", ["collect_scores", "explain_gap"])
def test_a_job_of_sound_files_gives_the_same_bytes(run, jobs, copied, rule):
    folder = copied()
    before = run.contents(folder)
    script, job = next((path, job) for path, job in run.scripts if job.rule == rule)
    for name in job.output:
        (folder / name).unlink()
    assert jobs.run(folder, script)[0] == 0
    assert run.contents(folder) == before


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_job_that_reads_it_names_it_and_writes_nothing(run, jobs, copied, kind, damage):
    folder = copied()
    before = run.contents(folder)
    answer(run, jobs, folder, kind, DAMAGES[damage])
    changed = set(before.items()) ^ set(run.contents(folder).items())
    assert {name for name, _ in changed} == {KINDS[kind][0]}
