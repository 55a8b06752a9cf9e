"""What a wrong config file says: the key or file, what was found, and what was meant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from faithcam.core.errors import FaithcamError
from faithcam.data.phantoms import ct, planted, radiograph
from faithcam.experiment import config as experiment
from faithcam.experiment import dataset_problems, path_problems
from faithcam.experiment.evaluations import Plan
from faithcam.experiment.schema import paths, schema
from faithcam.metrics import registry as measures
from faithcam.running import plan

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
BASE = ROOT / "config.yaml"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What a config file over config.yaml is answered, "" where it is accepted."""
    monkeypatch.chdir(tmp_path)

    def answer(text, *, base=True):
        (tmp_path / "mine.yaml").write_text(text)
        try:
            config = experiment.read([*[BASE] * base, "mine.yaml"])
            experiment.validate(config, SCHEMA)
        except FaithcamError as error:
            return str(error)
        assert list(plan.jobs(Plan(config)))
        return ""

    return answer


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        # numbers that are none
        ("training: {learning_rate: .nan}", "training.learning_rate: nan found, expected a number"),
        ("training: {rotation: .inf}", "training.rotation: inf found, expected a number from 0 to"),
        ("truth: {reliability: .nan}", "truth.reliability: nan found, expected a number above 0,"),
        ("road: {shares: [0.2, .nan]}", "road.shares.1: nan found"),
        ("dose_response: {doses: [0, -.inf]}", "dose_response.doses.1: -inf found"),
        (
            "dataset_definitions: {phantom_shortcut: {rho: .nan}}",
            "dataset_definitions.phantom_shortcut.rho: nan found",
        ),
        # numbers that YAML 1.1 takes for text, and the other way round
        ("training: {learning_rate: 1e-3}", "YAML takes 1e-3 for text: write 1.0e-3"),
        ("training: {weight_decay: 5E4}", "YAML takes 5E4 for text: write 5.0e+4"),
        ("training: {weight_decay: 2.5e1}", "YAML takes 2.5e1 for text: write 2.5e+1"),
        ("seed: '3'", "seed: '3' found, expected a whole number from 0 to 4294967295; write it"),
        ("methods: [1]", "methods.0: 1 found, expected text; put it into quotes: '1'"),
        ("device: off", "device: false found, expected one of: auto, cpu, cuda; YAML reads yes"),
        ("threads: 2.5", "threads: 2.5 found, expected a whole number from 1 to 1024"),
        ("threads:", "threads: nothing found, expected a whole number"),
        ("seed: 1" + "0" * 400, "seed: 1000"),
        # keys
        ("dataset_definitions: {no: {}}", "dataset_definitions.False: unknown key; YAML reads it"),
        ("dataset_definitions: {2024: {}}", "dataset_definitions.2024: unknown key; YAML reads it"),
        ("images_per_job: {1: 24}", "images_per_job.1: unknown key; YAML reads it as a number"),
        ("regions: [8]", "regions: unknown key; did you mean aopc.thesis.regions or aopc.strict"),
        ("aopc: {imputers: [mean]}", "aopc.imputers: unknown key; did you mean aopc.strict.imput"),
        ("epochs: 3", "epochs: unknown key; did you mean training.epochs?"),
        ("learning_rat: 3", "learning_rat: unknown key; did you mean training.learning_rate?"),
        ("flag: bloodmnist", "flag: unknown key; did you mean dataset_definitions.NAME.flag?"),
        ("training: {device: cpu}", "training.device: unknown key; did you mean device?"),
        # names
        ('dataset_definitions: {"a\\n": {}}', "'a\\n' found as a name, expected letters"),
        ("dataset_definitions: {my-images: {}}", "'my-images' found as a name, expected letters"),
        (
            "datasets: [all]\ndataset_definitions: {all: {source: medmnist, flag: breastmnist, "
            "size: 64}}",
            "dataset_definitions.all: in tables this name means every data set; choose another",
        ),
        ("seeds: [1, 1.0]", "seeds: 1 found twice, expected each once"),
        ("seeds: []", "seeds: a list of 0 found, expected at least 1"),
        # what is known before anything runs
        ("explained_images: 1", "explained_images: 1 found, but data set phantom has 3 classes"),
        (
            "dataset_definitions: {phantom: {train: 1}}",
            "dataset_definitions.phantom.train: 1 found, expected at least 3, one of every class",
        ),
        (
            "datasets: [ham]\ndataset_definitions: {ham: {source: ham10000, size: 64, test: 0.9}}",
            "dataset_definitions.ham: val 0.15 and test 0.9 found, expected shares with a sum",
        ),
        (
            "datasets: [ct]\nexplained_images: 91\ncontrols: [sham]",
            "explained_images: 91 found, but data set ct has 90 test volumes with a finding",
        ),
        ("architectures: [vgg_smal]", "'vgg_smal' is unknown; did you mean vgg_small?"),
        (
            "dataset_definitions: {breastmnist: {masks: .}}\ndatasets: [breastmnist]",
            "dataset_definitions.breastmnist.masks: . is a folder, expected a file",
        ),
    ],
)  # fmt: skip
def test_it_is_named_before_anything_runs(said, text, words):
    assert words in said(text)


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    "folder",
    [
        "workflow",
        "config/x",
        "docs",
        "tests",
        "envs",
        "resources",
        "benchmarks",
        ".ci/x",
        ".",
        "..",
    ],
)
def test_results_in_a_folder_of_the_repository_are_refused(said, folder):
    assert "config: results: " in (text := said(f"results: {ROOT / folder}"))
    assert "choose a folder of its own, e.g. results/mine" in text
    own = "holds faithcam itself" if folder in (".", "..") else "is a folder of faithcam's own"
    assert own in text
    if folder != "resources":
        assert "config: resources: " in said(f"resources: {ROOT / folder}")


def test_all_folders_of_the_repository_are_known():
    if not (ROOT / ".git").exists():
        pytest.skip("what belongs to the repository is known in a clone alone")
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    tops = {file.split("/")[0] for file in files if "/" in file}
    plain = {name for name in tops if not name.startswith(".")}  # hidden ones are refused as such
    assert {"workflow", "docs"} < plain - {"results"} <= {*path_problems.OWN}


def test_results_are_a_folder_of_their_own(said, tmp_path):
    assert said(f"results: {ROOT}/results/mine") == said(f"results: {ROOT}/mine") == ""
    for text in ("results: .", "results: ''", "results: /", "results: x/..", "results: ' '"):
        assert said(text).startswith("config: results: ")
    assert "the folder of downloads (resources)" in said("results: resources/")
    assert "~ is no home folder here; write the whole path" in said("results: ~/mine")
    (tmp_path / "taken").touch()
    assert f"but {tmp_path}/taken is a file" in said("results: taken/x")
    (tmp_path / "link").symlink_to(ROOT / "workflow")
    assert "workflow is a folder of faithcam's own" in said("results: link/x")


def test_results_among_the_images_are_refused(said, tmp_path):
    (tmp_path / "images").mkdir()
    mine = "datasets: [m]\ndataset_definitions: {m: {source: folder, path: images/, size: 64}}\n"
    assert "dataset_definitions.m.path: images); choose a folder" in said(
        mine + "results: images/x"
    )
    assert "resources: images/x found, inside the user's images" in said(
        mine + "resources: images/x"
    )
    assert "dataset_definitions.m: images: no folders" in said(mine)


@pytest.mark.counts("configs")
@pytest.mark.parametrize("key", ["results", "resources"])
@pytest.mark.parametrize("address", ["s3://bucket/x", "gs://bucket", "file:///tmp/x"])
def test_an_address_is_no_folder(said, key, address):
    assert f"{key}: {address.partition(':')[0]}:/" in (answer := said(f"{key}: {address}"))
    assert "expected a folder of this machine" in answer


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nseed: 2\n", "key seed found twice in lines 1 and 2, but only the last one"),
        ("seed: 1\n'seed': 1\n", "key seed found twice in lines 1 and 2"),
        ("training:\n  epochs: 1\n  epochs: 2\n", "key epochs found twice in lines 2 and 3"),
        ('{"seed": 1, "training": {"epochs": 1, "epochs": 2}}', "key epochs found twice"),
        ("seed: 1\n bad: 2\n", 'line 2, column 5'),
        ("a: [" * 3000, "cannot be read as YAML"),
        ("seed: 1" + "0" * 5000, "cannot be read as YAML"),
        ("day: 2024-99-99", "cannot be read as YAML"),
        ("{[1]: 2}", "cannot be read as YAML"),
        ("incomplete: !!bool x", "cannot be read as YAML"),
        ("seed: !!timestamp x", "cannot be read as YAML"),
        ("truth: &t {images: 3, x: *t}", "a part that holds itself found"),
        ("seeds: &s [*s]", "a part that holds itself found"),
        ('results: "results/\\ud800x"', "no text found"),
        ('{"results": "results/\\ud800x"}', "no text found"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_say_one_thing_is_named(said, text, words):
    answer = said(text)
    assert answer.startswith("mine.yaml: ")
    assert words in answer


def test_what_is_merged_may_be_replaced(said):
    text = """
    datasets: [a, b, c]
    dataset_definitions:
      a: &a {source: phantom, size: 64, train: 30, val: 30, test: 30}
      b: &b {<<: *a, test: 60}
      c: {<<: *b, test: 90}
    """
    assert said(text) == ""
    config = experiment.read(["mine.yaml"])["dataset_definitions"]
    assert [config[name]["test"] for name in "abc"] == [30, 60, 90]


def test_a_folder_is_no_config_file(tmp_path):
    with pytest.raises(FaithcamError, match="cannot be read: Is a directory; check the path"):
        experiment.read([tmp_path])


def test_json_is_read_as_snakemake_reads_it(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"training": {"learning_rate": 1e-3}}))
    assert experiment.read([tmp_path / "a.json"]) == {"training": {"learning_rate": 0.001}}


def test_what_means_the_same_is_written_the_same(said):
    text = """
    results: .//results/mine/
    resources: ./resources/../resources/
    datasets: [m]
    batch_size: 24.0
    haas: {strict: {constant: 1.0}}
    dataset_definitions:
      m: {source: folder, path: ./images/, size: 32.0}
      breastmnist: {masks: ""}
    trained_weights: {m/vgg_small-gap/seed0: ./w//x.safetensors}
    """
    said(text)
    config = experiment.read(["mine.yaml"])
    assert (config["results"], config["resources"]) == ("results/mine", "resources")
    assert config["dataset_definitions"]["m"]["path"] == "images"
    assert config["dataset_definitions"]["breastmnist"]["masks"] == ""
    assert list(config["trained_weights"].values()) == ["w/x.safetensors"]
    whole = config["batch_size"], config["haas"]["strict"]["constant"]
    assert [repr(value) for value in whole] == ["24", "1"]
    assert config["dataset_definitions"]["m"]["size"] == 32
    assert experiment.normalised(config) == config
    # who does not normalise is told
    raw = experiment.merged(experiment.read([BASE]), {"batch_size": 24.0})
    with pytest.raises(FaithcamError, match=r"batch_size: 24\.0 found, expected a whole number"):
        experiment.validate(raw, SCHEMA)
    raw = experiment.merged(raw, {"batch_size": 24, "dataset_definitions": {"breastmnist": {}}})
    raw["dataset_definitions"]["breastmnist"]["size"] = 64.0  # would be part of a file's name
    with pytest.raises(FaithcamError, match=r"size: 64\.0 found, expected one of: 28, 64, 128"):
        experiment.validate(raw, SCHEMA)


def test_numbers_of_the_users_own_metrics_are_numbers(said, monkeypatch):
    monkeypatch.setitem(measures.METRICS, "mine", measures.METRICS["haas"])
    assert said("mine: {strength: 2}") == ""
    assert said("mine: {strength: [1, .nan]}") == (
        "config: mine.strength.1: nan or inf found, expected a number"
    )


def test_text_that_is_nearly_a_number_gets_no_advice(said):
    assert said("training: {learning_rate: 1e-3x}").endswith("above 0, to 1000000")


def test_numbers_that_are_one_are_one_setting(said):
    radii = "max_sensitivity: {strict: {radii: [1.0, 2], primary_radius: 1}}"
    assert said(radii) == ""


def test_who_forgets_config_yaml_is_told(said):
    answer = said("results: mine\ntraining: {epochs: 3}\nepochs: 2", base=False)
    missing, unknown = answer.splitlines()[::-1]
    assert "config.yaml has all keys, and other files are merged over it" in missing
    assert f"--configfile {BASE} mine.yaml" in missing
    assert "did you mean training.epochs?" in unknown


def test_every_problem_is_said_and_each_once(said):
    answer = said("seed: -1\nthreads: x\ntruth: {block: 4.5}\ntraining: {epochs: 0}")
    keys = ["seed", "threads", "training.epochs", "truth.block"]
    assert [
        line.strip().removeprefix("config: ").split(":")[0] for line in answer.splitlines()
    ] == (keys)


def test_guesses_are_keys_of_the_schema():
    known = paths(schema(SCHEMA))
    assert {"aopc.strict.imputers", "dataset_definitions.NAME.rho", "seed"} < {*known}
    assert len(known) == len({*known})


def test_the_number_of_classes_is_that_of_the_phantoms():
    sizes = {len(task.classes) for task in planted.TASKS.values()} | {len(radiograph.CLASSES)}
    assert sizes == {dataset_problems.PHANTOM_CLASSES}
    assert len(ct.FINDINGS) == dataset_problems.CT_FINDINGS
    assert ct.present(0) == ()


@pytest.mark.parametrize(
    ("given", "files"),
    [
        ("config/tiny.yaml", ["config/tiny.yaml"]),
        ("{0}/my configs/it's.yaml", ["{0}/my configs/it's.yaml"]),
        ("config/tiny.yaml  {0}/b.yaml", ["config/tiny.yaml", "{0}/b.yaml"]),
        ("'{0}/my configs/a.yaml' {0}/b.yaml", ["{0}/my configs/a.yaml", "{0}/b.yaml"]),
        ("{0}/my\\ configs/a.yaml", ["{0}/my configs/a.yaml"]),
        ("", []),
    ],
)
def test_make_takes_files_whose_paths_have_spaces(tmp_path, given, files):
    (tmp_path / "my configs").mkdir()
    for name in ("my configs/it's.yaml", "my configs/a.yaml", "b.yaml"):
        (tmp_path / name).touch()
    done = make("plan", given.format(tmp_path))
    assert done.returncode == 0, done.stderr
    command = done.stdout.splitlines()[-1].split(" ", 1)[1]
    seen = subprocess.run(
        ["sh", "-c", f'printf "%s\\n" {command}'], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert seen == ["workflow/plan.py", "config.yaml", *(file.format(tmp_path) for file in files)]
    missing = make("plan", f"{given.format(tmp_path)} nowhere.yaml")
    assert missing.returncode != 0
    assert "CONFIG: there is no file" in missing.stderr
    assert "nowhere.yaml" in missing.stderr


def make(target, files):
    command = ["make", "--no-print-directory", "-n", target, f"CONFIG={files}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_files_are_read_before_snakemake_reads_them(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("results: [")
    assert f"workflow/check.py config.yaml '{bad}' && " in make("run", bad).stdout
    done = subprocess.run(
        [sys.executable, "workflow/check.py", "config.yaml", str(bad)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {bad}: cannot be read as YAML")
    assert experiment.main([str(BASE)]) == 0
