"""The report: one self-contained HTML page that opens from disk and asks the network for nothing.

The answer comes first, then figures, tables, what was run, and what cannot be concluded.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from faithcam.core.errors import FaithcamError
from faithcam.report import (
    comparison_tables,
    control_tables,
    first_screen,
    map_leaderboard,
    metric_leaderboard,
    network_tables,
    published_tables,
    scope_table,
    subgroup_table,
)
from faithcam.report.answer import answer
from faithcam.report.browser import browser
from faithcam.report.claims import published_claims
from faithcam.report.figure_titles import FIGURES
from faithcam.report.first_screen import Truths
from faithcam.report.run_facts import facts
from faithcam.report.table import Table
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.results.files import read_json, recorded, verified

LARGEST = 19_500_000  # bytes of the page
# what may differ between merged runs, and the last digits or more with it
MACHINES = {"commit": "state of the code", "processor": "kind of processor", "gpu": "kind of GPU"}


def render(
    path: Path | str,
    statistics: pa.Table,
    models: pa.Table,
    checks: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
    figures: Sequence[Path | str],
    captions: Path | str,
    multiverse: pa.Table | None = None,
    part_shapley: pa.Table | None = None,
    cases: Mapping[str, Any] | None = None,
    truths: Truths | None = None,
    subgroups: pa.Table | None = None,
    completeness: pa.Table | None = None,
) -> None:
    """Write the report atomically.

    Args:
        path: HTML file to write.
        statistics: rows of ``STATISTICS``.
        models: rows of ``MODELS``.
        checks: rows of ``CHECKS``.
        evaluations: all that were declared.
        settings: the config, and what :func:`faithcam.report.answer.answer` needs beside it.
        provenance: what was run; ``data`` holds each data set's manifest, ``config`` the config.
        figures: PNG files named ``{figure}-{dataset}.png``, ``figure`` a key of ``FIGURES``.
        captions: folder of ``{figure}.rst``, plain paragraphs.
        multiverse: rows of ``multiverse.parquet``, if it was run.
        part_shapley: rows of ``PART_SHAPLEY``, where the parts of images are known.
        cases: see :func:`faithcam.report.cases.collect`; as many are shown as there is room for.
        truths: what was found against the truth, if there is one: then it is the answer.
        subgroups: rows of ``SUBGROUPS``.
        completeness: rows of ``COMPLETENESS``, of networks whose head is ``other``.

    Raises:
        FaithcamError: if a figure or its caption is missing.
    """
    inputs = (statistics, models, checks, evaluations, settings)
    frame = statistics.to_pandas()
    drawn = [_figure(file, Path(captions)) for file in _in_order(figures)]
    controls = []
    if multiverse is not None:
        controls.append(control_tables.multiverse_table(multiverse.to_pandas(), evaluations))
    if part_shapley is not None:
        controls.append(control_tables.gold_table(part_shapley, models, settings))
    if "localisation" in set(frame["metric"]):
        controls.append(control_tables.localisation_table(frame, settings))
    parts = {
        "title": f"faithcam: {', '.join(settings['datasets'])}",
        "answer": answer(*inputs, multiverse, completeness),
        "screen": truths and first_screen.blocks(truths, *inputs, completeness),
        "boards": _boards(truths, frame, evaluations, settings) if truths else [],
        "controls": controls,
        "figures": drawn,
        "tables": [
            comparison_tables.differences(frame, evaluations, settings),
            comparison_tables.claims(published_claims(statistics)),
            *published_tables.of_run(frame, models, evaluations, settings),
            comparison_tables.against_random(frame, evaluations, settings),
            *_further(frame, evaluations, settings),
            *_by_group(subgroups, provenance, evaluations, settings),
            comparison_tables.haas(frame),
            network_tables.networks(models, settings),
            network_tables.checks(checks),
            *_unproven(completeness),
            network_tables.blanks(frame, evaluations, settings),
            comparison_tables.within(frame, evaluations, settings),
            comparison_tables.means(frame, evaluations, settings),
        ],
        "data": network_tables.data(provenance.get("data", {})),
        "sources": network_tables.sources(provenance),
        "leaks": _leaks(provenance.get("data", {})),
        "facts": facts(provenance),
        "config": json.dumps(provenance.get("config", dict(settings)), indent=2),
        "limits": [*mixed(provenance), *_limits(settings)],
    }
    page = template("report.html.j2").render(parts, cases=None)
    if cases:
        content = browser(cases, LARGEST - len(page.encode()), evaluations)
        page = template("report.html.j2").render(parts, cases=content)
    with recorded(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _boards(
    truths: Truths, frame: Any, evaluations: Evaluations, settings: Mapping[str, Any]
) -> list[Table]:
    """Return the tables of maps and metrics against the truth that have rows."""
    inputs = (truths.validity, truths.concordance, evaluations, settings)
    boards = [
        *map_leaderboard.boards(truths.agreement, settings),
        *metric_leaderboard.boards(*inputs),
        scope_table.scope(frame, settings),
        map_leaderboard.admission(truths.admission, settings),
    ]
    return [board for board in boards if board.rows and board.numbers]


def _unproven(completeness: pa.Table | None) -> list[Table]:
    return (
        [network_tables.completeness(completeness)]
        if completeness is not None and len(completeness)
        else []
    )


def _further(frame: Any, evaluations: Evaluations, settings: Mapping[str, Any]) -> list[Table]:
    table = comparison_tables.further(frame, evaluations, settings)
    return [table] if table.rows else []


def _by_group(
    subgroups: pa.Table | None,
    provenance: Mapping[str, Any],
    evaluations: Evaluations,
    settings: Mapping[str, Any],
) -> list[Table]:
    if subgroups is None or not len(subgroups):
        return []
    # where each seed draws its own images they are data sets of their own there: NAME/seedN
    classes = {name.partition("/")[0]: m["classes"] for name, m in provenance["data"].items()}
    return [subgroup_table.by_group(subgroups.to_pandas(), classes, evaluations, settings)]


def template(name: str) -> Any:
    """Return a template of the folder ``templates``."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _in_order(figures: Sequence[Path | str]) -> list[Path]:
    rank = {name: i for i, name in enumerate(FIGURES)}
    files = [Path(file) for file in figures]
    return sorted(files, key=lambda f: (f.stem.split("-", 1)[-1], rank.get(_kind(f), len(rank))))


def _kind(file: Path) -> str:
    return file.stem.split("-", 1)[0]


def _about(file: Path) -> str:
    dataset = file.stem.split("-", 1)[-1]
    return "all data sets" if dataset == "all" else dataset


def _figure(file: Path, captions: Path) -> dict[str, Any]:
    caption = captions / f"{_kind(file)}.rst"
    for needed in (file, caption):
        if not needed.is_file():
            raise FaithcamError(f"{needed}: missing, the report needs it; run the figures again")
    return {
        "name": file.stem,
        "title": f"{FIGURES.get(_kind(file), _kind(file))}: {_about(file)}",
        "source": f"data:image/webp;base64,{base64.b64encode(_webp(verified(file))).decode()}",
        "caption": caption.read_text(encoding="utf-8").strip().split("\n\n"),
    }


def _webp(file: Path) -> bytes:
    """Return an image without loss, in 40 % of a PNG's bytes: a page holds a hundred figures."""
    content = io.BytesIO()
    with Image.open(file) as image:
        image.save(content, "WEBP", lossless=True, method=2, quality=50)
    return content.getvalue()


def _leaks(manifests: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {leak['a']} ({leak['a_split']}, class {leak['a_label']}) has the same pixels as "
        f"{leak['b']} ({leak['b_split']}, class {leak['b_label']})"
        for name, manifest in manifests.items()
        for leak in manifest.get("leaks", [])
    ]


def mixed(provenance: Mapping[str, Any]) -> list[str]:
    """Return what cannot be concluded where results were made in several ways.

    By several versions of a library, or in merged runs by several states of the code or machines.
    """
    libraries = [
        f"That one environment made these numbers: {name} {' and '.join(found)} did. To have one, "
        "run again with --forceall."
        for name, found in provenance.get("made_with", {}).items()
        if len(found) > 1
    ]
    machines = []
    for key, what in MACHINES.items():
        found = sorted({str(source[key]) for source in provenance.get("sources", [])})
        if len(found) > 1:
            machines.append(f"That one {what} made these numbers: {' and '.join(found)} did.")
    return [*libraries, *machines]


def _limits(settings: Mapping[str, Any]) -> list[str]:
    """Return what no run can conclude, and what this one in particular cannot."""
    limits = [
        *_LIMITS,
        "Anything about other images where the networks of a data set share its test images: "
        "intervals and p-values cover retraining, not new images.",
        "That the pooled networks are a sample of all architectures: 'all' pools the ones listed.",
        "Usefulness from HAAS: a blank map scores exactly 1, amplifying brightness alone moves it, "
        "and maps of the true label give the answer away.",
        "A ranking of metrics or of networks by raw scores: their ranges differ between networks.",
    ]
    simulated = [name for name in settings["datasets"] if settings["data"][name]["simulated"]]
    if simulated:
        limits.append("Anything about patients from phantoms: those images are simulated.")
    if len(simulated) > 1:
        limits.append(
            "That data sets confirm each other independently: all phantoms come from one generator."
        )
    return limits


_LIMITS = (
    "Whether a metric prefers a map because it is faithful: a preference alone cannot tell.",
    "That the three truths are one: what the cells of the last layer contribute (HiResCAM is "
    "exact), what the parts of the image contribute (Shapley values of parts), and what an imputer "
    "answers (AOPC: how the network sees removed regions filled in, on images it was never trained "
    "on).",
    "Faithfulness from Max-Sensitivity: it measures stability. A part of a map that does not "
    "depend on the image makes it stable and says nothing.",
)


def write(
    files: Any,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    captions: Path,
    page: Path | str,
    text: Path | str,
) -> None:
    """Write the report and its answer as plain text.

    Args:
        files: with the names ``statistics``, ``subgroups``, ``models``, ``checks``,
            ``completeness``, ``provenance`` (JSON) and ``figures``; ``truths``: none, or four
            files, as :meth:`.Truths.of` takes them, without rows where nothing has a truth;
            ``multiverse``, ``part_shapley`` and ``cases`` (JSON) hold one file or none.
        evaluations: all that were declared.
        settings: the config, and what :func:`faithcam.report.answer.answer` needs beside it.
        captions: folder of ``{figure}.rst``, plain paragraphs.
        page: HTML file to write.
        text: text file to write, a few paragraphs.
    """
    statistics, models, checks = (
        tables.read(file) for file in (files.statistics, files.models, files.checks)
    )
    multiverse, part_shapley = (
        next(map(tables.read, paths), None) for paths in (files.multiverse, files.part_shapley)
    )
    record = read_json(files.provenance)
    cases = next(map(read_json, files.cases), None)
    truths = Truths.of(*map(tables.read, files.truths)) if files.truths else None
    other = tables.read(files.completeness, filters=pc.field("head") == "other")
    inputs = (statistics, models, checks, evaluations, settings)
    more = (multiverse, part_shapley, cases, truths, tables.read(files.subgroups), other)
    render(page, *inputs, record, files.figures, captions, *more)
    if truths:
        said = first_screen.text(first_screen.blocks(truths, *inputs, other))
    else:
        said = answer(*inputs, multiverse, other).text()
    with recorded(text) as temporary:
        temporary.write_text(f"{said}\n", encoding="utf-8")
