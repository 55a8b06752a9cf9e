"""Your own images in a run: refused before it begins, and watched while nothing else counts."""

import pytest
from folders import classes, picture
from workspace import Workspace

from faithcam.running import plan


def experiment(path, folder):
    """Write the config of a data set and return its file."""
    mine = f"{{source: folder, path: {folder}, size: 32}}"
    path.write_text(f"datasets: [mine]\ndataset_definitions: {{mine: {mine}}}\n")
    return "config/tiny.yaml", path


def test_images_that_cannot_be_used_stop_before_anything_runs(repository, tmp_path, capsys):
    for split in ("train", "test"):
        classes(tmp_path / "i" / split)
    configs = experiment(tmp_path / "x.yaml", tmp_path / "i")
    done = Workspace(repository, tmp_path).run(configs=configs)
    output = done.stdout + done.stderr
    message = f"dataset_definitions.mine: {tmp_path}/i: folders test, train are named like splits"
    assert done.returncode != 0
    assert message in output
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()
    files = [repository / name for name in ("config.yaml", *configs)]
    assert plan.main([str(file) for file in files]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.runs
def test_images_alone_are_watched(repository, tmp_path):
    root = classes(tmp_path / "i", 25)
    names = sorted(file.relative_to(root) for file in root.glob("*/*.png"))
    rows = "".join(f'{name.parent}, "{name}"\n' for name in names)
    (root / "list.csv").write_text(f"label, path\n{rows}")
    for i, path in enumerate((root / "list.csv", root)):
        workspace = Workspace(repository, tmp_path)
        options = {"configs": experiment(tmp_path / f"{i}.yaml", path)}
        done = workspace.run("data", **options)
        assert done.returncode == 0, done.stdout + done.stderr
        for name in ("Thumbs.db", ".DS_Store", "notes.txt"):
            (root / "cat" / name).write_bytes(bytes(i))
        assert workspace.planned("data", **options) == {}
        picture(root / names[3])
        assert workspace.planned("data", **options)["prepare_data"] == 1
    left_out = (
        "4 files are no images by name or content and are left out (.csv 1, .txt 1, hidden 2)"
    )
    assert f"Note: data set mine: {root}: {left_out}" in done.stderr
