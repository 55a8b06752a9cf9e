"""One of the results folders that are merged: read whole, checked, before anything is written."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from faithcam.core.errors import FaithcamError, reason
from faithcam.core.identity import Identity
from faithcam.experiment import axes
from faithcam.experiment.evaluations import CANDIDATES, Plan
from faithcam.experiment.schema import violations
from faithcam.maps.tables import COMPLETENESS
from faithcam.metrics.tables import (
    CURVES,
    EVALUATIONS,
    PART_SHAPLEY,
    PART_SHAPLEY_KEY,
    SCORES,
    SCORES_KEY,
)
from faithcam.models import facts
from faithcam.models.architecture import path_name
from faithcam.models.own import HEADS
from faithcam.models.tables import MODELS
from faithcam.results import files
from faithcam.results import io as tables
from faithcam.results.tables import CHECKS
from faithcam.running import manifest, placement
from faithcam.running.provenance import PACKAGE
from faithcam.truth.tables import ADMISSION, ADMISSION_KEY, TRUTH, TRUTH_KEY

SCHEMA = PACKAGE / "experiment" / "config.schema.yaml"
PROVENANCE = "provenance.json"
# rows of networks, which a merge puts together: schema, and what names a row
TABLES: dict[str, tuple[pa.Schema, Sequence[str]]] = {
    "scores": (SCORES, SCORES_KEY),
    "candidates": (SCORES, SCORES_KEY),
    "truth": (TRUTH, TRUTH_KEY),
    "truth_admission": (ADMISSION, ADMISSION_KEY),
    "models": (MODELS, tables.IDENTITY),
    "checks": (CHECKS, (*tables.IDENTITY, "check")),
    "curves": (CURVES, (*tables.IDENTITY, "protocol", "setting", "method", "step")),
    "completeness": (COMPLETENESS, (*tables.IDENTITY, "method", "image_id", "class")),
    "part_shapley": (PART_SHAPLEY, PART_SHAPLEY_KEY),
}
OPTIONAL = ("part_shapley",)
# what a merged folder says of where each of its sources was made
MACHINE = ("commit", "uncommitted_changes", "python", "libraries", "platform", "processor", "gpu")


@dataclass(frozen=True)
class Source:
    """A results folder that was checked.

    Args:
        name: what it is called where it is named as a source.
        folder: its path.
        record: its provenance.json.
        digests: sha256 of each file that a merge reads, by its name in the folder.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    digests: Mapping[str, str]

    @property
    def config(self) -> Mapping[str, Any]:
        """The config that it was made with."""
        config: Mapping[str, Any] = self.record["config"]
        return config

    @property
    def sha256(self) -> str:
        """Digest of all files that a merge reads: what the source is told by."""
        lines = [f"{digest}  {name}\n" for name, digest in sorted(self.digests.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def is_merged(self) -> bool:
        """Whether it was merged itself."""
        return "sources" in self.record

    @cached_property
    def planned(self) -> list[Identity]:
        """All networks that were asked for."""
        return [Identity(*names) for names in self.record["networks"]]

    @cached_property
    def own_facts(self) -> dict[str, dict[str, Any]]:
        """What was measured of the networks of its author's own, by the name of the file."""
        return {name: vars(facts.read(self.folder / name)) for name in own_files(self.config)}

    @cached_property
    def present(self) -> set[Identity]:
        """The networks that there are scores of."""
        return self.networks("scores")

    @cached_property
    def candidates(self) -> list[str]:
        """The names of the files that say what metrics say of candidates."""
        if self.is_merged:
            return [f"{CANDIDATES}.parquet"]
        plan, names = plan_of(self.folder, self.config, self.planned), []
        for identity in (each for each in self.planned if each in self.present):
            network = plan.network(identity.dataset, f"{identity.architecture}-{identity.head}")
            if plan.asked_of_candidates(network):
                shards = plan.shards(CANDIDATES, network)
                names += [f"concordance/{identity}/{shard}.parquet" for shard in shards]
        return names

    def path(self, name: str) -> Path:
        """Return the path of a table."""
        return self.folder / f"{name}.parquet"

    def table(self, name: str, wanted: Any = None) -> pa.Table:
        """Return the rows of one of ``TABLES``, or some of them; none where it has no such table.

        Args:
            name: of the table.
            wanted: filter of the rows; None means all.
        """
        schema, _ = TABLES[name]
        read = []
        for path in (self.folder / file for file in self.files_of(name)):
            of_network = path.parent != self.folder
            table = (tables.read_of_network if of_network else tables.read)(path, filters=wanted)
            read.append(_checked(path, table, schema))
        return pa.concat_tables([schema.empty_table(), *read])

    def networks(self, name: str) -> set[Identity]:
        """Return the networks that a table has rows of."""
        found: set[Identity] = set()
        for file in self.files_of(name):
            table = tables.read(self.folder / file, columns=tables.IDENTITY)
            rows = table.group_by(tables.IDENTITY).aggregate([])
            found |= {Identity(**row) for row in rows.to_pylist()}
        return found

    def evaluations(self) -> pa.Table:
        """Return its declared evaluations."""
        return _checked(
            self.path("evaluations"), tables.read(self.path("evaluations")), EVALUATIONS
        )

    def leaves(self) -> list[dict[str, Any]]:
        """Return what is recorded of it as a source: of a merged one, of each of its own."""
        if self.is_merged:
            return list(self.record["sources"])
        return [
            {
                "name": self.name,
                "sha256": self.sha256,
                "networks": [str(network) for network in sorted(self.present, key=str)],
                "files": dict(sorted(self.digests.items())),
                **{name: self.record.get(name) for name in MACHINE},
            }
        ]

    def files_of(self, name: str) -> list[str]:
        """Return the names of the files that a table's rows are in."""
        if name == CANDIDATES:
            return self.candidates
        return [] if name in OPTIONAL and not self.path(name).exists() else [f"{name}.parquet"]


def own_files(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the files in which a run has the facts of its author's own networks."""
    return [f"networks/{path_name(name)}.yaml" for name in axes.own_networks(config)]


def groups_file(config: Mapping[str, Any], dataset: str) -> list[str]:
    """Return the name of the file of the groups that a data set's images are in, if it has one."""
    asked = "subgroups" in config["dataset_definitions"][dataset]
    return [f"data/{dataset}/subgroups.parquet"] if asked else []


def plan_of(folder: Path, config: Mapping[str, Any], planned: Sequence[Identity]) -> Plan:
    """Return the plan of a results folder, whose own networks need not be here."""
    networks = [(n.dataset, n.architecture, n.head, n.seed) for n in planned]
    return Plan({**config, "resources": str(folder)}, networks)


def read(name: str, folder: Path) -> Source:
    """Return a results folder, or an unpacked archive's, if all that a merge reads is whole.

    Raises:
        FaithcamError: if it is no finished run, made by another version of faithcam, or a file of
            it is damaged, missing, not as its record or the folder's manifest says, or of others.
    """
    if not (folder / PROVENANCE).is_file():
        raise FaithcamError(
            f"{folder}: {PROVENANCE} not found, expected the results folder of a finished run; "
            "unpack an archive first (tar -xf), and name the folder that its report.html is in"
        )
    placement.check_version(folder)
    record = files.read_json(folder / PROVENANCE)
    config = record.get("config") if isinstance(record, Mapping) else None
    if not isinstance(config, Mapping):
        raise FaithcamError(
            f"{folder / PROVENANCE}: no config found, expected what a run writes; "
            + files.remedy(folder / PROVENANCE)
        )
    if wrong := violations(config, SCHEMA):
        raise FaithcamError(f"{folder / PROVENANCE}: config: " + "\n  ".join(wrong))
    bare = Source(name, folder, record, {})
    try:
        source = Source(name, folder, record, dict(_digests(folder, _needed(bare))))
        _check_record(source)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise FaithcamError(
            f"{folder / PROVENANCE}: cannot be used ({type(error).__name__}: {reason(error)}), "
            "expected what a run writes, of networks, metrics and data sets that are known here"
        ) from None
    for table in TABLES:
        _check_networks(source, table)
    return source


def _check_record(source: Source) -> None:
    """Look at all that a merge takes from provenance.json; what is not there is no run's."""
    config = source.config
    for network in source.planned:
        named = [axes.of_dataset(config, network.dataset, k) for k in ("architectures", "seeds")]
        known = network.architecture in map(path_name, named[0]) and network.seed in named[1]
        if not known or network.dataset not in config["datasets"] or network.head not in HEADS:
            raise ValueError(f"networks: {network} is none of config")
    _ = source.own_facts
    for name, images in source.record["data"].items():
        table = f"data/{name}/table.parquet"
        found, expected = source.digests.get(table), images["parts"]["table.parquet"]
        if found is not None and found != expected:
            raise files.changed(source.folder / table, found, expected)
    for leaf in source.leaves():
        [leaf[key] for key in ("name", "sha256", "networks", "files", *MACHINE)]


def _needed(source: Source) -> Iterator[str]:
    """Yield the names of all files that a merge reads of a folder."""
    folder, config = source.folder, source.config
    yield PROVENANCE
    yield "evaluations.parquet"
    yield from own_files(config)
    for table in TABLES:
        yield from source.files_of(table)
    for dataset in config["datasets"]:
        if dataset in source.record["data"]:  # whose images all networks share
            yield f"data/{dataset}/table.parquet"
            yield from groups_file(config, dataset)
        for figure in ("examples", "truth_examples"):
            if (folder / "figures" / f"{figure}-{dataset}.png").exists():
                yield f"figures/{figure}-{dataset}.png"
    if (folder / "cases.json").exists():
        yield "cases.json"


def _digests(folder: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each file with its sha256.

    Raises:
        FaithcamError: if it is not what its record says, or not what the manifest says, if the
            folder has one.
    """
    listed = None
    if (folder / manifest.MANIFEST).is_file():
        listed = manifest.read(folder / manifest.MANIFEST)
    for name in names:
        digest = files.digest(files.verified(folder / name))
        if listed is not None and listed.get(name) != digest:
            raise FaithcamError(
                f"{folder / name}: sha256 {digest} found, {listed.get(name, 'no such file')} "
                f"expected by {manifest.MANIFEST} beside it; unpack the archive again, or run "
                "`make archive` again if you changed it on purpose"
            )
        yield name, digest


def _check_networks(source: Source, name: str) -> None:
    """Raise FaithcamError if a table has rows of networks that its config does not ask for."""
    if others := source.networks(name) - set(source.planned):
        raise FaithcamError(
            f"{source.folder}: {name} has rows of {min(map(str, others))}, which the config in "
            f"{PROVENANCE} does not ask for; expected tables of one run, run it again"
        )


def _checked(path: Path, table: pa.Table, schema: pa.Schema) -> pa.Table:
    if not table.schema.equals(schema):
        raise FaithcamError(
            f"{path}: columns {', '.join(table.column_names)} found, expected "
            f"{', '.join(schema.names)}, in their types; a run of this version of faithcam has them"
        )
    return table
