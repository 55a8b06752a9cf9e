"""The notebook runs from its first cell to its last, and the outputs in it are its own.

After an edit: jupyter nbconvert --to notebook --execute --inplace docs/notebooks/one_image.ipynb,
and take the cells' metadata away, which are times.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
# a picture knows its own PNG
SHOW = """
def show(value):
    if hasattr(value, "_repr_png_"):
        assert value._repr_png_()[1:4] == b"PNG"
    else:
        print(value)
"""


def cells(notebook, kind):
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def shown(code):
    """Return a cell's code that shows what its last line is worth, as a notebook does."""
    tree = ast.parse(code)
    if isinstance(tree.body[-1], ast.Expr):
        tree.body[-1] = ast.parse(f"show({ast.unparse(tree.body[-1])})").body[0]
    return ast.unparse(tree)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, tmp_path):
    code = "\n\n".join(shown("".join(cell["source"])) for cell in cells(notebook, "code"))
    paths = [str(ROOT / "workflow" / "scripts")]
    start = f"import sys; sys.path[:0] = {paths}; sys.modules['snakemake'] = None\n{SHOW}"
    done = subprocess.run(
        [sys.executable, "-c", f"{start}\n{code}"], capture_output=True, text=True, check=False,
        cwd=tmp_path, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "insertion" in done.stdout


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_its_outputs_and_nothing_of_the_machine_that_made_them(notebook):
    text = notebook.read_text(encoding="utf-8")
    assert len(text) < 300_000
    assert not re.search(r"/(home|root|tmp|usr|work)/|Warning|Traceback|seconds", text)
    assert not any(cell["metadata"] for cell in cells(notebook, "code"))  # as times are
    made = [cell["outputs"] for cell in cells(notebook, "code")]
    kinds = {kind for outputs in made for out in outputs for kind in out.get("data", {})}
    assert kinds >= {"image/png", "text/html"}
    assert all(made)
    numbers = [cell["execution_count"] for cell in cells(notebook, "code")]
    assert numbers == [*range(1, len(numbers) + 1)]
