"""The leaderboards alone: one small page that asks the network for nothing, for the web."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from faithcam.report import map_leaderboard, metric_leaderboard, network_tables
from faithcam.report.first_screen import Truths, limits
from faithcam.report.page import mixed, template
from faithcam.report.wording import planned_networks
from faithcam.results.declared import Evaluations
from faithcam.results.files import atomic_path
from faithcam.statistics.agreement import FORMS
from faithcam.statistics.settings import where


def write(
    path: Path | str,
    truths: Truths | None,
    models: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
    version: str,
    completeness: pa.Table,
) -> None:
    """Write the page.

    Args:
        path: HTML file to write.
        truths: what was found against the truth, if there is one.
        models: rows of ``MODELS``.
        evaluations: all that were declared.
        settings: the config, and what the report needs beside it.
        provenance: what was run.
        version: of faithcam.
        completeness: rows of ``COMPLETENESS``, of networks whose head is ``other``.
    """
    rows = models.to_pylist()
    planned = planned_networks(settings)
    there = sum(bool(row["weights_sha256"]) for row in rows)
    lines = [
        f"{there} of {len(planned)} networks on {', '.join(settings['datasets'])}. A map is right "
        "as far as it agrees with what each cell of the image contributes to the score; a metric "
        "finds it as far as it prefers the nearer one of two maps (C), more often than the best "
        "metric that never asks the network (floor)."
    ]
    if truths is None:
        lines.append("No map of this run was compared with a truth, so there are no leaderboards.")
    libraries = (f"{name} {' and '.join(f)}" for name, f in provenance["made_with"].items())
    page = template("leaderboard.html.j2").render(
        names=", ".join(settings["datasets"]),
        lines=lines,
        boards=[_board(name, truths, rows, evaluations, settings) for name in settings["datasets"]]
        if truths
        else [],
        sources=network_tables.sources(provenance),
        versions=f"faithcam {version}; {', '.join(libraries)}.",
        limits=[*mixed(provenance), *(limits(truths, settings, completeness) if truths else [])],
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _board(
    dataset: str,
    truths: Truths,
    models: list[dict[str, Any]],
    evaluations: Evaluations,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the leaderboards of a data set, and the networks that they are over."""
    of = [row for row in models if row["dataset"] == dataset and row["weights_sha256"]]
    included = sum(row["included"] for row in of)
    architectures = sorted({row["architecture"] for row in of})
    agreement = where(truths.agreement, dataset=dataset)
    maps = [
        map_leaderboard.maps(agreement, dataset, form, settings)
        for form in FORMS
        if len(where(agreement, networks=form, measure="spearman"))
    ]
    text = f"{len(of)} networks ({', '.join(architectures)}), {included} in the summaries."
    text += " The images are simulated." * settings["data"][dataset]["simulated"]
    board: dict[str, Any] = {"name": dataset, "networks": text, "maps": maps, "metrics": None}
    if dataset in set(truths.validity["dataset"]):
        inputs = (truths.validity, truths.concordance, evaluations, settings, dataset)
        board["metrics"] = metric_leaderboard.metrics(*inputs)
        board["recommended"] = metric_leaderboard.recommended(truths.validity, evaluations, dataset)
    return board
