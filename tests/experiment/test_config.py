"""Every wrong key or value gets an error that names it, says what was found and what to do."""

from pathlib import Path

import pytest
import yaml

from faithcam.core.errors import FaithcamError
from faithcam.experiment import axes
from faithcam.experiment import config as experiment
from faithcam.experiment.schema import REMOVED, RENAMED
from faithcam.maps import registry as cams
from faithcam.metrics import registry as metrics

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def load(name="config.yaml"):
    return yaml.safe_load((ROOT / name).read_text())


def problem(extra):
    with pytest.raises(FaithcamError) as error:
        experiment.validate(experiment.merged(load(), extra), SCHEMA)
    return str(error.value)


# what a config file is merged over, each in turn
OVER = {"study_large.yaml": ["study.yaml"], "masks.yaml": ["", "study.yaml"]}


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    ("name", "below"),
    [
        (path.name, below)
        for path in sorted((ROOT / "config").glob("*.yaml"))
        for below in OVER.get(path.name, [""])
    ],
)
def test_every_config_is_valid(name, below, tmp_path, monkeypatch, answers):
    files = [ROOT / "config.yaml", *(ROOT / "config" / file for file in (below, name) if file)]
    config = experiment.read(files)
    monkeypatch.chdir(tmp_path)  # where files of the user's own are looked for
    for dataset in config["datasets"]:
        if masks := config["dataset_definitions"][dataset].get("masks"):
            with pytest.raises(FaithcamError, match=f"{dataset}.masks: {masks} does not exist"):
                experiment.validate(config, SCHEMA)
            Path(masks).parent.mkdir(parents=True)
            Path(masks).touch()
    experiment.validate(config, SCHEMA)
    answers("")


def test_the_schema_describes_every_key_with_the_default_of_config_yaml():
    def compare(schema, value, where):
        for name, part in schema["properties"].items():
            path = f"{where}.{name}"
            assert name in value, path
            if part.get("type") == "object" and "properties" in part:
                compare(part, value[name], path)
            elif name != "dataset_definitions":
                assert part["description"], path
                assert part["default"] == value[name], path

    compare(yaml.safe_load(SCHEMA.read_text()), load(), "config")


def test_every_key_of_config_yaml_has_a_comment():
    text = (ROOT / "config.yaml").read_text()
    for name in load():
        line = next(line for line in text.splitlines() if line.startswith(f"{name}:"))
        following = text.split(line, 1)[1]
        assert "#" in line or "#" in following.split("\n\n")[0], name


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"explaned_images": 3}, ["explaned_images: unknown key", "did you mean explained_images"]),
        ({"training": {"epoch": 3}}, ["training.epoch: unknown key", "did you mean epochs"]),
        ({"seed": "one"}, ["seed: 'one' found, expected a whole number from 0 to "]),
        ({"batch_size": 0}, ["batch_size: 0 found, expected a whole number from 1 to "]),
        ({"batch_size": -4}, ["batch_size: -4 found, expected a whole number from 1 to "]),
        ({"training": {"learning_rate": 0}}, ["training.learning_rate"]),
        ({"device": "mps"}, ["device: 'mps' found, expected one of: auto, cpu, cuda"]),
        (
            {"metrics": ["aopcc"]},
            ["metrics: 'aopcc' is unknown; did you mean aopc? choose from agreement, aopc,"],
        ),
        (
            {"methods": ["gradcam", "hircam"]},
            ["'hircam' is unknown; did you mean hirescam? choose from ablationcam, cam, "],
        ),
        (
            {"methods": ["gradcam++"]},
            ["'gradcam++' is unknown; did you mean gradcam? choose from ablationcam, cam, "],
        ),
        (
            {"architectures": ["resnet"]},
            ["'resnet' is unknown; did you mean resnet50? choose from axial_small"],
        ),
        ({"datasets": ["chest"]}, ["datasets: 'chest' is not defined", "phantom, breastmnist"]),
        (
            {"shard_minutes": 10},
            ["shard_minutes: a key of earlier versions; write images_per_job instead"],
        ),
        (
            {"statistics": {"margins": {"aopc": 0.1}}, "validity": {"agreement_above": 0.5}},
            [
                "statistics.margins: a key of earlier versions; leave it out: a margin in units",
                "validity: a key of earlier versions; leave it out: the verdict that its",
            ],
        ),
        (
            {"images_per_job": {"default": 20}},
            ["images_per_job.default: 20 found, expected a multiple of batch_size (16), e.g. 32"],
        ),
        (
            {"images_per_job": {"haas": 48, "aopc": 50}},
            ["images_per_job.aopc: 50 found, expected a multiple of batch_size (16), e.g. 64"],
        ),
        (
            {"images_per_job": {"explian": 24}},
            ["images_per_job: 'explian' is unknown; did you mean explain?"],
        ),
        (
            {"images_per_job": {"explain": 0}},
            ["images_per_job.explain: 0 found, expected a whole number from 1"],
        ),
        ({"images_per_job": 240}, ["images_per_job: 240 found, expected keys and values"]),
        (
            {"aopc": {"thesis": {"regions": [65]}}},
            ["aopc.thesis.regions: [65] px found, larger than the 64 px images"],
        ),
        ({"aopc": {"strict": {"regions": ["cell"]}}}, ["aopc.strict.regions.0"]),
        (
            {"multiverse": {"regions": [65]}},
            ["multiverse.regions: [65] px found, larger than the 64"],
        ),
        ({"architectures": ["resnet18"]}, ["resnet18 turns images of 64 px into 2 x 2 cells"]),
        (
            {"max_sensitivity": {"strict": {"primary_radius": 0.3}}},
            ["primary_radius: 0.3 is not one of radii [0.1, 0.2, 0.4]"],
        ),
        (
            {"max_sensitivity": {"thesis": {"samples": [3]}}},
            ["samples: 1 numbers found, expected 3, one per radius"],
        ),
        (
            {"trained_weights": {"phantom/vgg_smal-gap/seed0": "w.safetensors"}},
            ["is no model of this experiment; did you mean phantom/vgg_small-gap/seed0?"],
        ),
        (
            {"trained_weights": {"phantom/vgg_small-gap/seed0": "no.safetensors"}},
            ["no.safetensors does not exist (phantom/vgg_small-gap/seed0)"],
        ),
        (
            {
                "datasets": ["x"],
                "dataset_definitions": {"x": {"source": "folder", "path": "/no such", "size": 64}},
            },
            ["dataset_definitions.x.path: /no such does not exist"],
        ),
        ({"methods": ["cam"]}, ["none of ['cam'] can explain networks with head flatten"]),
        ({"methods": ["random"]}, ["['random'] do not depend on the network", "add gradcam"]),
        ({"methods": ["scorecam"]}, ["or need passes of their own for every map", "add gradcam"]),
        ({"aopc": {"strict": {"regions": [8, "native"]}}}, ["put native first"]),
        ({"aopc": {"strict": {"imputers": ["rerendered", "mean"]}}}, ["rerendered found first"]),
        (
            {"multiverse": {"regions": [64], "imputers": ["inpainting"]}},
            ["multiverse.regions: 64 px found, the whole image of data set phantom"],
        ),
        (
            {"controls": ["shame"]},
            ["controls: 'shame' is unknown; did you mean sham? choose from ablationcam, cam, "],
        ),
        (
            {"controls": ["sham", "hirescam_minus_template"]},
            [
                "controls: hirescam_minus_template is a name of earlier versions; write "
                "expected_hirescam instead"
            ],
        ),
        (
            {"concordance": {"estimands": ["noise"]}},
            ["concordance.estimands: noise found, expected some of truth.estimands: background, "],
        ),
        (
            {"concordance": {"confirm": ["phantoms"]}},
            ["concordance.confirm: 'phantoms' is unknown; did you mean phantom?"],
        ),
        ({"concordance": {"confirm": ["phantom"]}}, ["all data sets found; leave one to choose"]),
        (
            {"concordance": {"primary": ["aopcc"]}},
            ["concordance.primary: 'aopcc' is unknown; did you mean aopc?"],
        ),
        (
            {"statistics": {"primary": ["aopcc"]}},
            ["statistics.primary: 'aopcc' is unknown; did you mean aopc?"],
        ),
        (
            {"metrics": ["blind"], "truth": {"estimands": ["rerendered"]}},
            ["truth.estimands: ['rerendered'] found, but blind needs one that the images of data"],
        ),
        ({"controls": ["sham", "random"]}, ["controls: ['random'] are methods too"]),
        (
            {"metrics": ["feature_aopc"], "methods": ["gradcam"], "protocols": ["thesis"]},
            ["add hirescam to methods", "add strict to protocols"],
        ),
        (
            {"results": "results/{x}"},
            ["results: 'results/{x}' found, expected a folder's path"],
        ),
        ({1: 2}, ["1: unknown key"]),
        ({"trained_weights": {"weights": "w"}}, ["trained_weights"]),
        ({"training": {"pretrained": True}}, ["no ImageNet weights for resnet_small"]),
        ({"explained_images": 400}, ["400 found, but data set phantom has 300 test images"]),
        (
            {"datasets": ["breastmnist"], "explained_images": 157},
            ["157 found, but data set breastmnist has 156 test images"],
        ),
        (
            {
                "datasets": ["chest"],
                "dataset_definitions": {
                    "chest": {"source": "medmnist", "flag": "nodulemnist3d", "size": 64}
                },
            },
            ["resnet_small takes images, but data set chest has volumes; choose from axial_small"],
        ),
        (
            {
                "datasets": ["x"],
                "dataset_definitions": {"x": {"source": "medmnist", "flag": "xx", "size": 64}},
            },
            ["dataset_definitions.x.flag", "breastmnist"],
        ),
        (
            {"dataset_definitions": {"x": {"source": "folders", "size": 64}}},
            ["dataset_definitions.x.source: 'folders' found", "phantom, medmnist, folder"],
        ),
        (
            {"dataset_definitions": {"x": {"source": "folder", "size": 64}}},
            ["dataset_definitions.x.path: missing, expected text"],
        ),
        (
            {"dataset_definitions": {"breastmnist": {"size": 65}}},
            ["dataset_definitions.breastmnist.size: 65 found, expected one of: 28, 64, 128, 224"],
        ),
    ],
)
def test_wrong_values_are_named(extra, words):
    message = problem(extra)
    for word in words:
        assert word in message


def test_jobs_of_all_kinds_without_a_size_of_their_own_need_one():
    config = load() | {"images_per_job": {"haas": 48}}
    with pytest.raises(FaithcamError, match=r"images_per_job\.default: missing, expected a whole"):
        experiment.validate(config, SCHEMA)


def test_a_radius_without_samples_is_named_before_anything_is_listed():
    actual = problem({"max_sensitivity": {"thesis": {"samples": [3]}}})
    assert len(actual.splitlines()) == 1


def test_a_data_set_can_have_its_own_number_of_explained_images():
    config = experiment.merged(
        load(), {"dataset_definitions": {"phantom": {"explained_images": 9}}}
    )
    experiment.validate(config, SCHEMA)
    assert axes.explained_images(config, "phantom") == 9
    assert axes.explained_images(config, "breastmnist") == config["explained_images"]


def test_config_files_are_merged_in_order(tmp_path):
    for name, text in {
        "a": "results: results\nseeds: [0, 1]\naopc: {memory_mb: 1, strict: {draws: 1}}\n",
        "b": "results: results/b\nseeds: [2]\naopc: {strict: {draws: 2}}\nnew: {key: 1}\n",
    }.items():
        (tmp_path / name).write_text(text)
    assert experiment.read([tmp_path / "a", tmp_path / "b"]) == {
        "results": "results/b",
        "seeds": [2],
        "aopc": {"memory_mb": 1, "strict": {"draws": 2}},
        "new": {"key": 1},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such config file"),
        ("a: [", "cannot be read as YAML"),
        ("", "NoneType found, expected keys and values"),
        ("- results", "list found, expected keys and values"),
    ],
)
def test_a_config_file_that_is_none_is_named(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FaithcamError, match=rf"mine\.yaml: {words}"):
        experiment.read([path])


def test_the_order_of_keys_does_not_show():
    one = {"a": 1, "b": [{"c": 1, "d": 2}], "e": {"f": 1, "g": 2}}
    other = {"e": {"g": 2, "f": 1}, "b": [{"d": 2, "c": 1}], "a": 1}
    assert repr(experiment.ordered(one)) == repr(experiment.ordered(other)) == repr(one)
    assert experiment.ordered({"seeds": [2, 1]}) == {"seeds": [2, 1]}


def test_a_slip_of_the_pen_is_guessed():
    guess = r"'hirescm' is unknown; did you mean hirescam\? choose from"
    with pytest.raises(FaithcamError, match=guess):
        cams.check(["hirescm"])


def test_nothing_is_said_of_what_follows_from_a_misspelt_name():
    actual = problem({"methods": ["gradcam", "hirescan"]})
    assert len(actual.splitlines()) == 1
    assert actual.startswith("config: methods: 'hirescan' is unknown")


def test_a_single_value_in_place_of_a_list_is_shown_as_one():
    assert "seeds: 3 found, expected a list: [3]" in problem({"seeds": 3})


def test_metrics_that_apply_to_nothing_are_named():
    config = load() | {"heads": ["gap"], "metrics": ["aopc", "similarity", "agreement"]}
    assert axes.unused_metrics(config) == [
        "similarity is left out: it is for networks with head flatten",
        "agreement is left out: it needs images that can be rendered without their parts "
        "(phantom, task)",
    ]
    assert axes.unused_metrics(load()) == []


def test_a_file_that_declares_nothing_is_named_with_the_unknown_name():
    with pytest.raises(FaithcamError, match=r"curves\.py has no curves_spec\.py beside it"):
        metrics.check(["curves"])


def test_the_study_has_every_metric():
    study = experiment.read([ROOT / "config.yaml", ROOT / "config" / "study.yaml"])
    named = study["dataset_definitions"]["phantom_controls"]["metrics"]
    assert sorted(named) == sorted(metrics.METRICS)


def test_renamed_keys_are_gone_and_their_new_names_are_keys():
    def keys(part, prefix=""):
        for name, below in part.get("properties", {}).items():
            yield from (prefix + name, *keys(below, f"{prefix}{name}."))

    known = set(keys(yaml.safe_load(SCHEMA.read_text())))
    assert not {*RENAMED, *REMOVED} & known
    assert {*RENAMED.values()} <= known
