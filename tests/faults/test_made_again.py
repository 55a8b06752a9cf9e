"""Who does what a message on a damaged file advises gets the same bytes again."""

import re
import shutil

import pytest
from damage import DAMAGES, DATA, KINDS, RESULTS, answer, flip, named
from workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.counts("faults")]


def follow(said, path):
    """Do what a message advises: delete what it names, or nothing."""
    assert "run again" in said, said
    if named := re.search(r"delete (\S+)( and (\S+))? and run again", said):
        for name in filter(None, (named[1], named[3])):
            (folder_of(path) / name).unlink()
    else:
        assert not path.exists(), said


def folder_of(path):
    """Return the working directory of a file of the results."""
    return next(above for above in path.parents if (above / RESULTS).is_dir())


@pytest.fixture(scope="module")
def made_again():
    """What was missing of prepared images where they were made again: tried once each."""
    return set()


@pytest.mark.parametrize("damage", ["flip", "remove"])
@pytest.mark.parametrize("kind", DATA)
def test_images_are_made_again_with_the_same_bytes(run, jobs, copied, made_again, kind, damage):
    folder = copied(records=True)
    before = run.contents(folder)
    follow(*answer(run, jobs, folder, kind, DAMAGES[damage]))
    left = run.contents(folder)
    missing = frozenset(before.keys() - left.keys())
    assert missing
    assert {name for name, _ in left.items() - before.items()} <= {KINDS[kind][0]}
    if missing not in made_again:
        done = Workspace(run.workspace.repository, folder).run(named(kind))
        assert done.returncode == 0, done.stdout + done.stderr
        assert run.contents(folder) == before
        made_again.add(missing)


def test_all_else_is_made_again_with_the_same_bytes(run, jobs, copied):
    """What the advice leaves of each kind is put into one folder: one run makes all of it."""
    whole = copied(records=True)
    before = run.contents(whole)
    for kind in KINDS.keys() - DATA.keys():
        folder = copied()
        follow(*answer(run, jobs, folder, kind, flip))
        for name in before.keys() - run.contents(folder).keys():
            (whole / RESULTS / name).unlink(missing_ok=True)
        shutil.rmtree(folder)
    done = Workspace(run.workspace.repository, whole).run(cores=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run.contents(whole) == before
