"""Merge results folders: tables of all their networks, then all that is made of tables again."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from faithcam.core.errors import FaithcamError, reason
from faithcam.core.identity import Identity
from faithcam.experiment import figures as drawn
from faithcam.metrics.tables import EVALUATIONS
from faithcam.report.cases import shown_settings
from faithcam.report.cases import write as write_cases
from faithcam.results import files
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.running import collect, leaderboard, manifest, placement, provenance
from faithcam.running.merging import cases, rows, settings, source, summaries
from faithcam.running.merging.source import OPTIONAL, TABLES, Source
from faithcam.running.merging.summaries import Folder

CAPTIONS = provenance.PACKAGE.parents[1] / "report"  # of figures, in the repository
EXAMPLES = ("examples", "truth_examples")  # figures that need images and maps


def merge(folders: Sequence[tuple[str, Path]], target: Path) -> Folder:
    """Write one results folder of several: the same folders give the same bytes, in any order.

    Args:
        folders: name and path of each.
        target: the new folder; nothing is there yet.

    Raises:
        FaithcamError: if a folder is damaged or no finished run, if they are no parts of one
            experiment, or a network is in several with other numbers. Then nothing is written.
    """
    if len(folders) < 2:
        raise FaithcamError(f"{len(folders)} results folder found, expected two or more to merge")
    if os.path.lexists(target):
        raise FaithcamError(f"{target}: is there already; name a new folder after --into")
    for _, path in folders:
        if target.resolve().is_relative_to(path.resolve()):
            raise FaithcamError(f"{target}: lies in {path}, which is merged; name another folder")
    if not CAPTIONS.is_dir():
        raise FaithcamError(
            f"{CAPTIONS}: not there, expected the captions of figures; merge in a clone of the "
            "repository, where they are"
        )
    sources = _each_once([source.read(name, path) for name, path in folders])
    if len(sources) < 2:
        raise FaithcamError("the folders hold one and the same run, expected two or more to merge")
    settings.check(sources)
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        folder = _folder(place / target.name, sources)
        # arithmetic of one thread, as in the jobs of these rules: others have other last digits
        with threadpool_limits(1):
            _write(folder, sources)
        folder.path.rename(target)
    finally:
        shutil.rmtree(place)
    return Folder(target, folder.config, folder.planned, folder.datasets)


def _each_once(sources: Sequence[Source]) -> list[Source]:
    """Return the sources in an order of their own: by what is in them."""
    return [each for _, each in sorted({each.sha256: each for each in sources}.items())]


def _folder(path: Path, sources: Sequence[Source]) -> Folder:
    config = settings.merged(sources)
    there = {network.dataset for each in sources for network in each.present}
    datasets = [name for name in config["datasets"] if name in there]
    return Folder(path, config, settings.planned(sources, config), datasets)


def _write(folder: Folder, sources: Sequence[Source]) -> None:
    folder.path.mkdir()
    placement.note_version(folder.path)
    declared = rows.evaluations(sources)
    owner = rows.owners(sources)
    tables.write(folder.table("evaluations"), declared, EVALUATIONS)
    for name, (schema, _) in TABLES.items():
        if name in OPTIONAL and not any(each.files_of(name) for each in sources):
            continue
        table = rows.joined(name, sources, owner)
        if name == "scores":
            collect.check_declared(table, declared)
        tables.write(folder.table(name), table, schema)
    for name in source.own_files(folder.config):
        _copy(name, sources, folder)
    for name in folder.data_tables:
        for file in (f"data/{name}/table.parquet", *source.groups_file(folder.config, name)):
            _copy(file, sources, folder)
    summaries.compute(folder)
    _copy_examples(folder, sources, owner)
    summaries.draw_figures(folder)
    _write_cases(folder, sources, owner)
    _write_provenance(folder, sources)
    summaries.write_report(folder, CAPTIONS)
    leaderboard.write(folder.path, folder.path / "leaderboard.html")
    names, _ = manifest.listing(folder.path)
    with files.atomic_path(folder.path / manifest.MANIFEST) as temporary:
        temporary.write_text(manifest.text(folder.path, names), encoding="utf-8")


def _copy(name: str, sources: Iterable[Source], folder: Folder) -> None:
    """Copy a file, with its record, of the first source that has it."""
    for each in sources:
        if name in each.digests:
            target = folder.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            for file in (each.folder / name, files.record_path(each.folder / name)):
                if file.exists():
                    shutil.copyfile(file, target.parent / file.name)
            return


def _copy_examples(
    folder: Folder, sources: Sequence[Source], owner: Mapping[Identity, Source]
) -> None:
    """Copy the figures of each data set that show images: of the run that has its first network."""
    plan = folder.plan
    for dataset in folder.datasets:
        there = [n for n in folder.planned if n.dataset == dataset and n in owner[n].present]
        having = [n for n in there if plan.estimands(plan.network(dataset, n.model.split("/")[0]))]
        for name, networks in zip(EXAMPLES, (there, having), strict=True):
            if networks:
                first = owner[drawn.first(networks, attrgetter("head"))]
                _copy(f"figures/{name}-{dataset}.png", [first, *sources], folder)


def _write_cases(
    folder: Folder, sources: Sequence[Source], owner: Mapping[Identity, Source]
) -> None:
    having = [each for each in sources if "cases.json" in each.digests]
    if having:
        places = [
            (n.dataset, f"{n.architecture}-{n.head}", f"seed{n.seed}")
            for n in folder.planned
            if n in owner[n].present
        ]
        evaluations = Evaluations(folder.read("evaluations"))
        columns = shown_settings(evaluations, folder.settings["plan"]["metrics"])
        paths = [each.folder / "cases.json" for each in having]
        try:
            joined = cases.joined(list(map(files.read_json, paths)), places, columns)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise FaithcamError(
                f"{', '.join(map(str, paths))}: one cannot be used ({type(error).__name__}: "
                f"{reason(error)}), expected the example cases that a run collects; run again"
            ) from None
        write_cases(folder.path / "cases.json", joined)


def _write_provenance(folder: Folder, sources: Sequence[Source]) -> None:
    written = sorted(folder.path.glob("*.parquet"))
    config: dict[str, Any] = {**folder.config}
    networks = folder.settings["plan"]["networks"]
    used = {name: each for run in sources for name, each in run.record.get("plugins", {}).items()}
    data = settings.data(sources)
    record = provenance.record(
        config, data, networks, map(str, written), dict(sorted(used.items()))
    )
    leaves = {leaf["sha256"]: leaf for each in sources for leaf in each.leaves()}
    record["sources"] = [leaf for _, leaf in sorted(leaves.items())]
    provenance.write(folder.path / "provenance.json", record)
