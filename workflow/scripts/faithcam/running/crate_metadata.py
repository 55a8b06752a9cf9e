"""What the crate of a finished run says of itself, JSON-LD.

Source: https://w3id.org/ro/wfrun/workflow/0.5
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faithcam
from faithcam.results.checksums import checksum
from faithcam.results.files import read_json
from faithcam.running import snakemake_records
from faithcam.running.archive import CONFIG, ENVIRONMENT
from faithcam.running.manifest import MANIFEST

MAIN = "Snakefile"
BASE = "https://w3id.org/ro/wfrun"
PROFILES = {
    f"{BASE}/process/0.5": "Process Run Crate",
    f"{BASE}/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
LICENCE = "https://spdx.org/licenses/MIT"
FORMATS = {
    ".parquet": "application/vnd.apache.parquet", ".json": "application/json",
    ".html": "text/html", ".png": "image/png", ".yaml": "application/yaml", ".md": "text/markdown",
}  # fmt: skip
MEANING = {
    "concordance": "what the metrics say of damaged truths, by network",
    "data": "prepared images, by data set",
    "logs": "the log of each job",
    "maps": "raw maps, by network",
    "metrics": "scores, by metric and network",
    "models": "weights, histories and predictions of the networks",
    "networks": "what was measured of the author's own networks",
    "runtime": "how long each job took",
    "truth": "what each cell contributes to the score, by network",
}


def describe(folder: Path, parts: Mapping[str, Path], date: int) -> dict[str, Any]:
    """Return the metadata of a crate, JSON-LD.

    Args:
        folder: of the results.
        parts: all files of the crate, by their name in it.
        date: when the report was written, in nanoseconds.
    """
    description = _Description(folder, parts)
    description.add_crate(date)
    main = description.add_workflow()
    asked = description.add_file(
        f"{description.results}/{CONFIG}", name="config", description="all settings of the run"
    )
    made = description.add_results()
    report = next(each for each in made if each.id.endswith("report.html"))
    description.add_slot(main, "input", "config", asked)
    description.add_slot(main, "output", "report", report)
    description.add_run(main, asked, made)
    metadata: dict[str, Any] = description.crate.metadata.generate()
    return metadata


class _Description:
    """What a crate says of itself, put together part by part.

    Args:
        folder: of the results.
        parts: all files of the crate, by their name in it.
    """

    def __init__(self, folder: Path, parts: Mapping[str, Path]) -> None:
        from rocrate.rocrate import ROCrate

        self.parts = parts
        self.results = folder.as_posix()
        self.record = read_json(folder / "provenance.json")
        self.crate = ROCrate(version="1.1")
        self.crate.metadata.extra_contexts.append(TERMS)

    def add_context(self, identifier: str, kind: str, **properties: Any) -> Any:
        """Add something that is no file, and return it."""
        from rocrate.model.contextentity import ContextEntity

        entity = ContextEntity(self.crate, identifier, {"@type": kind, **properties})
        return self.crate.add(entity)

    def add_file(self, part: str, **properties: Any) -> Any:
        """Add a file with its size and sha256, and return it."""
        path = self.parts[part]
        return self.crate.add_file(path, part, properties={**_known(path), **properties})

    def add_crate(self, date: int) -> None:
        """Say what the whole is, and which profiles it has."""
        found = self.crate
        found.name = f"A run of faithcam: {', '.join(self.record['config']['datasets'])}"
        found.description = (
            "Which explanation map of a CNN is right, and which metric finds the right one: all "
            "files of a finished run of the workflow, and the workflow."
        )
        found.datePublished = _time(date / 1e9)
        found.license = self.add_context(
            "#licence", "CreativeWork", name="MIT, and that of each data set",
            description="The workflow: MIT (LICENSE). Images, and what shows them: as the data "
            "sets that they are of, which config and manifests name.",
        )  # fmt: skip
        found.root_dataset["conformsTo"] = [
            self.add_context(
                identifier, "CreativeWork", name=name, version=identifier.rsplit("/", 1)[1]
            )
            for identifier, name in PROFILES.items()
        ]
        self.add_file("README.md", about={"@id": "./"})

    def add_workflow(self) -> Any:
        """Add the workflow and the software that it ran with; return it."""
        path = self.parts[MAIN]
        main = self.crate.add_workflow(
            path, MAIN, main=True, lang="snakemake",
            lang_version=self.record["libraries"]["snakemake"],
            properties={
                **_known(path),
                "name": "faithcam", "version": faithcam.__version__, "license": {"@id": LICENCE},
                "conformsTo": {"@id": BIOSCHEMAS},
            },
        )  # fmt: skip
        self.add_context(LICENCE, "CreativeWork", name="MIT License")
        libraries = {
            name: (f"https://pypi.org/project/{name}/{version}/", version)
            for name, version in self.record["libraries"].items()
            if version != "not installed"
        }
        python = {"Python": ("https://www.python.org/", self.record["python"])}
        main["softwareRequirements"] = [
            self.add_context(url, "SoftwareApplication", name=name, softwareVersion=v, url=url)
            for name, (url, v) in (libraries | python).items()
        ]
        return main

    def add_results(self) -> list[Any]:
        """Add tables, figures and texts by themselves, other results by folder; return them."""
        made = [self.add_file(name) for name in sorted(self.parts) if self._is_result(name)]
        top = f"{self.results}/"
        inner = (name.removeprefix(top) for name in self.parts if name.startswith(top))
        for name in sorted({name.split("/")[0] for name in inner if "/" in name} & {*MEANING}):
            properties = {"name": name, "description": MEANING[name]}
            made.append(self.crate.add_dataset(None, f"{top}{name}/", properties=properties))
        for name, text in (
            (MANIFEST, "sha256 of every file of the results folder, as sha256sum -c reads it"),
            (ENVIRONMENT, "the packages that were installed"),
        ):
            self.add_file(f"{top}{name}", description=text)
        return made

    def add_slot(self, main: Any, key: str, name: str, example: Any) -> None:
        """Add what the workflow takes (``input``) or makes (``output``): a file is an example."""
        slot = self.crate.add_formal_parameter(
            name, "File", f"#{name}", properties={"workExample": {"@id": example.id}}
        )
        main[key] = slot
        example["exampleOfWork"] = slot

    def add_run(self, main: Any, asked: Any, made: Sequence[Any]) -> None:
        """Add the run of the workflow: of what, where and when."""
        record = self.record
        where = record["processor"] if record["gpu"] == "none" else record["gpu"]
        self.crate.root_dataset["mentions"] = self.crate.add_action(
            main, "#run", object=asked, result=[*made],
            properties={
                "name": "Run of the workflow",
                "description": f"Made on {where}, {record['platform']}; commit {record['commit']}.",
                "actionStatus": "http://schema.org/CompletedActionStatus",
                **_ends(self.parts),
            },
        )  # fmt: skip

    def _is_result(self, name: str) -> bool:
        """Return whether a file is described by itself."""
        if not name.startswith(f"{self.results}/"):
            return False
        inner = Path(name).relative_to(self.results)
        return (
            not inner.name.startswith(".")
            and (len(inner.parts) == 1 or inner.parts[0] == "figures")
            and inner.name not in (CONFIG, ENVIRONMENT, MANIFEST)
        )


def _known(path: Path) -> dict[str, str]:
    """Return what is said of every file."""
    return {
        "name": path.name,
        "contentSize": str(path.stat().st_size),
        "sha256": checksum(path, "sha256"),
        "encodingFormat": FORMATS.get(path.suffix, "text/plain"),
    }


def _ends(names: Iterable[str]) -> dict[str, str]:
    """Return when the first job of a run began and its last one ended, as far as that is known."""
    times = [found for name in names if (found := snakemake_records.times(name))]
    if not times:
        return {}
    begun, ended = (list(each) for each in zip(*times, strict=True))
    return {"startTime": _time(min(begun)), "endTime": _time(max(ended))}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
