"""Settings of a data set's own, tasks and controls: what they change, and what cannot be."""

from pathlib import Path

import pytest
from PIL import Image

from faithcam.core.errors import FaithcamError
from faithcam.data import definitions as data
from faithcam.experiment import axes
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.metrics import registry
from faithcam.models import registry as registry_of_models
from faithcam.models.weights import save
from faithcam.running import costs, plan

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
NAMES = ("phantom_lesion", "phantom_position", "phantom_shortcut")


def config(datasets=("phantom",), **definitions):
    over = {"datasets": list(datasets), "dataset_definitions": definitions}
    return experiment.merged(experiment.read([ROOT / "config.yaml"]), over)


def problem(over, **definitions):
    with pytest.raises(FaithcamError) as error:
        experiment.validate(experiment.merged(config(**definitions), over), SCHEMA)
    return str(error.value)


def test_the_phantoms_with_a_known_truth_can_be_run():
    experiment.validate(config(NAMES), SCHEMA)


def test_a_data_set_has_settings_of_its_own():
    changes = {
        "architectures": ["vgg_small"],
        "heads": ["flatten"],
        "seeds": [7, 8],
        "metrics": ["haas"],
    }
    actual = config(("phantom", "phantom_lesion"), phantom_lesion=changes | {"explained_images": 9})
    actual["gap_twins"] = "all"
    experiment.validate(actual, SCHEMA)
    grid = axes.planned(actual)
    assert [point for point in grid if point[0] == "phantom_lesion"] == [
        ("phantom_lesion", "vgg_small", "flatten", 7),
        ("phantom_lesion", "vgg_small", "flatten", 8),
    ]
    assert len([point for point in grid if point[0] == "phantom"]) == 3 * 2 * 3
    actual["gap_twins"] = "first"  # those of one training seed
    twins = [point for point in axes.planned(actual) if point[2] == "gap"]
    assert twins == [("phantom", name, "gap", 0) for name in actual["architectures"]]
    actual["heads"] = ["gap"]  # no twins of anything
    assert len(axes.planned(actual)) == 3 * 3 + 2
    assert axes.explained_images(actual, "phantom_lesion") == 9
    assert axes.metrics(actual) == actual["metrics"]
    assert axes.metrics(config(("phantom_lesion",), phantom_lesion=changes)) == ["haas"]


def test_images_do_not_depend_on_what_is_done_with_them():
    plain = axes.images_definition(config(), "phantom_lesion")
    changes = {"seeds": [9], "heads": ["gap"], "metrics": ["aopc"], "explained_images": 3}
    actual = config(phantom_lesion=changes | {"architectures": ["vgg_small"]})
    assert axes.images_definition(actual, "phantom_lesion") == plain
    other = config(phantom_lesion={"control": "shuffled_labels"})
    assert axes.images_definition(other, "phantom_lesion") != plain


def test_only_tasks_draw_images_for_each_seed():
    actual = config(("phantom", *NAMES))
    assert axes.data_folder(actual, "phantom", 2) == "phantom"
    assert axes.data_folder(actual, "phantom_position", 2) == "phantom_position/seed2"


def test_shortcuts_and_controls_are_exempt():
    definitions = config()["dataset_definitions"]
    exempt = {name for name, d in definitions.items() if axes.is_exempt(d)}
    assert exempt == {"phantom_shortcut"}
    for control, expected in (("none", False), ("shuffled_labels", True), ("untrained", True)):
        assert axes.is_exempt(definitions["phantom"] | {"control": control}) is expected


def test_the_plan_has_the_grid_of_each_data_set():
    changes = {"heads": ["flatten"], "seeds": [0, 4], "metrics": ["aopc"], "control": "untrained"}
    actual = config(("phantom", "phantom_lesion"), phantom_lesion=changes)
    jobs = list(plan.jobs(Plan(actual)))
    count = {rule: sum(job.rule == rule for job in jobs) for rule in ("prepare_planted", "train")}
    assert count == {"prepare_planted": 2, "train": 3 * (3 + 1) + 3 * 2}
    mine = [job for job in jobs if job.model.startswith("phantom_lesion/")]
    assert {job.rule for job in mine} == {"train", "explain", "aopc"}
    assert {job.seconds for job in mine if job.rule == "train"} == {costs.START}


CT = {"source": "ct_phantom", "size": 64, "slices": 4, "train": 60, "val": 48, "test": 48}
AXIAL = {"architectures": ["axial_small"]}


def test_volumes_and_several_labels_follow_from_the_definition():
    definitions = config(
        chest={"source": "medmnist", "flag": "chestmnist", "size": 64},
        nodule={"source": "medmnist", "flag": "nodulemnist3d", "size": 28},
    )["dataset_definitions"]
    known = {n: (data.slices(d), data.is_multi_label(d)) for n, d in definitions.items()}
    assert known["ct"] == (16, True)
    assert known["nodule"] == (28, False)
    assert known["chest"] == (0, True)
    assert known["phantom"] == known["breastmnist"] == known["phantom_lesion"] == (0, False)
    assert data.voxels(definitions["ct"]) == 16 * 64**2
    assert data.voxels(definitions["phantom"]) == 64**2
    assert data.files(definitions["ct"]) == data.FINDING_FILES
    assert data.files(definitions["nodule"]) == data.FILES
    assert data.files(definitions["phantom_lesion"]) == data.PLANTED_FILES


def test_metrics_apply_to_volumes_and_several_labels_as_the_registry_says():
    nodule = {"source": "medmnist", "flag": "nodulemnist3d", "size": 28}
    actual = config(("ct", "nodule", "phantom"), ct=AXIAL, nodule=nodule | AXIAL)
    actual["controls"] = ["sham"]
    experiment.validate(actual, SCHEMA)
    actual["metrics"] = [*actual["metrics"], "localisation", "mprt"]
    planned = Plan(actual)
    applied = {
        name: planned.metrics(planned.network(name, "axial_small-flatten"))
        for name in actual["datasets"]
    }
    main = ["aopc", "max_sensitivity", "haas", "insertion", "deletion", "single_deletion"]
    assert applied["ct"] == [*main, "localisation"]
    assert applied["nodule"] == main
    assert applied["phantom"] == actual["metrics"]
    chest = {"source": "medmnist", "flag": "chestmnist", "size": 64}
    reasons = {
        (name, kind): registry.METRICS[name].supports(planned.network(kind, "axial_small-gap"))
        for name, kind in (("road", "ct"), ("road", "nodule"), ("localisation", "nodule"))
    }
    assert reasons["road", "ct"] == (False, "is not defined for several labels per image")
    assert reasons["road", "nodule"] == (False, "is not defined for volumes")
    assert reasons["localisation", "nodule"] == (False, "needs lesion masks")
    multi_label = Plan(config(chest=chest)).network("chest", "vgg_small-gap")
    reason = registry.METRICS["localisation"].supports(multi_label)
    assert reason == (False, "needs masks of each label")
    jobs = [job.rule for job in plan.jobs(planned)]
    assert (jobs.count("prepare_findings"), jobs.count("prepare_data")) == (1, 2)


MEDMNIST = {"source": "medmnist", "flag": "breastmnist", "size": 64}


@pytest.mark.counts("configs")
@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"task": "shortcut"}, ["x.rho: missing"]),
        ({"task": "lesion", "rho": 0.5}, ["x.rho: found with task lesion"]),
        ({"rho": 0.5}, ["x.rho: found with task none"]),
        ({"task": "shortcut", "rho": 2}, ["x.rho: 2 found, expected a number from 0 to 1"]),
        ({"task": "ring"}, ["x.task: 'ring' found, expected one of: lesion, position, shortcut"]),
        ({"control": "random"}, ["x.control: 'random' found", "shuffled_labels, untrained"]),
        (
            {"control": "dead_zone", "heads": ["flatten", "gap"]},
            ["x.heads: ['flatten', 'gap'] found, but control: dead_zone takes", "heads: [flatten]"],
        ),
        ({"explained_split": "val"}, ["x.explained_split: unknown key"]),
        ({"heads": ["cam"]}, ["x.heads.0: 'cam' found"]),
        ({"architectures": ["resnet18"]}, ["resnet18 turns images of 32 px into 1 x 1 cells"]),
        ({"seeds": []}, ["x.seeds"]),
        ({"metrics": ["auc"]}, ["x.metrics: 'auc' is unknown; choose from agreement, aopc"]),
        (MEDMNIST | {"explained_split": "train"}, ["x.explained_split: 'train' found"]),
        (
            MEDMNIST | {"explained_split": "val", "explained_images": 79},
            ["79 found, but data set x has 78 val images"],
        ),
        (MEDMNIST | {"task": "lesion"}, ["x.task: unknown key"]),
        (CT, ["resnet_small takes images, but data set x has volumes; choose from axial_small"]),
        (MEDMNIST | AXIAL, ["axial_small takes volumes, but data set x has images; choose from"]),
        (CT | AXIAL | {"slices": 3}, ["x.slices: 3 found, expected a whole number from 4 to 1024"]),
        (CT | AXIAL | {"size": 24}, ["x.size: 24 found, expected a whole number from 28 to 4096"]),
        (
            MEDMNIST | AXIAL | {"flag": "nodulemnist3d", "size": 128},
            ["x.flag: nodulemnist3d: size 128 found, expected one of (28, 64)"],
        ),
    ],
)
def test_what_cannot_be_is_named(definition, words):
    phantom = {"source": "phantom", "size": 32, "train": 60, "val": 48, "test": 48}
    whole = definition if "source" in definition else phantom | definition
    message = problem({"datasets": ["x"]}, x=whole)
    for word in words:
        assert word in message


def test_methods_without_maps_of_volumes_are_named():
    over = {"datasets": ["ct"], "methods": ["hirescam", "sobel"]}
    assert "methods: ['sobel'] have no maps of volumes, but data set ct has volumes" in problem(
        over
    )


def test_a_flip_that_changes_the_class_is_refused():
    over = {"datasets": ["phantom_position"], "training": {"flips": ["vertical"]}}
    assert "vertical found, but it exchanges upper and lower" in problem(over)


def test_a_baseline_alone_is_refused_where_its_metric_is(tmp_path):
    over = {"methods": ["random"], "metrics": ["aopc"], "datasets": ["phantom", "phantom_lesion"]}
    experiment.validate(experiment.merged(config(), over), SCHEMA)
    message = problem(over, phantom_lesion={"metrics": ["max_sensitivity"]})
    assert "do not depend on the network" in message


def test_an_untrained_network_has_no_weights_from_elsewhere(tmp_path):
    name = "phantom_lesion/vgg_small-gap/seed0"
    save(registry_of_models.build("vgg_small", "gap", 3, 64), tmp_path / "w", {})
    over = {"datasets": ["phantom_lesion"], "trained_weights": {name: str(tmp_path / "w")}}
    experiment.validate(experiment.merged(config(), over), SCHEMA)
    for control in ("untrained", "dead_zone"):
        message = problem(over, phantom_lesion={"control": control})
        assert f"trained_weights: {name} is of a data set with control: {control}" in message


def test_a_folder_with_too_few_test_images_is_known_before_anything_runs(tmp_path):
    for i, name in enumerate("ab" * 30):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("L", (8, 8), i).save(tmp_path / name / f"{i}.png")
    mine = {"source": "folder", "path": str(tmp_path), "size": 64}
    few = "explained_images: 16 found, but data set mine has 12 test images"
    assert few in problem({"datasets": ["mine"]}, mine=mine)
    experiment.validate(config(["mine"], mine=mine | {"explained_images": 12}), SCHEMA)
    (tmp_path / "b" / "lost_mask.png").write_bytes(b"")
    lost = (
        f"dataset_definitions.mine: {tmp_path}: masks without their image: {tmp_path}/b/lost_mask"
    )
    assert lost in problem({"datasets": ["mine"]}, mine=mine)
