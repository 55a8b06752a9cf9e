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

RUN = {
    f"core/{name}" for name in ("devices", "errors", "plugins", "run", "runtime")
}  # of every job
FILES = {"core/identity", "core/versions", "results/checksums", "results/files", "results/io"}
STORE = {*FILES, "data/arrays", "data/dataset"}
CHECKS = {"results/checks", "results/laws", "results/tables"}
SHARD = {
    *STORE,
    "core/explained",
    "core/identity",
    "core/seeding",
    "core/sharding",
    "data/selection",
    "running/references",
    "models/predictions",
    "running/shard",
}
NETWORK = {
    "core/registry",
    "models/architecture",
    "models/axialnet",
    "models/camnet",
    "models/checkpoint",
    "models/facts",
    "models/own",
    "models/registry",
    "models/weights",
    "models/weights_header",
}
FAMILIES = {"models/families/", "models/residual", "models/timm_nets", "models/torchvision_nets"}
REMOVING = {
    f"removal/{name}"
    for name in (
        *("engine", "grid", "incremental", "operations", "orders", "permutations", "sides"),
        "windows",
    )
}
LAWS = {f"maps/methods/{name}" for name in ("cam", "gradcam", "hirescam")}  # these are compared
MAPS = {"maps/", *LAWS, *CHECKS, "models/inference", "running/explaining"}
DEFINITIONS = {"data/collection", "data/definitions"}
SOURCES = {
    "data/collections/",
    "data/fetch/downloaded",
    "data/items",
    "data/medmnist",
    "data/phantoms/",
    "data/fingerprints",
    "data/prepare",
    "data/sources/",
    "data/store",
}
FOLDER = {"class_folders", "folder", "image_table", "items", "listing"}
DOWNLOADING = {
    "data/fetch/downloads",
    "data/fetch/images",
    "data/fetch/unpacking",
    "models/fetching",
}
TRAINING = {
    "models/dead_zone",
    "models/accuracy",
    "models/augmentation",
    "models/imagenet",
    "models/losses",
    "models/obtain",
    "models/outputs",
    "models/train",
}
READING = {"figures/", "report/", "statistics/", "validity/"}
PLANNING = {
    "experiment/",
    "metrics/networks",
    "metrics/registry",
    "metrics/spec",
    "running/costs",
    "running/placement",
    "running/plan",
}

COLLECTORS = ("checks", "completeness", "curves", "part_shapley", "scores")
COLLECTING = {"maps/tables", "metrics/tables", *FILES, "results/tables", "running/collect"}
# modules, and rooms with all that is in them; what the job finds by name is in its hash, too
ALLOWED = {
    "download_images": {
        *DEFINITIONS,
        *DOWNLOADING,
        "core/registry",
        "data/fetch/downloaded",
        *FILES,
    },
    "download_weights": {
        *NETWORK,
        "data/fetch/downloads",
        "models/fetching",
        "models/imagenet",
        *FILES,
    },
    "prepare_data": {
        *DEFINITIONS,
        *STORE,
        "core/registry",
        "core/seeding",
        "data/fingerprints",
        "data/prepare",
        "data/store",
        "data/tables",
    },
    "train": {
        *NETWORK,
        *TRAINING,
        *STORE,
        "core/identity",
        "core/seeding",
        "models/tables",
    },
    "evaluate_models": {
        *NETWORK,
        "core/seeding",
        "models/accuracy",
        "models/evaluate",
        "models/performance",
        "models/predictions",
        "models/tables",
        *FILES,
        "running/provenance",
    },
    "explain": {*SHARD, *NETWORK, *MAPS},
    "import_maps": {*SHARD, *NETWORK, "maps/", "models/inference", "running/importing"},
    **{f"collect_{name}": COLLECTING for name in COLLECTORS},
    "collect_truth": {*FILES, "running/collected_truth", "truth/parts", "truth/tables"},
    "draw_examples": {
        *STORE,
        "core/setting",
        "core/views",
        "figures/examples",
        "figures/overlay",
        "figures/slices",
        "figures/style",
        "statistics/settings",
    },
    "draw_truth_examples": {
        *STORE,
        "core/ranks",
        "core/setting",
        "core/views",
        "figures/examples",
        "figures/overlay",
        "figures/slices",
        "figures/style",
        "figures/truth_examples",
        "removal/imputers_spec",
        "statistics/settings",
        "truth/estimands",
    },
    "record_provenance": {*FILES, "core/registry", "running/provenance"},
}
READERS = {"dicom", "image_files", "levels", "raster"}
SCORING = {*SOURCES, *DOWNLOADING, *TRAINING, *READING, *PLANNING, "models/evaluate"}
SUMMARISING = {
    *DOWNLOADING,
    *TRAINING,
    "maps/explain",
    "models/evaluate",
    "running/costs",
    "running/explaining",
    "models/predictions",
    "running/shard",
}
SUMMARIES = (
    *("collect_cases", "compare_methods", "draw_figures", "draw_part_shapley", "draw_controls"),
    "draw_truth",
    *(
        "declare_evaluations",
        "compare_maps",
        "compare_specifications",
        "compare_subgroups",
        "judge_metrics",
        "write_report",
    ),
)
FORBIDDEN = {
    "score": SCORING,
    "score_candidates": SCORING - {"validity/"},
    "compute_truth": {*SCORING, "metrics/", "running/scoring", "running/collected_truth"},
    "list_subgroups": {*DOWNLOADING, *TRAINING, "models/", "metrics/"},
    **dict.fromkeys(SUMMARIES, SUMMARISING),
}


def modules(*files):
    """Return the modules of the package in the hash of a job, e.g. ``models/train``."""
    return {
        path.relative_to(provenance.PACKAGE).with_suffix("").as_posix()
        for path in provenance.closure(files)
        if path.is_relative_to(provenance.PACKAGE) and path.stem != "__init__"
    }


def inside(actual, rooms):
    """Return those modules that a list of modules and rooms names."""
    return {name for name in actual if name in rooms or f"{name.rpartition('/')[0]}/" in rooms}


def script(adapter):
    return SCRIPTS / f"{adapter}.py"


def test_every_adapter_has_a_rule():
    assert {*ALLOWED, *FORBIDDEN} == ADAPTERS
    assert not set(ALLOWED) & set(FORBIDDEN)


@pytest.mark.parametrize("adapter", ALLOWED)
def test_a_job_holds_what_it_may_and_no_more(adapter):
    actual = modules(script(adapter))
    assert actual - inside(actual, ALLOWED[adapter] | RUN) == set()


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


def test_a_map_method_adds_methods_alone_and_what_removes_cells_if_it_does():
    removing = {*REMOVING, "core/views", "models/axialnet", "models/camnet", "models/inference"}
    for method in cams.METHODS:
        more = modules(*cams.files([method]))
        allowed = {"maps/", "maps/methods/", "core/errors", "core/seeding", "core/explained"}
        allowed |= removing if method.startswith("shapley_") else set()
        assert more - inside(more, allowed) == set()


@pytest.mark.parametrize("metric", measures.METRICS)
def test_a_metric_holds_no_source_no_download_and_no_reader(metric):
    actual = modules(script("score"), measures.code_file(metric))
    assert inside(actual, SCORING) == set()


@pytest.mark.parametrize(
    ("definition", "names"),
    [
        ({"source": "phantom"}, {"anatomy", "radiograph"}),
        ({"source": "phantom", "task": "none"}, {"anatomy", "markers", "planted", "radiograph"}),
        ({"source": "ct_phantom"}, {"anatomy", "ct", "thorax"}),
        ({"source": "medmnist"}, {"medmnist", "npz"}),
        ({"source": "folder"}, {*FOLDER, *READERS}),
        ({"source": "crc"}, {"collected", "downloaded", *FOLDER, *READERS}),
    ],
)
def test_images_hold_the_code_of_their_own_source_alone(definition, names):
    module = (
        provenance.PACKAGE / "data" / f"{definitions.module_of(definition).replace('.', '/')}.py"
    )
    actual = modules(script("prepare_data"), module)
    assert {Path(name).name for name in inside(actual, SOURCES)} == names | {
        "fingerprints",
        "prepare",
        "store",
    }
    assert inside(actual, DOWNLOADING - {"data/fetch/unpacking"}) == set()


def test_facts_of_published_images_are_code_of_jobs_on_them_alone():
    data = provenance.PACKAGE / "data"
    facts = {
        source: definitions.fact_files({"source": source})
        for source in (*definitions.SOURCES, *definitions.COLLECTIONS)
    }
    assert facts.pop("medmnist") == [data / "medmnist.py"]
    assert data / "medmnist.yaml" in provenance.closure([data / "medmnist.py"])
    for source, files in facts.items():
        published = source in definitions.COLLECTIONS
        assert files == [data / "collections" / f"{source}.py"] * published
    for adapter in ADAPTERS:
        assert inside(modules(script(adapter)), {"data/collections/", "data/medmnist"}) == set()


def test_the_list_of_evaluations_holds_the_spec_of_no_metric():
    held = modules(script("declare_evaluations"))
    assert {name for name in held if name.endswith("_spec")} == {"removal/imputers_spec"}
