"""The rooms of the package: one sentence each, and imports that go one way."""

import ast

import pytest

from faithcam.running import provenance

PACKAGE = provenance.PACKAGE
# a module imports from its own room and from those before it
ROOMS = (
    *("core", "results", "data", "models", "removal", "maps", "truth", "metrics", "statistics"),
    *("validity", "figures", "report", "experiment", "library", "running"),
)
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported(path):
    """Return the rooms of the package that a module imports from."""
    actual = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        actual |= {name.split(".")[1] for name in names if name.startswith("faithcam.")}
    return actual


def room(path):
    return path.relative_to(PACKAGE).parts[0]


def test_nothing_stands_outside_the_rooms():
    rooms = {path.name for path in PACKAGE.iterdir() if any(path.rglob("*.py"))}
    assert rooms == {*ROOMS}
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "py.typed"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(path):
    allowed = ROOMS[: ROOMS.index(room(path)) + 1]
    assert imported(path) - set(allowed) == set()


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_says_what_it_is_for(name):
    text = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text()))
    assert text
    assert text.split("\n")[0].endswith((".", "?"))


def test_only_the_workflow_and_operations_read_the_config():
    """What is asked is no code of a job: it gets its evaluations and settings as values."""
    for script in PACKAGE.parent.glob("*.py"):
        held = {room(p) for p in provenance.closure([script]) if p.is_relative_to(PACKAGE)}
        assert "experiment" not in held or script.stem == "declare_evaluations", script.name
