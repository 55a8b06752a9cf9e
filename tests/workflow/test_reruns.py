"""What runs again, what runs more, and that what is there keeps its bytes."""

import re
import shutil

import pandas as pd
import pyarrow.compute as pc
import pytest
from workspace import MODELS, ROOT, Workspace, copy_repository

from faithcam.experiment import config as experiment
from faithcam.maps import registry as cams
from faithcam.metrics import registry as measures
from faithcam.models import registry as networks
from faithcam.results import io as tables
from faithcam.running.provenance import PACKAGE

pytestmark = [pytest.mark.slow, pytest.mark.runs]


HAAS = "metrics/faithfulness/haas"
# compared in every run as laws; whose module makes candidates; what the metric blind is made of
ALWAYS = ("cam", "gradcam", "hirescam", "spectrum_random", "centre", "intensity", "sobel")
OF_BLIND = ("complexity", "sparseness")


def planned_after(finished, **edits):
    """Return what a run plans when text is added to files of the package."""
    package = finished.repository / "workflow/scripts/faithcam"
    before = {package / f"{name}.py": (package / f"{name}.py").read_text() for name in edits}
    try:
        for (path, text), added in zip(before.items(), edits.values(), strict=True):
            path.write_text(f"{text}\n{added}\n")
        return finished.planned()
    finally:
        for path, text in before.items():
            path.write_text(text)


def unused():
    """Return the modules of what the tiny experiment does not use: nothing else names them."""
    config = experiment.read([ROOT / "config.yaml", ROOT / "config" / "tiny.yaml"])
    data = PACKAGE / "data"
    files = [
        path for room in ("collections", "fetch", "sources") for path in data.glob(f"{room}/*.py")
    ]
    files += [data / "medmnist.py", data / "phantoms" / "planted.py", data / "phantoms" / "ct.py"]
    for metric in {*measures.METRICS} - {*config["metrics"], *OF_BLIND}:
        files += [measures.spec_file(metric), measures.code_file(metric)]
    used = {*config["methods"], *config["controls"], *ALWAYS}
    files += {*cams.files(cams.METHODS)} - {*cams.files(used)}
    for architecture in {*networks.ARCHITECTURES} - {*config["architectures"]}:
        files += {networks.files(architecture)[0]} - {*networks.files("vgg_small")}
    return sorted({str(path.relative_to(PACKAGE).with_suffix("")) for path in files})


@pytest.mark.counts("reruns")
def test_comments_and_touched_files_rerun_nothing(finished):
    (finished.repository / "workflow/scripts/faithcam/core/seeding.py").touch()
    (finished.results / "data" / "phantom" / "manifest.json").touch()
    assert planned_after(finished, **{HAAS: "# only a comment"}) == {}


@pytest.mark.counts("reruns")
def test_the_code_of_sources_metrics_methods_and_networks_not_used_reruns_nothing(finished):
    names = unused()
    assert {"data/sources/dicom", "data/medmnist", "metrics/faithfulness/road_spec"} < {*names}
    assert {"data/collections/crc", "maps/methods/layercam", "models/families/vgg"} < {*names}
    assert planned_after(finished, **dict.fromkeys(names, "EDITED = True")) == {}


@pytest.mark.counts("reruns")
def test_another_folder_of_downloads_rewrites_what_prints_the_config_alone(finished, tmp_path):
    planned = finished.planned(**extra(tmp_path, f"resources: {tmp_path}/elsewhere\n"))
    assert {rule for rule in planned if rule != "all"} == {"record_provenance", "write_report"}


@pytest.mark.counts("reruns")
def test_a_changed_metric_reruns_that_metric_only(finished):
    planned = planned_after(finished, **{HAAS: "EDITED = True"})
    assert planned["haas"] == MODELS
    assert not {"train", "aopc", "max_sensitivity", "explain_flatten", "explain_gap"} & set(planned)


@pytest.mark.counts("reruns")
def test_a_changed_method_reruns_what_computes_it(finished):
    """Sham maps are of Flatten heads alone."""
    planned = planned_after(finished, **{"maps/methods/sham": "EDITED = True"})
    assert planned["explain_flatten"] == planned["max_sensitivity"] == MODELS // 2
    assert not {"train", "explain_gap"} & set(planned)


@pytest.mark.counts("reruns")
def test_a_changed_family_reruns_its_networks(finished):
    planned = planned_after(finished, **{"models/families/small": "EDITED = True"})
    assert planned["train"] == MODELS


@pytest.mark.counts("reruns")
def test_one_rule_can_be_forced(finished):
    planned = finished.planned("-R", "aopc")
    assert planned["aopc"] == MODELS
    assert not {"train", "haas", "max_sensitivity", "explain_flatten"} & set(planned)


def extra(folder, text):
    """A config file to be merged over the tiny experiment's."""
    path = folder / "extra.yaml"
    path.write_text(text)
    return {"configs": ("config/tiny.yaml", path)}


def work(planned):
    """The planned jobs without those that only collect, compare and draw."""
    heavy = {"prepare_data", "train", "explain_flatten", "explain_gap", "aopc", "haas"}
    heavy |= {"max_sensitivity", "feature_aopc", "similarity"}
    return {rule: count for rule, count in planned.items() if rule in heavy}


@pytest.mark.counts("reruns")
def test_one_file_needs_what_leads_to_it(repository, tmp_path):
    file = "results/tiny/models/phantom/vgg_small-gap/seed1/weights.safetensors"
    assert Workspace(repository, tmp_path).planned(file) == {"prepare_data": 1, "train": 1}


def test_a_data_set_more_leaves_every_byte_that_is_there(finished, tmp_path):
    replica = Workspace(finished.repository, tmp_path)
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    options = extra(
        tmp_path,
        "datasets: [phantom, second]\n"
        "dataset_definitions:\n"
        "  second: {source: phantom, size: 32, train: 300, val: 60, test: 60}\n"
        "heads: [flatten]\nseeds: [0]\nmetrics: [haas]\n",
    )
    assert work(replica.planned("metrics", **options)) == {
        "prepare_data": 1, "train": 1, "explain_flatten": 1, "haas": 1
    }  # fmt: skip
    done = replica.run("metrics", cores=2, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    # tables at the top hold all networks of the config; the rest is one network's or data set's
    there = {name: digest for name, digest in finished.hashes().items() if "/" in name}
    assert there.items() <= replica.hashes().items()


@pytest.mark.counts("reruns")
def test_all_seeds_or_data_sets_at_once_compute_what_is_missing_only(finished, tmp_path):
    more = extra(
        tmp_path,
        "seeds: [0, 1, 2]\n"
        "datasets: [phantom, second]\n"
        "dataset_definitions:\n"
        "  second: {source: phantom, size: 32, train: 300, val: 60, test: 60}\n",
    )
    assert work(finished.planned(**more)) == {
        "prepare_data": 1, "train": 2 + 6, "explain_flatten": 1 + 3, "explain_gap": 1 + 3,
        "aopc": 8, "haas": 8, "max_sensitivity": 8, "feature_aopc": 4, "similarity": 4,
    }  # fmt: skip


def test_one_metric_more_computes_that_metric_only(finished, tmp_path):
    replica = Workspace(finished.repository, tmp_path)
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(replica.results / "metrics" / "haas")
    fewer = extra(tmp_path, "metrics: [aopc, max_sensitivity, feature_aopc, similarity]\n")
    assert work(replica.planned("metrics", **fewer)) == {}
    done = replica.run("metrics", **fewer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert work(replica.planned("metrics")) == {"haas": MODELS}
    done = replica.run("metrics", cores=2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert replica.hashes() == finished.hashes()


def test_one_method_more_changes_no_byte_of_the_others(finished, tmp_path):
    replica = Workspace(finished.repository, tmp_path)
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    options = extra(
        tmp_path,
        "methods: [cam, gradcam, hirescam, random, sobel]\n"
        "metrics: [aopc, max_sensitivity, haas]\nheads: [flatten]\nseeds: [0]\n",
    )
    # all maps of a network are one job; max_sensitivity is not for maps without a network
    assert work(replica.planned("metrics", **options)) == {
        "explain_flatten": 1, "aopc": 1, "haas": 1
    }  # fmt: skip
    done = replica.run("metrics", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = finished.hashes(), replica.hashes()
    for name in before:
        if "/checks/" not in name and name.startswith(("maps/", "models/", "data/")):
            assert before[name] == after[name], name
    for metric in ("aopc", "haas"):
        (file,) = (replica.results / "metrics" / metric / "phantom" / "vgg_small-flatten").glob(
            "seed0/*.parquet"
        )
        new = tables.read(file)
        old = tables.read(finished.results / file.relative_to(replica.results))
        assert len(new) > len(old)
        assert new.filter(pc.field("method") != "sobel").equals(old)


def test_every_gpu_gets_one_job_at_a_time(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-17,6")
    replica = Workspace(finished.repository, tmp_path)
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    done = replica.run("metrics", "-R", "haas", cores=8)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    ready = [int(n) for n in re.findall(r"^Execute (\d+) jobs", output, re.M)]
    assert ready[0] == 3  # of four
    assert max(ready) == 3
    assert replica.hashes() == finished.hashes()


def test_other_shards_give_the_same_tables(finished, tmp_path):
    replica = Workspace(finished.repository, tmp_path)
    shutil.copytree(finished.directory, tmp_path, dirs_exist_ok=True)
    # one micro-batch each, of two
    options = extra(tmp_path, "images_per_job: {default: 6}\nheads: [flatten]\nseeds: [0]\n")
    planned = replica.planned("metrics", "maps", **options)
    assert planned["aopc"] == planned["haas"] == planned["max_sensitivity"] == 2
    assert not {"train", "prepare_data"} & set(planned)
    done = replica.run("metrics", "maps", cores=2, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    network = (pc.field("head") == "flatten") & (pc.field("seed") == 0)
    for name in ("scores.parquet", "curves.parquet", "checks.parquet"):
        whole = tables.read(finished.results / name).filter(network)
        actual = tables.read(replica.results / name).to_pandas()  # NaN is NaN
        pd.testing.assert_frame_equal(actual, whole.to_pandas(), check_exact=True, obj=name)


NEW_SPEC = """from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.spec import Metric
from faithcam.core.setting import Setting


def evaluations(config, network):
    yield Evaluation("mean", "strict", Setting.of(of="cells"), network.methods, "primary")


METRIC = Metric("Mean", True, "none", (-1, 1), evaluations)
"""
NEW_SCORE = """def score(inputs, evaluations):
    raise NotImplementedError
"""


@pytest.mark.counts("reruns")
def test_a_new_metric_is_two_files_and_one_line_and_reruns_nothing(finished, tmp_path):
    replica = Workspace(copy_repository(tmp_path / "new"), tmp_path / "run")
    shutil.copytree(finished.directory, replica.directory)
    family = replica.repository / "workflow/scripts/faithcam/metrics/complexity"
    (family / "mean_spec.py").write_text(NEW_SPEC)
    (family / "mean.py").write_text(NEW_SCORE)
    assert work(replica.planned()) == {}
    names = "aopc, max_sensitivity, haas, feature_aopc, similarity, mean"
    options = extra(tmp_path, f"metrics: [{names}]\n")
    planned = replica.planned(**options)
    assert (planned.pop("mean"), work(planned)) == (MODELS, {})
