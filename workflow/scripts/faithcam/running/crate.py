"""A finished run as a Workflow Run RO-Crate: its files, the workflow, and what they are.

Source: https://w3id.org/ro/wfrun/workflow/0.5
"""

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.results.checksums import checksum
from faithcam.results.files import atomic_path, read_json
from faithcam.running import snakemake_records
from faithcam.running.archive import CONFIG, ENVIRONMENT, prepare
from faithcam.running.manifest import MANIFEST
from faithcam.running.provenance import PACKAGE

ROOT = PACKAGE.parents[2]
MAIN = "Snakefile"
# of the repository: what runs the workflow, and what may be done with it
WORKFLOW = (
    *(MAIN, "Makefile", "config.yaml", "config", "workflow", "profiles", "envs"),
    *("requirements.txt", "LICENSE", "CITATION.cff", "README.md"),
)
BASE = "https://w3id.org/ro/wfrun"
PROFILES = {
    f"{BASE}/process/0.5": "Process Run Crate",
    f"{BASE}/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
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


def crate(config: Mapping[str, Any], outputs: Iterable[str] = ()) -> str:
    """Write the crate of a finished run beside its folder: the same results give the same bytes.

    Args:
        config: the experiment's.
        outputs: see :func:`faithcam.running.archive.archive`.

    Returns:
        What was written, in a sentence.

    Raises:
        FaithcamError: if rocrate is not installed, and where an archive would be refused.
    """
    try:
        import rocrate.rocrate  # noqa: F401
    except ImportError:
        raise FaithcamError(
            "rocrate: not installed, but a crate is written with it; "
            ".venv/bin/python -m pip install -r requirements-crate.txt, then make crate again"
        ) from None
    if not (ROOT / MAIN).is_file():
        raise FaithcamError(
            f"{ROOT / MAIN}: not there, expected the workflow, which a crate holds; run it in a "
            "clone of the repository"
        )
    members, date = prepare(config, outputs)
    folder = Path(config["results"])
    target = folder.parent / f"{folder.name}.crate.zip"
    parts = {path.relative_to(ROOT).as_posix(): path for path in _workflow()}
    parts |= {path.as_posix(): path for path in members}
    metadata = describe(folder, parts, date)
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        text = json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False)
        archive.writestr(_entry("ro-crate-metadata.json"), text + "\n")
        for name, path in sorted(parts.items()):
            with path.open("rb") as file, archive.open(_entry(name), "w", force_zip64=True) as into:
                while block := file.read(2**20):
                    into.write(block)
    return (
        f"{target}: {len(parts)} files and ro-crate-metadata.json, "
        f"{target.stat().st_size / 1e6:.1f} MB"
    )


def describe(folder: Path, parts: Mapping[str, Path], date: int) -> dict[str, Any]:
    """Return the metadata of a crate, JSON-LD.

    Args:
        folder: of the results.
        parts: all files of the crate, by their name in it.
        date: when the report was written, in nanoseconds.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    record = read_json(folder / "provenance.json")
    results = folder.as_posix()
    found = ROCrate(version="1.1")
    found.metadata.extra_contexts.append(TERMS)

    def context(identifier: str, kind: str, **properties: Any) -> Any:
        return found.add(ContextEntity(found, identifier, {"@type": kind, **properties}))

    def file(part: str, **properties: Any) -> Any:
        path = parts[part]
        return found.add_file(path, part, properties={**_known(path), **properties})

    found.name = f"A run of faithcam: {', '.join(record['config']['datasets'])}"
    found.description = (
        "Which explanation map of a CNN is right, and which metric finds the right one: all files "
        "of a finished run of the workflow, and the workflow."
    )
    found.datePublished = _time(date / 1e9)
    found.license = context(
        "#licence", "CreativeWork", name="MIT, and that of each data set",
        description="The workflow: MIT (LICENSE). Images, and what shows them: as the data sets "
        "that they are of, which config and manifests name.",
    )  # fmt: skip
    found.root_dataset["conformsTo"] = [
        context(identifier, "CreativeWork", name=name, version=identifier.rsplit("/", 1)[1])
        for identifier, name in PROFILES.items()
    ]
    main = found.add_workflow(
        parts[MAIN], MAIN, main=True, lang="snakemake",
        lang_version=record["libraries"]["snakemake"],
        properties={
            **_known(parts[MAIN]),
            "name": "faithcam", "version": faithcam.__version__, "license": {"@id": LICENCE},
            "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
        },
    )  # fmt: skip
    context(LICENCE, "CreativeWork", name="MIT License")
    file("README.md", about={"@id": "./"})
    main["softwareRequirements"] = [
        context(
            f"https://pypi.org/project/{name}/{version}/", "SoftwareApplication", name=name,
            softwareVersion=version, url=f"https://pypi.org/project/{name}/{version}/",
        )
        for name, version in record["libraries"].items()
        if version != "not installed"
    ] + [
        context(
            "https://www.python.org/", "SoftwareApplication", name="Python",
            softwareVersion=record["python"], url="https://www.python.org/",
        )
    ]  # fmt: skip
    asked = file(f"{results}/{CONFIG}", name="config", description="all settings of the run")
    made = [file(name) for name in sorted(parts) if _is_result(name, results)]
    folders = sorted({n.split("/")[len(folder.parts)] for n in parts if _is_below(n, results)})
    made += [
        found.add_dataset(
            None, f"{results}/{name}/", properties={"name": name, "description": text}
        )
        for name in folders
        if (text := MEANING.get(name))
    ]
    for name, text in (
        (MANIFEST, "sha256 of every file of the results folder, as sha256sum -c reads it"),
        (ENVIRONMENT, "the packages that were installed"),
    ):
        file(f"{results}/{name}", description=text)
    report = next(each for each in made if each.id.endswith("report.html"))
    for key, name, example in (("input", "config", asked), ("output", "report", report)):
        slot = found.add_formal_parameter(
            name, "File", f"#{name}", properties={"workExample": {"@id": example.id}}
        )
        main[key] = slot
        example["exampleOfWork"] = slot
    where = record["processor"] if record["gpu"] == "none" else record["gpu"]
    action = found.add_action(
        main, "#run", object=asked, result=made,
        properties={
            "name": "Run of the workflow",
            "description": f"Made on {where}, {record['platform']}; commit {record['commit']}.",
            "actionStatus": "http://schema.org/CompletedActionStatus",
            **_ends(parts),
        },
    )  # fmt: skip
    found.root_dataset["mentions"] = action
    metadata: dict[str, Any] = found.metadata.generate()
    return metadata


def _known(path: Path) -> dict[str, str]:
    """Return what is said of every file."""
    return {
        "name": path.name,
        "contentSize": str(path.stat().st_size),
        "sha256": checksum(path, "sha256"),
        "encodingFormat": FORMATS.get(path.suffix, "text/plain"),
    }


def _workflow() -> Iterator[Path]:
    """Yield all files of the repository that run the workflow, or say what may be done with it."""
    for name in WORKFLOW:
        top = ROOT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            inner = path.relative_to(ROOT).parts
            if path.is_file() and not any(n.startswith(".") or n == "__pycache__" for n in inner):
                yield path


def _is_below(name: str, results: str) -> bool:
    return name.startswith(f"{results}/") and "/" in name.removeprefix(f"{results}/")


def _is_result(name: str, results: str) -> bool:
    """Return whether a file is described by itself: tables, figures, texts of the results."""
    inner = Path(name).relative_to(results) if name.startswith(f"{results}/") else None
    return (
        inner is not None
        and not inner.name.startswith(".")
        and (len(inner.parts) == 1 or inner.parts[0] == "figures")
        and inner.name not in (CONFIG, ENVIRONMENT, MANIFEST)
    )


def _ends(names: Iterable[str]) -> dict[str, str]:
    """Return when the first job of a run began and its last one ended, as far as that is known."""
    times = [found for name in names if (found := snakemake_records.times(name))]
    if not times:
        return {}
    begun, ended = (list(each) for each in zip(*times, strict=True))
    return {"startTime": _time(min(begun)), "endTime": _time(max(ended))}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # of 1980: the same files give the same bytes
    entry.external_attr = 0o644 << 16
    return entry
