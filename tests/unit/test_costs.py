"""What jobs cost is what they do: passes are counted, shards are cut by them."""

import copy
from dataclasses import replace

import pytest
import torch
from networks import Counting
from planted import planted_shard
from test_shard import (
    AOPC,
    BATCH,
    HAAS,
    PROTOCOLS,
    SENSITIVITY,
    VAL,
    make_shard,
    stored_maps,
)
from torch import nn

from faithcam import config as experiment
from faithcam import costs, maps, sharding
from faithcam.checks import Check
from faithcam.costs import Model
from faithcam.metrics import (
    aopc,
    convergence,
    damage_ladder,
    dose_response,
    haas,
    max_sensitivity,
    multiverse,
    patch_net,
    removal,
)
from faithcam.models import registry

METHODS = ["gradcam", "hirescam", "random", "centre", "sobel"]
CONTROLS = ["sham", "sham_permuted", "other_image", "template", "intensity"]
NET = Model("made", "net", "flatten")


@pytest.fixture
def config(monkeypatch):
    """The settings of ``test_shard`` as a config, its network among the architectures."""
    facts = registry.Architecture(5, 4, True, 100, 1000)
    monkeypatch.setitem(registry.ARCHITECTURES, "net", facts)
    return {
        "device": "cpu",
        "threads": 1,
        "batch_size": BATCH,
        "shard_minutes": 10,
        "explained_images": 100,
        "dataset_definitions": {
            "made": {
                "source": "phantom",
                "task": "lesion",
                "size": 16,
                "train": 60,
                "val": VAL,
                "test": 100,
            }
        },
        "training": {"epochs": 3},
        "methods": METHODS,
        "controls": CONTROLS,
        "protocols": PROTOCOLS,
        "aopc": AOPC,
        "max_sensitivity": SENSITIVITY,
        "haas": HAAS,
        "dose_response": {"doses": [0, 1]},
        "damage_ladder": {"images": 40, "steps": [0.5, 1], "draws": 2},
        "convergence": {"images": 40, "draws": 3, "samples": [2, 5]},
        "multiverse": {"regions": ["native", 8], "imputers": ["noise", "mean"]},
    }


def only(config, protocol):
    return {**config, "protocols": [protocol]}


@pytest.fixture
def counted():
    """A full micro-batch's shard whose network counts its passes; no label is predicted."""
    shard = make_shard(start=4, stop=8)
    predicted = (shard.labels + 1) % 3
    counting = Counting(shard.model)
    return shard.__class__(**{**shard.__dict__, "model": counting, "predicted": predicted})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_aopc_makes_as_many_passes_as_planned(config, counted, monkeypatch, tmp_path, protocol):
    loaded, _, _ = stored_maps(make_shard(start=4, stop=8), METHODS + CONTROLS, tmp_path)
    calls = []
    logits = removal.Removal.logits
    monkeypatch.setattr(
        removal.Removal, "logits", lambda *a, **k: calls.append(1) or logits(*a, **k)
    )
    aopc.score_shard(counted, loaded, [protocol], AOPC, CONTROLS)
    unperturbed = len(calls)
    passes = counted.model.passes - unperturbed
    planned = costs.aopc_passes(only(config, protocol), NET)
    # equal orders are evaluated once, so that fewer may be needed
    assert 0.9 * planned <= passes <= planned


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_max_sensitivity_makes_as_many_passes_as_planned(config, counted, protocol):
    methods = [*METHODS[:2], "sham", "sham_permuted", "template"]
    max_sensitivity.score_shard(counted, methods, [protocol], SENSITIVITY, methods[2:])
    planned = BATCH * costs.max_sensitivity_passes(only(config, protocol), NET)
    planned += costs.passes_of_a_job(config, NET, "max_sensitivity")
    # the validation split's last batch is padded
    assert counted.model.images == planned + -VAL % BATCH


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_haas_makes_as_many_passes_as_planned(config, counted, tmp_path, protocol):
    loaded, _, _ = stored_maps(make_shard(start=4, stop=8), METHODS + CONTROLS, tmp_path)
    haas.score_shard(counted, loaded, [protocol], HAAS, CONTROLS)
    planned = costs.haas_passes(only(config, protocol), NET)
    assert 0.6 * planned <= counted.model.passes <= planned


@pytest.mark.parametrize("metric", [dose_response, multiverse, patch_net])
def test_metrics_of_the_network_alone_make_as_many_passes_as_planned(config, monkeypatch, metric):
    shard = make_shard(start=4, stop=8)
    calls, passes = [], []
    logits = removal.Removal.logits
    monkeypatch.setattr(
        removal.Removal, "logits", lambda *a, **k: calls.append(1) or logits(*a, **k)
    )
    # the network's cells see more than their own pixels: the law is broken, passes are the same
    monkeypatch.setattr(patch_net, "Check", lambda *facts: Check(facts[0], torch.zeros(4), ""))
    shard.model.features.register_forward_hook(lambda *_: passes.append(1))
    metric.score_shard(shard, config)
    planned = costs.PASSES[metric.__name__.rsplit(".", 1)[1]](config, NET)
    assert len(passes) - len(calls) == planned


@pytest.mark.parametrize(("task", "passes"), [("lesion", 16), ("shortcut", 20)])
def test_agreement_asks_about_every_set_of_parts_and_every_decoy_twice(config, task, passes):
    config["dataset_definitions"]["made"]["task"] = task
    assert costs.agreement_passes(config, NET) == passes


@pytest.mark.parametrize("truth", [False, True])
def test_ladders_and_convergence_make_as_many_passes_as_planned(
    config, counted, monkeypatch, truth
):
    if truth:
        config["dataset_definitions"]["made"]["task"] = "lesion"
        data = replace(planted_shard().dataset, images=counted.dataset.images)
        counted = replace(counted, dataset=data)
    calls = []
    logits = removal.Removal.logits
    monkeypatch.setattr(
        removal.Removal, "logits", lambda *a, **k: calls.append(1) or logits(*a, **k)
    )
    for metric, planned in (
        (damage_ladder, costs.damage_ladder_passes),
        (convergence, costs.convergence_passes),
    ):
        counted.model.passes = 0
        calls.clear()
        metric.score_shard(counted, config)
        assert len(calls) == 1  # all orders and replacements at once
        passes = counted.model.passes - len(calls)
        # equal orders are removed once: small maps are often damaged alike
        assert 0.8 * planned(config, NET) <= passes <= planned(config, NET)


def test_maps_make_as_many_passes_as_planned(config, counted):
    counted.model.classifier = counted.model.model.classifier
    maps.compute(counted, METHODS + CONTROLS)
    planned = BATCH * costs.explain_passes(config, NET)
    planned += costs.passes_of_a_job(config, NET, "explain")
    assert counted.model.images == planned + -VAL % BATCH
    plain = {**config, "controls": []}
    assert costs.explain_passes(plain, NET) == 2
    assert costs.passes_of_a_job(plain, NET, "explain") == 0


def test_images_are_rerendered_only_where_they_have_parts(config):
    with_parts = len(costs.aopc_curves(config, NET))
    del config["dataset_definitions"]["made"]["task"]
    assert with_parts - len(costs.aopc_curves(config, NET)) == len(AOPC["strict"]["regions"])


def test_maps_of_gap_networks_are_ordered_once(config):
    config["controls"] = []
    gap = costs.aopc_passes(config, Model("made", "net", "gap"))
    flatten = costs.aopc_passes({**config, "methods": METHODS[1:]}, NET)
    assert gap == flatten


@pytest.mark.parametrize("name", registry.ARCHITECTURES)
def test_architectures_know_their_size(name):
    facts = registry.ARCHITECTURES[name]
    features = registry.features(name).eval()
    work = []

    def note(module, _, output):
        work.append(module.weight.numel() * output[0, 0].numel())

    for module in features.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    size = max(64, facts.stride * (4 + 2 * facts.unpadded))
    with torch.inference_mode():
        features(torch.zeros(1, 3, size, size))
    assert facts.multiply_adds == round(sum(work) / size**2)
    assert facts.parameters == sum(part.numel() for part in features.parameters())


@pytest.mark.parametrize("kind", costs.KINDS)
@pytest.mark.parametrize("minutes", [0.0001, 0.001, 0.01, 0.1, 1000])
def test_shards_hold_whole_batches_and_take_about_the_same_time(config, kind, minutes):
    config["shard_minutes"] = minutes
    shards = [sharding.bounds(shard) for shard in costs.shards(config, NET, kind)]
    assert [start for start, _ in shards] == [0, *(stop for _, stop in shards[:-1])]
    images = costs.images_of(config, NET, kind)
    assert shards[-1][1] == images == (40 if kind in ("damage_ladder", "convergence") else 100)
    assert all(start % BATCH == 0 for start, _ in shards)
    seconds = [costs.shard_seconds(config, NET, kind, b - a) for a, b in shards]
    if len(shards) in (1, images // BATCH):  # not to be cut further, or not at all
        return
    assert minutes * 60 / 2 <= max(seconds) <= minutes * 60 * 2


def test_dearer_metrics_have_more_jobs_and_gpus_need_fewer(config):
    config["shard_minutes"] = 0.0005
    jobs = {kind: len(costs.shards(config, NET, kind)) for kind in costs.KINDS}
    assert jobs["aopc"] > jobs["haas"] >= jobs["explain"] == 1
    on_gpu = {**config, "device": "cuda"}
    assert len(costs.shards(on_gpu, NET, "aopc")) < jobs["aopc"]
    assert costs.shards({**config, "device": "auto"}, NET, "aopc") == costs.shards(
        config, NET, "aopc"
    )


def test_one_metric_does_not_change_the_shards_of_another(config):
    before = costs.shards(config, NET, "haas")
    changed = copy.deepcopy(config)
    changed["aopc"]["strict"]["draws"] = 50
    assert costs.shards(changed, NET, "haas") == before


def test_time_limits_leave_room():
    assert costs.limit_minutes(1) == costs.SHORTEST
    assert costs.limit_minutes(3600) >= 4 * 60
    assert costs.limit_minutes(3600, 2) == 2 * costs.limit_minutes(3600)
    assert costs.limit_minutes(1e6) == costs.limit_minutes(1e6, 3) == costs.LONGEST


def test_the_size_of_a_users_folder_is_not_known_before(config):
    config["dataset_definitions"]["mine"] = {"source": "folder", "path": "x", "size": 16}
    assert costs.split_images(config, "mine") is None
    assert costs.split_images(config, "made") == {"train": 60, "val": VAL, "test": 100}
    assert experiment.explained_images(config, "mine") == 100
