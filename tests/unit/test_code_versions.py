"""What may be in the code hash of each kind of job: a wrong import would rerun far too much."""

from pathlib import Path

import pytest

from faithcam.data import definitions
from faithcam.maps import registry as cams
from faithcam.metrics import registry as measures
from faithcam.models import registry as models
from faithcam.running import provenance

SCRIPTS = provenance.PACKAGE.parent
ADAPTERS = {path.stem for path in SCRIPTS.glob("*.py")}

RUN = {"devices", "errors", "runtime"}  # of every job
STORE = {"data/store", "data/tables", "seeding", "tables"}
SHARD = {*STORE, "identity", "shard", "sharding", "target"}
NETWORK = {
    *("models/architecture", "models/axialnet", "models/camnet", "models/registry"),
    *("models/weights", "plugins"),
}
FAMILIES = {"models/families/", "models/residual", "models/timm_nets", "models/torchvision_nets"}
MAPS = {
    *("cams/", "cams/tables", "checks", "explain", "map_laws", "maps", "models/inference"),
    *(
        "cams/methods/cam",
        "cams/methods/gradcam",
        "cams/methods/hirescam",
    ),  # the laws compare these
}
DEFINITIONS = {"data/collection", "data/collections/", "data/definitions", "data/medmnist"}
SOURCES = {
    *("data/anatomy", "data/collected", "data/collections/", "data/ct", "data/folder"),
    *("data/downloaded", "data/items", "data/npz", "data/phantom", "data/planted", "data/prepare"),
    "data/thorax",
}
DOWNLOADING = {"data/fetching", "downloads", "models/fetching", "unpacking"}
TRAINING = {"models/accuracy", "models/imagenet", "models/train"}
READING = {
    *("answer", "cases", "figures/", "published", "report", "report_cases", "report_published"),
    *("report_tables", "report_validity", "statistics/", "validity/"),
}
PLANNING = {
    *("config", "costs", "evaluations", "judged", "plan", "placement"),
    *("metrics/networks", "metrics/registry", "metrics/spec", "metrics/specs/"),
}

COLLECTORS = (
    *("collect_checks", "collect_completeness", "collect_curves", "collect_gold"),
    "collect_scores",
)
# modules, and rooms with all that is in them; what the job finds by name is in its hash, too
ALLOWED = {
    "download_images": {*DEFINITIONS, *DOWNLOADING, "checksums", "data/downloaded", "plugins",
                        "tables"} - {"models/fetching"},
    "download_weights": {*NETWORK, "checksums", "downloads", "models/fetching", "models/imagenet",
                         "tables"} - {"models/weights"},
    "prepare_data": {*DEFINITIONS, *STORE, "data/prepare", "plugins"},
    "train": {*NETWORK, *TRAINING, *STORE, "checksums", "identity", "models/tables"},
    "evaluate_models": {*NETWORK, "models/accuracy", "models/evaluate", "models/tables",
                        "provenance", "seeding", "tables"} - {"models/weights"},
    "explain": {*SHARD, *NETWORK, *MAPS},
    **{name: {"cams/tables", "collect", "metrics/tables", "tables"} for name in COLLECTORS},
    "draw_examples": {*STORE, "figures/examples", "figures/overlay", "figures/slices",
                      "figures/style", "views"},
    "record_provenance": {"provenance", "tables"},
}  # fmt: skip
SCORING = SOURCES | DOWNLOADING | TRAINING | READING | PLANNING | {"models/evaluate"}
SUMMARISING = DOWNLOADING | TRAINING | {"shard", "explain", "maps", "models/evaluate", "costs"}
SUMMARIES = (
    *("collect_cases", "compare_methods", "draw_figures", "draw_gold", "draw_validity"),
    *("declare_evaluations", "judge_metrics", "write_report"),
)
FORBIDDEN = {
    "score": SCORING,
    **dict.fromkeys(SUMMARIES, SUMMARISING),
}


def modules(*files):
    """Return the modules of the package in the hash of a job, e.g. ``models/train``."""
    return {
        path.relative_to(provenance.PACKAGE).with_suffix("").as_posix()
        for path in provenance.closure(files)
        if path.is_relative_to(provenance.PACKAGE) and path.stem != "__init__"
    }


def inside(found, rooms):
    """Return those modules that a list of modules and rooms names."""
    return {name for name in found if name in rooms or f"{name.rpartition('/')[0]}/" in rooms}


def script(adapter):
    return SCRIPTS / f"{adapter}.py"


def test_every_adapter_has_a_rule():
    assert {*ALLOWED, *FORBIDDEN} == ADAPTERS
    assert not set(ALLOWED) & set(FORBIDDEN)


@pytest.mark.parametrize("adapter", ALLOWED)
def test_a_job_holds_what_it_may_and_no_more(adapter):
    found = modules(script(adapter))
    assert found - inside(found, ALLOWED[adapter] | RUN) == set()


@pytest.mark.parametrize("adapter", FORBIDDEN)
def test_a_job_does_not_hold_what_would_rerun_it_in_vain(adapter):
    assert inside(modules(script(adapter)), FORBIDDEN[adapter]) == set()


def test_every_name_of_the_rules_is_a_module_or_a_room():
    named = set().union(RUN, *ALLOWED.values(), *FORBIDDEN.values(), FAMILIES)
    there = [provenance.PACKAGE / name for name in named]
    assert [
        path for path in there if not path.is_dir() and not path.with_suffix(".py").is_file()
    ] == []


@pytest.mark.parametrize("architecture", models.ARCHITECTURES)
def test_a_network_adds_its_family_alone(architecture):
    for adapter in ("train", "explain"):
        more = modules(script(adapter), *models.files(architecture)) - modules(script(adapter))
        assert more - inside(more, FAMILIES) == set()


def test_a_map_method_adds_methods_alone():
    for method in cams.METHODS:
        more = modules(*cams.files([method]))
        assert (
            more - inside(more, {"cams/", "cams/methods/", "errors", "seeding", "target"}) == set()
        )


@pytest.mark.parametrize("metric", measures.METRICS)
def test_a_metric_holds_no_source_no_download_and_no_reader(metric):
    found = modules(script("score"), measures.code_file(metric))
    assert inside(found, SCORING) == set()


@pytest.mark.parametrize(
    ("definition", "own"),
    [
        ({"source": "phantom"}, {"anatomy", "phantom"}),
        ({"source": "phantom", "task": "none"}, {"anatomy", "phantom", "planted"}),
        ({"source": "ct_phantom"}, {"anatomy", "ct", "thorax"}),
        ({"source": "medmnist"}, {"npz"}),
        ({"source": "folder"}, {"folder", "items"}),
        ({"source": "crc"}, {"collected", "downloaded", "folder", "items"}),
    ],
)
def test_images_hold_the_code_of_their_own_source_alone(definition, own):
    module = provenance.PACKAGE / "data" / f"{definitions.module_of(definition)}.py"
    found = modules(script("prepare_data"), module)
    assert {Path(name).name for name in inside(found, SOURCES)} == own | {"prepare"}
    assert inside(found, DOWNLOADING - {"unpacking"}) == set()
