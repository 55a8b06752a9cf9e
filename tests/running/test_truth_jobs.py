"""Jobs of contributions: shards, what is stored, passes, admission, what refuses."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from shards import (
    CONFIG,
    IMAGES,
    PARTS,
    TRAIN,
    as_rows,
    make_shard,
    network_of,
    planted_shard,
    scored_by,
    several_shard,
    stored,
    written,
)

from faithcam.core.errors import FaithcamError
from faithcam.experiment.evaluations import Plan
from faithcam.experiment.problems import problems
from faithcam.models import registry
from faithcam.results import io as tables
from faithcam.running import collected_truth, costs, truth
from faithcam.running.stored_truth import StoredTruth
from faithcam.truth.admission import contributions_of_parts
from faithcam.truth.estimands import ESTIMANDS
from faithcam.truth.parts import agreement

ALL = list(ESTIMANDS)
SETTINGS = {"images": 4, "estimands": ALL, "permutations": 8, "block": 8, "reliability": 0.95}
VGG = "vgg_small"


def settings_of(estimands=ALL, patches=False, **sampling):
    return {
        "estimands": list(estimands),
        "patches": patches,
        "sampling": {"permutations": 8, "block": 8, "reliability": 0.95, **sampling},
        "memory_mb": 100,
    }


def test_shards_of_any_size_have_the_same_bytes():
    settings = settings_of()
    whole = truth.computed(planted_shard(stop=6), settings)
    parts = [
        truth.computed(planted_shard(start=start, stop=stop), settings)
        for start, stop in ((0, 1), (1, 4), (4, 6))
    ]
    for name in ("truth", "admission"):
        assert as_rows([whole], name) == as_rows(parts, name)
    rows = whole["truth"].to_pylist()
    assert len(rows) == 6 * len(ALL)
    assert {row["estimand"] for row in rows} == set(ALL)
    assert all(len(row["values"]) == row["height"] * row["width"] == 16 for row in rows)
    assert set(whole["checks"]["passed"].to_pylist()) == {True}


def test_stored_contributions_are_what_was_computed(tmp_path):
    shard = make_shard(stop=4)
    settings = settings_of(["grey", "features"])
    parts = [truth.computed(make_shard(start=start, stop=start + 2), settings) for start in (0, 2)]
    files = []
    for number, part in enumerate(parts):
        folder = tmp_path / str(number)
        folder.mkdir()
        files += written({"truth": part["truth"]}, folder)
    reader = StoredTruth(files)
    actual = reader.of([3, 0, 3], torch.device("cpu"))
    assert set(actual) == {"grey", "features"}
    for name, part in actual.items():
        rows = {
            row["image_id"]: row
            for table in parts
            for row in table["truth"].to_pylist()
            if row["estimand"] == name
        }
        assert part.values.shape == (3, 4, 4)
        for place, image in enumerate([3, 0, 3]):
            assert part.values[place].flatten().tolist() == rows[image]["values"]
            assert part.halves[1, place].flatten().tolist() == rows[image]["second_half"]
            assert part.permutations[place] == rows[image]["permutations"]
            assert part.resolved[place] == rows[image]["resolved"]
    classes = torch.from_numpy(shard.predicted[[0, 3]]).tolist()
    assert torch.equal(reader.of([0, 3], classes=classes)["grey"].values, actual["grey"].values[1:])
    with pytest.raises(FaithcamError, match="image 7 to 0 scores"):
        reader.of([7])
    with pytest.raises(FaithcamError, match="no contributions of image 0 to class"):
        reader.of([0], classes=[classes[0] + 1])


def test_every_label_of_an_image_has_its_own(tmp_path):
    shard = several_shard(slices=0, stop=3)
    table = truth.computed(shard, settings_of(["grey"]))["truth"]
    pairs = list(zip(table["image_id"].to_pylist(), table["class"].to_pylist(), strict=True))
    assert pairs == list(zip(shard.image_ids.tolist(), shard.predicted.tolist(), strict=True))
    reader = StoredTruth(written({"truth": table}, tmp_path))
    image = next(i for i, _ in pairs if [p[0] for p in pairs].count(i) > 1)
    with pytest.raises(FaithcamError, match="one class"):
        reader.of([image])
    assert len(reader.of([i for i, _ in pairs], classes=[c for _, c in pairs])["grey"].values)


def test_volumes_are_refused():
    with pytest.raises(ValueError, match="volumes' cells are not supported"):
        truth.computed(several_shard(stop=1), settings_of(["grey"]))


def planned(truth, network, metrics=("truth_agreement",)):
    """Return the plan of one network."""
    definitions = {network.dataset: {}}
    known = {"metrics": [*metrics], "dataset_definitions": definitions, "truth": truth}
    return Plan({**CONFIG, **known})


@pytest.mark.parametrize("architecture", [VGG, "patch_small"])
@pytest.mark.parametrize("named", [ALL, ["noise"], ["grey"], ["features_zero"], ["background"]])
def test_as_many_passes_as_are_declared(architecture, named, monkeypatch):
    patches = architecture == "patch_small"
    shard, seen = planted_shard(stop=3), []
    network = replace(network_of(shard, ["gradcam"]), architecture=architecture)
    plan = planned({**SETTINGS, "estimands": named, "reliability": 0.999999}, network)
    assert plan.is_additive(network) is patches
    # the network's cells see more than their own pixels: the law is broken, passes are the same
    monkeypatch.setattr(truth.Outcomes, "add", lambda *_: None)
    monkeypatch.setattr(costs, "split_images", lambda *_: {"train": TRAIN})
    shard.model.features.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    settings = {**settings_of(), **plan.truth_settings(network)}
    truth.computed(shard, settings)
    once = costs.passes_once(plan, network, "truth")
    padding = (-TRAIN % shard.batch_size) * bool(once)  # of the last training images
    assert sum(seen) == 3 * costs.passes(plan, network, "truth") + once + padding


def test_which_networks_have_patches_and_what_jobs_get():
    shard = make_shard()
    network = replace(network_of(shard, ["gradcam"]), architecture="patch_small")
    plan = planned(SETTINGS, network)
    assert plan.estimands(network)
    assert not planned(SETTINGS, network, ["aopc"]).estimands(network)  # nobody asks
    assert plan.is_additive(network)
    assert not plan.is_additive(replace(network, size=20))
    assert not plan.is_additive(replace(network, architecture=VGG))
    assert "rerendered" not in plan.estimands(network)
    assert plan.estimands(replace(network, slices=3)) == []
    assert costs.passes(plan, replace(network, slices=3), "truth") == 0
    assert plan.truth_settings(network)["sampling"] == {
        "permutations": 8,
        "block": 8,
        "reliability": 0.95,
    }
    assert not registry.ARCHITECTURES[VGG].patches


def test_parts_are_the_cells_that_they_touch():
    values = torch.arange(16.0).view(1, 4, 4).double()
    masks = torch.zeros(1, 3, 16, 16)
    masks[0, 0, 3:5, 8] = 1  # cells 2 and 6
    masks[0, 1] = 1
    assert contributions_of_parts(values, masks).tolist() == [[8.0, 120.0, 0.0]]


def test_on_a_patch_network_contributions_of_a_part_are_the_change_without_it():
    """Of the estimand that renders parts away; no other foretells it."""
    shard = planted_shard(stop=4)
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 6, 2, 2), torch.nn.ReLU(), torch.nn.Conv2d(6, 5, 2, 2)]
    shard.model.features = torch.nn.Sequential(*layers, torch.nn.ReLU()).eval()
    data, count = shard.dataset, len(PARTS)
    corners = [(0, 0), (4, 8), (12, 4)]  # in cells of their own
    data.part_masks[:, :count] = 0
    empty = np.array(data.renderings[:, 0])
    for s in range(2**count):
        data.renderings[:, s] = empty
        for part, (row, column) in enumerate(corners):
            window = (slice(None), slice(row, row + 4), slice(column, column + 4))
            data.part_masks[:IMAGES, part][window] = 1
            if s & 1 << part:
                data.renderings[:, s][window] = 40 * part + 100
    data.images[:IMAGES] = data.renderings[:, 2**count - 1]
    result = truth.computed(shard, settings_of(["rerendered", "grey"], patches=True))
    rows = result["admission"].to_pylist()
    assert len(rows) == 4 * count * 2
    exact = [row for row in rows if row["estimand"] == "rerendered"]
    for row in exact:
        assert row["contribution"] == pytest.approx(row["change"], abs=1e-5)
    assert max(abs(row["change"]) for row in exact) > 1e-3


def test_admission_is_a_correlation_and_a_relative_error(tmp_path):
    actual = agreement(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    assert actual == pytest.approx((1, 0.5))
    assert agreement(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == pytest.approx((-1, 2))
    assert np.isnan(agreement(np.zeros(2), np.zeros(2))).all()
    parts = [
        truth.computed(planted_shard(start=start, stop=start + 2), settings_of(["grey"]))
        for start in (0, 2)
    ]
    files = []
    for number, part in enumerate(parts):
        folder = tmp_path / str(number)
        folder.mkdir()
        files += written({"admission": part["admission"]}, folder)
    (row,) = collected_truth.admission(files).to_pylist()
    assert row["parts"] == 4 * len(PARTS)
    whole = pa.concat_tables(map(tables.read, files)).to_pandas()
    expected = np.corrcoef(whole["contribution"], whole["change"])[0, 1]
    assert row["correlation"] == pytest.approx(expected)
    assert len(collected_truth.admission([])) == 0
    assert len(collected_truth.contributions([])) == 0


@pytest.mark.parametrize("imputer", ["background", "grey", "train_mean"])
def test_aopc_replaces_pixels_by_training_images_grey_and_their_mean(imputer, tmp_path):
    shard = make_shard(stop=4)
    network = network_of(shard, ["hirescam"])
    strict = {**CONFIG["aopc"]["strict"], "imputers": [imputer, "mean"], "draws": 2}
    sections = {"aopc": {**CONFIG["aopc"], "strict": strict}, "protocols": ["strict"]}
    rows = scored_by(shard, "aopc", stored(shard, network, tmp_path), network, **sections)
    values = {
        imp: [r["value"] for r in rows["scores"].to_pylist() if f"imputer={imp};" in r["setting"]]
        for imp in (imputer, "mean")
    }
    assert np.isfinite(values[imputer]).all()
    assert values[imputer][:4] != values["mean"][:4]
    replicates = any("replicate=1" in r["setting"] for r in rows["scores"].to_pylist())
    assert replicates is (imputer == "background")


def test_permutations_are_whole_blocks():
    from faithcam.experiment import config as experiment

    config = experiment.read(["config.yaml"])
    assert not list(problems(config))
    config["truth"] |= {"permutations": 100, "block": 64}
    (problem,) = problems(config)
    assert "truth.permutations: 100 found" in problem
    assert "128" in problem
