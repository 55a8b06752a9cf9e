"""What statistics, validity and figures make of the tables of a folder, as the rules' jobs do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from faithcam.core.identity import Identity
from faithcam.data.definitions import is_planted
from faithcam.experiment import axes
from faithcam.experiment import figures as drawn
from faithcam.experiment.evaluations import Plan
from faithcam.figures import controls, draw, part_shapley
from faithcam.figures import truth as figures_of_truth
from faithcam.report import page
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.running import costs, leaderboard
from faithcam.running.leaderboard import TRUTHS
from faithcam.running.merging.source import groups_file, plan_of
from faithcam.statistics import agreement, compare, subgroups
from faithcam.statistics.tables import AGREEMENT, STATISTICS, SUBGROUPS
from faithcam.validity.judgement import judge
from faithcam.validity.multiverse import specifications
from faithcam.validity.tables import CONCORDANCE, MULTIVERSE, VERDICTS


@dataclass(frozen=True)
class Folder:
    """A results folder whose tables of networks are there.

    Args:
        path: of the folder.
        config: of its networks.
        planned: all networks that were asked for.
        datasets: those of them that there are networks of.
    """

    path: Path
    config: Mapping[str, Any]
    planned: Sequence[Identity]
    datasets: Sequence[str]

    @property
    def figures(self) -> Path:
        """The folder of its figures."""
        return self.path / "figures"

    def table(self, name: str) -> Path:
        """Return the path of a table."""
        return self.path / f"{name}.parquet"

    def read(self, name: str) -> pa.Table:
        """Return the rows of a table."""
        return tables.read(self.table(name))

    @property
    def settings(self) -> dict[str, Any]:
        """The config, and what the report needs beside it."""
        networks = [(n.dataset, n.architecture, n.head, n.seed) for n in self.planned]
        return leaderboard.settings(self.config, networks)

    @cached_property
    def plan(self) -> Plan:
        """Its networks, and what was asked of them."""
        return plan_of(self.path, self.config, self.planned)

    @property
    def data_tables(self) -> list[str]:
        """The names of the data sets whose images all networks share: their table is there."""
        definitions = self.config["dataset_definitions"]
        return [name for name in self.datasets if not is_planted(definitions[name])]


def compute(folder: Folder) -> None:
    """Write statistics, agreement, concordance, verdicts and specifications of a folder."""
    plan, settings = folder.plan, folder.settings
    evaluations, models = Evaluations(folder.read("evaluations")), folder.read("models")
    scores = folder.table("scores")
    images = {
        name: tables.read(folder.path / "data" / name / "table.parquet")
        for name in folder.data_tables
    }
    asked = (scores, models, evaluations, settings, images)
    tables.write(folder.table("statistics"), compare.compute(*asked), STATISTICS)
    additive = [[n.dataset, n.architecture] for n in plan.networks if plan.is_additive(n)]
    with_truth = {**settings, "additive": additive}
    groups = {
        name: tables.read(folder.path / file)
        for name in folder.data_tables
        for file in groups_file(folder.config, name)
    }
    table = subgroups.compute(scores, models, evaluations, with_truth, groups)
    tables.write(folder.table("subgroups"), table, SUBGROUPS)
    table = agreement.compute(folder.read("statistics"), with_truth, scores, images)
    tables.write(folder.table("agreement"), table, AGREEMENT)
    table = specifications(scores, models, evaluations, settings)
    tables.write(folder.table("multiverse"), table, MULTIVERSE)
    candidates = [folder.table("candidates")]
    concordance, verdicts = judge(scores, candidates, models, evaluations, settings, images)
    tables.write(folder.table("concordance"), concordance, CONCORDANCE)
    tables.write(folder.table("validity"), verdicts, VERDICTS)


def draw_figures(folder: Folder) -> None:
    """Draw all figures of a folder that need tables alone."""
    plan, config, settings = folder.plan, folder.config, folder.settings
    evaluations = Evaluations(folder.read("evaluations"))
    names = ("curves", "completeness", "models", "statistics")
    stage_tables = {name: folder.read(name) for name in names}
    files = SimpleNamespace(
        **{name: folder.table(name) for name in ("scores", "models", "statistics", *TRUTHS)},
        multiverse=[folder.table("multiverse")],
    )
    for dataset in folder.datasets:

        def paths(names: Sequence[str], of: str = dataset) -> list[Path]:
            return [folder.figures / f"{n}-{of}.png" for n in names if n != "examples"]

        metrics = axes.of_dataset(config, dataset, "metrics")
        chosen = {**settings, "metrics": metrics}
        figures = paths(drawn.of_metrics(metrics))
        draw.draw_all(dataset, stage_tables, evaluations, chosen, figures)
        figures = paths(drawn.of_controls(config, dataset))
        controls.draw_all(dataset, files, evaluations, settings, figures)
        chosen = {**settings, "networks": costs.of_networks(plan, dataset)}
        figures = paths(drawn.of_truth(plan, dataset))
        figures_of_truth.draw_all(dataset, files, evaluations, chosen, figures)
    if folder.table("part_shapley").exists():
        path = folder.figures / "part_shapley-all.png"
        part_shapley.draw(folder.read("part_shapley"), folder.read("models"), settings, path)


def write_report(folder: Folder, captions: Path) -> None:
    """Write report.html and answer.txt of a folder whose tables and figures are there.

    Args:
        folder: of the results.
        captions: folder of ``{figure}.rst``.
    """
    controls_of = [drawn.of_controls(folder.config, name) for name in folder.datasets]
    there = {"part_shapley": folder.table("part_shapley"), "cases": folder.path / "cases.json"}
    whole = ("statistics", "subgroups", "models", "checks", "completeness")
    files = SimpleNamespace(
        **{name: folder.table(name) for name in whole},
        provenance=folder.path / "provenance.json",
        figures=sorted(folder.figures.glob("*.png")),
        truths=[folder.table(name) for name in TRUTHS],
        multiverse=[folder.table("multiverse")] * any("multiverse" in of for of in controls_of),
        **{name: [path] if path.exists() else [] for name, path in there.items()},
    )
    page.write(
        files,
        Evaluations(folder.read("evaluations")),
        folder.settings,
        captions,
        folder.path / "report.html",
        folder.path / "answer.txt",
    )
