"""Results folders as finished runs leave them, small, of which several are merged."""

import json
from pathlib import Path

import pyarrow as pa
import synthetic
import yaml
from PIL import Image
from put import put

import faithcam
from faithcam.data.tables import DATA_TABLE
from faithcam.experiment import config as experiment
from faithcam.experiment import datasets
from faithcam.metrics.tables import EVALUATIONS, EVALUATIONS_KEY
from faithcam.models.architecture import path_name
from faithcam.results import io as tables
from faithcam.results.checksums import checksum
from faithcam.results.files import recorded
from faithcam.running.merging.source import TABLES

ROOT = Path(__file__).parents[2]
SMALL = {
    "architectures": ["vgg_small"],
    "explained_images": 8,
    "gap_twins": "all",
    "controls": [],
    "methods": ["cam", "gradcam", "hirescam"],
    "metrics": ["haas"],
    "statistics": {"confidence": 0.95, "resamples": 50, "primary": ["haas"]},
    "concordance": {"primary": ["haas"]},
    "report": {"cases": 0},
}


def config(**changes):
    """Return the config of a run: config.yaml, small, with other values of some keys."""
    base = experiment.merged(experiment.read([ROOT / "config.yaml"]), SMALL)
    return experiment.merged(base, changes)


OWN = "theirmodels:build"  # a network of somebody's own: no module of that name is here
FACTS = {
    **{"name": OWN, "channels": 32, "stride": 8, "rounds_up": True, "multiply_adds": 540},
    **{"parameters": 14336, "offset": -3.5},
}


def write_own_run(folder, seeds, head="other", **changes):
    """Write the results folder of a run of a network of somebody's own, and return its path."""
    asked = config(seeds=list(seeds), architectures=[OWN], **changes)
    made = asked | {"architectures": [path_name(OWN)], "heads": ["flatten"]}
    networks = [[d, path_name(OWN), head, seed] for d in asked["datasets"] for seed in seeds]
    with recorded(folder / "networks" / f"{path_name(OWN)}.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(FACTS | {"head": head}))
    return _write(folder, made, {"config": asked, "networks": networks}, head=head)


def write_run(folder, seeds, record=(), numbers=0, **changes):
    """Write the results folder of a finished run, and return its path.

    Args:
        folder: to be made.
        seeds: the training seeds of its networks.
        record: other entries of provenance.json.
        numbers: seed of the scores; with the same one a network has the same scores in all runs.
        **changes: of the config.
    """
    asked = config(seeds=list(seeds), **changes)
    planned = {"networks": datasets.plan(asked)["networks"]}
    return _write(folder, asked, planned | dict(record), numbers)


def _write(folder, asked, record, numbers=0, head=""):
    """Write a folder of the networks that a config asks for; the head of all is another one."""
    run = synthetic.run(seed=numbers, config=asked)
    given = {name: schema.empty_table() for name, (schema, _) in TABLES.items()}
    del given["candidates"], given["part_shapley"]  # nothing has a truth
    given |= {"scores": run.scores, "models": run.models, "checks": run.checks}
    sums = [synthetic.completeness(8, asked | {"seeds": [seed]}) for seed in asked["seeds"]]
    given |= {"completeness": pa.concat_tables(sums)}
    if head:
        given = {name: _with_head(table, head) for name, table in given.items()}
    for name, table in given.items():
        write_table(folder / f"{name}.parquet", table, *TABLES[name])
    declared = synthetic.evaluation_table(given["scores"], config=asked)
    write_table(folder / "evaluations.parquet", declared, EVALUATIONS, EVALUATIONS_KEY)
    for name in asked["datasets"]:
        images = {"image_id": range(40), "split": ["test"] * 40, "label": [0] * 40}
        images |= {"group": [f"{i // 6}" for i in range(40)], "name": list(map(str, range(40)))}
        images |= {"pixels_sha256": [""] * 40, "has_mask": [True] * 40}
        tables.write(folder / "data" / name / "table.parquet", images, DATA_TABLE)
        picture = folder / "figures" / f"examples-{name}.png"
        with recorded(picture) as temporary:
            Image.new("RGB", (8, 8)).save(temporary, "PNG")
    known = synthetic.provenance(asked) | {"processor": "EPYC", "gpu": "none", "executable": "x"}
    for name, images in known["data"].items():
        table = folder / "data" / name / "table.parquet"
        images["parts"] = {"table.parquet": checksum(table, "sha256")}
    put(folder / "provenance.json", json.dumps(known | record))
    (folder / "version.txt").write_text(f"{faithcam.__version__}\n")
    return folder


def _with_head(table, head):
    place = table.column_names.index("head")
    values = pa.array([head] * len(table), table.schema.field("head").type)
    return table.set_column(place, table.schema.field("head"), values)


def write_table(path, table, schema, key):
    """Write a table as its job does."""
    tables.write(path, tables.concatenate([table], schema, key), schema)
