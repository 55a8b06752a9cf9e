"""From drawn volumes to the report in one process: several findings each, untrained networks."""

import base64
import io
import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from faithcam import cases, collect, config, maps, provenance, report, tables
from faithcam.cams import registry as cams
from faithcam.data import prepare, store
from faithcam.figures import draw, examples, validity
from faithcam.identity import Identity
from faithcam.metrics import registry as metrics
from faithcam.models import evaluate, train
from faithcam.shard import ShardMaps, open_shard
from faithcam.statistics import compare
from faithcam.validity.judge import judge

ROOT = Path(__file__).parents[2]
OVER = {
    "device": "cpu",
    "batch_size": 4,
    "explained_images": 6,
    "seeds": [0, 1],
    "methods": ["cam", "gradcam", "hirescam"],
    "dataset_definitions": {
        "ct": {
            **{"size": 32, "slices": 4, "train": 16, "val": 16, "test": 32},
            "control": "untrained",
        }
    },
    "aopc": {"thesis": {"regions": [16]}, "strict": {"regions": ["native", 16], "fractions": []}},
    "max_sensitivity": {
        "thesis": {"radii": [0.1], "samples": [2]},
        "strict": {"radii": [0.1], "samples": 2},
    },
    "statistics": {"resamples": 50},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Do what the workflow's jobs do; return the folder and the config."""
    folder = tmp_path_factory.mktemp("volumes")
    files = [ROOT / "config.yaml", ROOT / "config" / "volumes.yaml"]
    settings = config.merged(config.read(files), OVER)
    config.validate(settings, ROOT / "workflow" / "schemas" / "config.schema.yaml")
    definition = settings["dataset_definitions"]["ct"]
    prepare.prepare("ct", definition, settings["seed"], [], folder / "ct", [], 0)
    manifest, parts = folder / "ct" / "manifest.json", {}
    given = SimpleNamespace(predictions=[], manifests=[], maps=[])
    for _, architecture, head, seed in config.planned(settings):
        own = folder / "models" / "ct" / f"{architecture}-{head}" / f"seed{seed}"
        identity = Identity("ct", architecture, head, seed)
        train.obtain(identity, manifest, settings | {"control": "untrained"}, own)
        names = SimpleNamespace(**vars(identity), model=f"{architecture}-{head}", shard="0-6")
        where = SimpleNamespace(
            manifest=manifest,
            weights=own / "weights.safetensors",
            predictions=own / "predictions.parquet",
        )
        shard = open_shard(names, where, settings)
        methods = cams.supported([*settings["methods"], *settings["controls"]], head)
        found, checks = maps.compute(shard, methods)
        place = folder / "maps" / "ct" / f"{architecture}-{head}" / f"seed{seed}"
        stored = []
        for method, table in found.items():
            stored.append(str(place / method / "0-6.parquet"))
            tables.write(stored[-1], table, table.schema)
        parts.setdefault("checks", []).append(checks)
        given.predictions.append(str(where.predictions))
        given.manifests.append(str(manifest))
        given.maps += stored
        for metric in metrics.supported(settings, "ct", architecture, head):
            scored = methods
            if metrics.METRICS[metric].maps == "own":
                scored = cams.from_model(methods)
            score = import_module(f"faithcam.metrics.{metric}").score_shard
            tables_ = score(shard, ShardMaps(shard, scored, stored), settings)
            if metric == "aopc":
                for name, table in zip(("scores", "curves", "checks"), tables_, strict=True):
                    parts.setdefault(name, []).append(table)
            else:
                parts.setdefault("scores", []).append(tables_)
    for name, found in parts.items():
        for i, table in enumerate(found):
            tables.write(folder / name / f"{i}.parquet", table, table.schema)
        parts[name] = [folder / name / f"{i}.parquet" for i in range(len(found))]
    planned = [(d, f"{a}-{h}", s) for d, a, h, s in config.planned(settings)]
    manifests = {"ct": json.loads(manifest.read_text())}
    models = evaluate.models_table(folder / "models", planned, manifests, 1, None, ["ct"])
    included = pa.array([True] * len(models))  # untrained networks would not be
    models = models.set_column(models.column_names.index("included"), "included", included)
    results = {
        "scores": (collect.scores(parts["scores"]), tables.SCORES),
        "curves": (collect.curves(parts["curves"]), tables.CURVES),
        "checks": (collect.checks(parts["checks"]), tables.CHECKS),
        "completeness": (collect.completeness(given.maps), tables.COMPLETENESS),
        "models": (models, tables.MODELS),
    }
    images = {"ct": tables.read(folder / "ct" / "table.parquet")}
    statistics = compare.compute(results["scores"][0], models, settings, images)
    results["statistics"] = (statistics, tables.STATISTICS)
    for name, (table, schema) in results.items():
        tables.write(folder / f"{name}.parquet", table, schema)
    judged = judge(folder / "scores.parquet", models, settings, None)
    schemas = {"validity": tables.VALIDITY, "multiverse": tables.MULTIVERSE}
    for (name, schema), table in zip(schemas.items(), judged, strict=True):
        tables.write(folder / f"{name}.parquet", table, schema)
    _report(folder, settings, given, results, manifests)
    return folder, settings


def _report(folder, settings, given, results, manifests):
    given.scores, given.statistics = folder / "scores.parquet", folder / "statistics.parquet"
    cases.write(folder / "cases.json", cases.collect(given, settings))
    paths = {
        name: folder / f"{name}-ct.png"
        for name in (
            *("aopc_curves", "completeness", "haas", "max_sensitivity", "paired_differences"),
            *("decision", "sham", "examples"),
        )
    }
    drawn = {name: table for name, (table, _) in results.items()}
    own = ("decision", "sham", "examples")
    draw.draw_all("ct", drawn, settings, [p for n, p in paths.items() if n not in own])
    names = ("validity", "multiverse", "scores", "models", "statistics")
    files = SimpleNamespace(**{name: folder / f"{name}.parquet" for name in names})
    validity.draw_all("ct", files, settings, [paths["decision"], paths["sham"]])
    shown = [file for file in given.maps if "flatten/seed0" in file]
    examples.draw_stored(folder / "ct", shown, "Maps", paths["examples"], 2)
    provenance.write(folder / "provenance.json", provenance.record(settings, manifests))
    inputs = SimpleNamespace(
        statistics=folder / "statistics.parquet",
        models=folder / "models.parquet",
        checks=folder / "checks.parquet",
        provenance=folder / "provenance.json",
        figures=list(paths.values()),
        validity=[folder / "validity.parquet"],
        multiverse=[],
        gold=[],
        cases=[folder / "cases.json"],
    )
    captions = ROOT / "workflow" / "report"
    report.write(inputs, settings, captions, folder / "report.html", folder / "answer.txt")


def test_a_run_on_volumes_with_several_findings_ends_with_a_report(run):
    folder, settings = run
    scores = tables.read(folder / "scores.parquet").to_pandas()
    assert set(scores["metric"]) == set(settings["metrics"])
    data = store.open_dataset(folder / "ct")
    pairs = set(zip(scores["image_id"], scores["label"], strict=True))
    assert all(data.labels[pair] for pair in pairs)
    assert len({image for image, _ in pairs}) == settings["explained_images"] < len(pairs)
    assert set(scores.loc[~scores["correct"], "predicted"]) <= {-1}
    answer = (folder / "answer.txt").read_text()
    assert "ct" in answer
    assert "<table" in (folder / "report.html").read_text()
    assert all(tables.read(folder / "checks.parquet")["passed"].to_pylist())


def test_statistics_are_over_networks_and_images(run):
    folder, settings = run
    frame = tables.read(folder / "statistics.parquet").to_pandas()
    assert set(frame["metric"]) == {m for m in settings["metrics"] if m != "similarity"}
    frame = frame[(frame["method_a"] == "hirescam") & (frame["method_b"] == "gradcam")]
    primary = frame[frame["primary"]]
    assert set(primary["metric"]) == {"aopc", "max_sensitivity", "haas"}
    assert set(primary["n"]) == {2}
    within = frame[frame["effect_name"].isin(["rank-biserial", "discordant"])]
    assert within["n"].max() <= settings["explained_images"]
    twins = frame[(frame["effect_name"] == "images that differ") & (frame["head"] == "gap")]
    assert len(twins)
    assert twins["effect"].eq(0).all()


def test_hirescam_alone_adds_up_to_the_score_of_a_volume(run):
    folder, _ = run
    frame = tables.read(folder / "completeness.parquet").to_pandas()
    frame = frame[frame["head"] == "flatten"].assign(
        gap=lambda x: (x["map_sum"] - x["score_minus_bias"]).abs()
    )
    worst = frame.groupby("method")["gap"].max()
    assert worst["hirescam"] < 1e-5
    assert worst["gradcam"] > 100 * worst["hirescam"]


def test_the_cases_are_findings_on_the_slice_that_shows_most_of_them(run):
    folder, _ = run
    found = json.loads((folder / "cases.json").read_text())
    assert found["datasets"]["ct"] | {"classes": 0} == {
        **{"classes": 0, "size": 32, "channels": 1, "several": True, "slices": 4}
    }
    data = store.open_dataset(folder / "ct")
    for network in found["networks"]:
        for case in network["cases"]:
            assert case["predicted"] in (-1, case["label"])
            assert (case["predicted"] == -1) == (case["probability"] <= 0.5)
            voxels = data.finding_masks[case["id"], case["label"]].sum((1, 2), dtype=int)
            assert voxels[case["slice"]] == voxels.max()
            assert {"hirescam", "gradcam"} <= set(case["scores"]) & set(case["maps"])
            cells = base64.b64decode(case["maps"]["hirescam"][1])
            assert len(cells) == network["cells"][0] * network["cells"][1]
            shown = found["images"][case["image"]]
            picture = Image.open(io.BytesIO(base64.b64decode(shown["png"])))
            expected = data.images[case["id"], case["slice"], :, :, 0]
            assert np.array_equal(np.asarray(picture), expected)
            assert set(shown["masks"]) <= {"lesion"}
