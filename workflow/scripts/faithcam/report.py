"""The report: one self-contained HTML page that opens from disk and asks the network for nothing.

The answer comes first, then figures, tables, what was run, and what cannot be concluded.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from faithcam import report_tables as tables_of
from faithcam import tables
from faithcam.answer import answer, published_claims, sentences
from faithcam.errors import FaithcamError
from faithcam.tables import atomic_path

FIGURES = {
    "paired_differences": "HiResCAM against Grad-CAM, network by network",
    "examples": "Example maps",
    "completeness": "Completeness",
    "aopc_curves": "AOPC curves",
    "max_sensitivity": "Max-Sensitivity",
    "haas": "HAAS",
}
HIDDEN = ("host", "executable")


def render(
    path: Path | str,
    statistics: pa.Table,
    models: pa.Table,
    checks: pa.Table,
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
    figures: Sequence[Path | str],
    captions: Path | str,
) -> None:
    """Write the report atomically.

    Args:
        path: HTML file to write.
        statistics: rows of ``tables.STATISTICS``.
        models: rows of ``tables.MODELS``.
        checks: rows of ``tables.CHECKS``.
        settings: the config (see :func:`faithcam.answer.sentences`).
        provenance: what was run; ``data`` holds each data set's manifest, ``config`` the config.
        figures: PNG files named ``{figure}-{dataset}.png``, ``figure`` a key of ``FIGURES``.
        captions: folder of ``{figure}.rst``, plain paragraphs.

    Raises:
        FaithcamError: if a figure or its caption is missing.
    """
    frame = statistics.to_pandas()
    page = _template().render(
        title=f"faithcam: {', '.join(settings['datasets'])}",
        answer=sentences(statistics, models, checks, settings),
        figures=[_figure(Path(file), Path(captions)) for file in _in_order(figures)],
        tables=[
            tables_of.differences(frame, settings),
            tables_of.claims(published_claims(statistics)),
            tables_of.against_random(frame, settings),
            tables_of.haas(frame),
            tables_of.networks(models, settings),
            tables_of.checks(checks),
            tables_of.blanks(frame),
            tables_of.within(frame, settings),
            tables_of.means(frame, settings),
        ],
        data=tables_of.data(provenance.get("data", {})),
        leaks=_leaks(provenance.get("data", {})),
        facts=_facts(provenance),
        config=json.dumps(provenance.get("config", dict(settings)), indent=2),
        limits=_limits(settings),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _in_order(figures: Sequence[Path | str]) -> list[Path]:
    rank = {name: i for i, name in enumerate(FIGURES)}
    files = [Path(file) for file in figures]
    return sorted(files, key=lambda f: (f.stem.split("-", 1)[-1], rank.get(_kind(f), len(rank))))


def _kind(file: Path) -> str:
    return file.stem.split("-", 1)[0]


def _figure(file: Path, captions: Path) -> dict[str, Any]:
    caption = captions / f"{_kind(file)}.rst"
    for needed in (file, caption):
        if not needed.is_file():
            raise FaithcamError(f"{needed}: missing, the report needs it; run the figures again")
    return {
        "name": file.stem,
        "title": f"{FIGURES.get(_kind(file), _kind(file))}: {file.stem.split('-', 1)[-1]}",
        "source": "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode(),
        "caption": caption.read_text(encoding="utf-8").strip().split("\n\n"),
    }


def _leaks(manifests: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {leak['a']} ({leak['a_split']}, class {leak['a_label']}) has the same pixels as "
        f"{leak['b']} ({leak['b_split']}, class {leak['b_label']})"
        for name, manifest in manifests.items()
        for leak in manifest.get("leaks", [])
    ]


def _facts(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    for key, value in provenance.items():
        if key in ("config", "data", *HIDDEN):
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{name} {entry}" for name, entry in value.items())
        facts.append((key.replace("_", " "), str(value)))
    return facts


def _limits(settings: Mapping[str, Any]) -> list[str]:
    """Return what no run of this version can conclude, and what this one in particular cannot."""
    limits = [
        "Whether a metric prefers a map because it is faithful. That needs controls with a known "
        "truth (sham maps, dead zones, networks whose reasons are built in); none is run here.",
        "Anything about other images: the networks of a data set share its test images, so the "
        "intervals and p-values are about training the network again.",
        "That the pooled networks are a sample of all architectures: 'all' pools the ones listed.",
        "What the image's parts contribute: AOPC shows how the network answers to removed regions "
        "filled in by an imputer, on images it was never trained on. HiResCAM's faithfulness is "
        "about cells of the last layer; these are different truths.",
        "Faithfulness from Max-Sensitivity: it measures stability. A part of a map that does not "
        "depend on the image makes it stable and says nothing; no sham map controls for that here.",
        "Usefulness from HAAS: a blank map scores exactly 1, amplifying brightness alone moves it, "
        "and maps of the true label give the answer away.",
        "A ranking of metrics or of networks by raw scores: their ranges differ between networks.",
    ]
    if any(settings["dataset_definitions"][d]["source"] == "phantom" for d in settings["datasets"]):
        limits.append("Anything about patients from phantoms: those images are simulated.")
    return limits


def write(
    files: Any,
    settings: Mapping[str, Any],
    captions: Path,
    page: Path | str,
    text: Path | str,
) -> None:
    """Write the report and its answer as plain text.

    Args:
        files: with the names ``statistics``, ``models``, ``checks``, ``provenance`` (JSON) and
            ``figures``.
        settings: the config.
        captions: folder of ``{figure}.rst``, plain paragraphs.
        page: HTML file to write.
        text: text file to write, one paragraph.
    """
    statistics, models, checks = (
        tables.read(file) for file in (files.statistics, files.models, files.checks)
    )
    record = json.loads(Path(files.provenance).read_text(encoding="utf-8"))
    render(page, statistics, models, checks, settings, record, files.figures, captions)
    with atomic_path(text) as temporary:
        temporary.write_text(answer(statistics, models, checks, settings) + "\n", encoding="utf-8")
