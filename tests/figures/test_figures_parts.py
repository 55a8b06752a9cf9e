"""The figure of what parts contribute."""

from itertools import product

import pytest
from parts import SETTINGS, experiment_of

from faithcam.figures import part_shapley as figure
from faithcam.figures import style
from faithcam.statistics.parts import of_networks


def test_the_figure_marks_means_over_seeds_and_each_network(tmp_path, monkeypatch):
    figures, save = [], style.Figure.savefig
    monkeypatch.setattr(
        style.Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k))
    )
    part_shapley, models = experiment_of()
    figure.draw(part_shapley, models, SETTINGS, tmp_path / "a.png")
    ax = figures[0].axes[0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["always", "none"]
    sizes = of_networks(part_shapley, models).groupby(["dataset", "part"])["size"]
    means = [line for line in ax.lines if line.get_marker() == "D"]
    parts = list(product(("always", "none"), ("lesion", "marker", "decoy")))
    assert [line.get_ydata()[0] for line in means] == pytest.approx(sizes.mean()[parts].tolist())
    dots = [line for line in ax.lines if line.get_marker() in "osX"]
    for line, part in zip(dots, parts, strict=True):
        assert sorted(line.get_ydata()) == pytest.approx(sorted(sizes.get_group(part)))
    figure.draw(part_shapley, models, SETTINGS, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    figure.draw(part_shapley, models.slice(0, 0), SETTINGS, tmp_path / "b.png")
    assert figures[-1].texts[-1].get_text().startswith("no Shapley values of parts")
