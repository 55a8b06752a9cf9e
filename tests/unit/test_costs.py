"""What jobs cost is what they do: passes are counted, shards are cut by them."""

import copy
from dataclasses import replace
from importlib import import_module

import pytest
import torch
from networks import Counting
from planted import planted_shard
from test_shard import (
    AOPC,
    BATCH,
    FURTHER,
    HAAS,
    PROTOCOLS,
    SENSITIVITY,
    VAL,
    make_shard,
    named,
    settings_of,
    stored_maps,
)
from torch import nn

from faithcam import config as experiment
from faithcam import costs, maps, sharding
from faithcam.cams import registry as cams
from faithcam.cams.method import Method
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
from faithcam.metrics import registry as metrics
from faithcam.metrics.planning import Curves, aopc_curves
from faithcam.models import registry

METHODS = ["gradcam", "hirescam", "random", "centre", "sobel"]
CONTROLS = ["sham", "sham_permuted", "other_image", "template", "intensity"]
NET = Model("made", "net", "flatten")
FEWER = ("damage_ladder", "convergence", "normalised_aopc")


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
        **FURTHER,
        "normalised_aopc": {**FURTHER["normalised_aopc"], "images": 40},
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
    aopc.score_shard(counted, loaded, settings_of([protocol], CONTROLS))
    unperturbed = len(calls)
    passes = counted.model.passes - unperturbed
    planned = costs.passes(only(config, protocol), NET, "aopc")
    # equal orders are evaluated once, so that fewer may be needed
    assert 0.9 * planned <= passes <= planned


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_max_sensitivity_makes_as_many_passes_as_planned(config, counted, protocol):
    methods = [*METHODS[:2], "sham", "sham_permuted", "template"]
    settings = settings_of([protocol], methods[2:])
    max_sensitivity.score_shard(counted, named(counted, methods), settings)
    planned = BATCH * costs.passes(only(config, protocol), NET, "max_sensitivity")
    planned += costs.passes_of_a_job(config, NET, "max_sensitivity")
    # the validation split's last batch is padded
    assert counted.model.images == planned + -VAL % BATCH


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_haas_makes_as_many_passes_as_planned(config, counted, tmp_path, protocol):
    loaded, _, _ = stored_maps(make_shard(start=4, stop=8), METHODS + CONTROLS, tmp_path)
    haas.score_shard(counted, loaded, settings_of([protocol], CONTROLS))
    planned = costs.passes(only(config, protocol), NET, "haas")
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
    arguments = (config,) if metric is patch_net else (None, config)
    metric.score_shard(shard, *arguments)
    planned = costs.passes(config, NET, metric.__name__.rsplit(".", 1)[1])
    assert len(passes) - len(calls) == planned


@pytest.mark.parametrize(("task", "passes"), [("lesion", 16), ("shortcut", 20)])
def test_agreement_asks_about_every_set_of_parts_and_every_decoy_twice(config, task, passes):
    config["dataset_definitions"]["made"]["task"] = task
    assert costs.passes(config, NET, "agreement") == passes


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
    for metric in (damage_ladder, convergence):
        counted.model.passes = 0
        calls.clear()
        metric.score_shard(counted, None, config)
        assert len(calls) == 1  # all orders and replacements at once
        passes = counted.model.passes - len(calls)
        # equal orders are removed once: small maps are often damaged alike
        planned = metric.METRIC.passes(config, NET)
        assert 0.8 * planned <= passes <= planned


ASKING = [
    *("deletion", "insertion", "average_drop", "increase_in_confidence", "infidelity", "road"),
    *("normalised_aopc", "average_sensitivity", "mprt", "smooth_mprt", "efficient_mprt"),
]


@pytest.mark.parametrize("metric", [*ASKING, "complexity", "sparseness"])
def test_further_metrics_make_as_many_passes_as_planned(config, monkeypatch, tmp_path, metric):
    methods = [*METHODS, *CONTROLS]
    if metrics.METRICS[metric].maps == "own":
        methods = cams.from_model(methods)
    shard = make_shard(start=4, stop=8)
    loaded, _, _ = stored_maps(shard, methods, tmp_path)
    calls, images = [], []
    logits = removal.Removal.logits
    monkeypatch.setattr(
        removal.Removal, "logits", lambda *a, **k: calls.append(1) or logits(*a, **k)
    )
    shard.model.features.register_forward_hook(lambda _, given, __: images.append(len(given[0])))
    score = import_module(f"faithcam.metrics.{metric}").score_shard
    # one batch of the validation split is one of the images' batches, too
    score(replace(shard, batch_size=BATCH), loaded, config | settings_of(["strict"], CONTROLS))
    # the evaluator's pass of whole curves is not counted, those of a search are; 2 streams
    searched = 2 if metric == "normalised_aopc" else len(calls)
    found = sum(images) / BATCH - (searched if metric in costs.REMOVAL else 0)
    planned = costs.passes(config, NET, metric)
    once = costs.passes_of_a_job(config, NET, metric) / BATCH
    networks = {"mprt": 5, "smooth_mprt": 5, "efficient_mprt": 3, "average_sensitivity": 1}
    # each has mean activations, which a method here needs; the last batch is padded
    found -= once + networks.get(metric, 0) * (-VAL % BATCH) / BATCH
    assert 0.9 * planned <= found <= planned


@pytest.mark.parametrize("metric", ["mprt", "efficient_mprt"])
def test_methods_with_passes_of_their_own_make_them_for_every_network(config, metric):
    config["controls"] = ["scorecam", "occlusion"]
    shard, images = make_shard(stop=4), []
    shard.model.features.register_forward_hook(lambda _, given, __: images.append(len(given[0])))
    score = import_module(f"faithcam.metrics.{metric}").score_shard
    names = named(shard, [*METHODS, *config["controls"]])
    score(replace(shard, batch_size=BATCH), names, config | settings_of(["strict"]))
    once = costs.passes_of_a_job(config, NET, metric)
    assert sum(images) - once == BATCH * costs.passes(config, NET, metric)


# forward passes of a map: one per channel (of 5) for all scores, else for each of the four scores
PASSES = {"scorecam": 5, "occlusion": 4 * (16 + 1), "gradient_x_input": 4, "ablationcam": 0}
PASSES |= {"integrated_gradients": 4 * 50, "smoothgrad": 4 * 25}


@pytest.mark.parametrize("own", [[], ["scorecam", "occlusion"], list(PASSES)])
def test_maps_make_as_many_passes_as_planned(config, counted, own):
    config["controls"] = CONTROLS + own
    counted.model.classifier = counted.model.model.classifier
    maps.compute(counted, METHODS + CONTROLS + own)
    passes = costs.explain_passes(config, NET)
    planned = BATCH * passes + costs.passes_of_a_job(config, NET, "explain")
    assert counted.model.images == planned + -VAL % BATCH
    assert passes == 3 + sum(PASSES[name] for name in own)
    plain = {**config, "controls": []}
    assert costs.explain_passes(plain, NET) == 2
    assert costs.passes_of_a_job(plain, NET, "explain") == 0


def test_a_backward_pass_costs_two_forward_passes(config):
    config["controls"] = ["occlusion"]
    forward = costs.passes(config, NET, "explain")
    assert forward == costs.explain_passes(config, NET) == 2 + 4 * 17
    config["controls"] = ["gradient_x_input", "integrated_gradients", "smoothgrad"]
    assert costs.passes(config, NET, "explain") == 2 + 3 * 4 * (1 + 50 + 25)


def test_maps_made_from_a_method_s_maps_cost_what_it_does(config, monkeypatch):
    of_another = Method(lambda scorecam: -scorecam, "nowhere")
    monkeypatch.setitem(cams.METHODS, "negative", of_another)
    config["controls"] = ["negative"]
    assert costs.explain_passes(config, NET) == 2 + 5


@pytest.mark.parametrize(
    ("curves", "orders"),
    [
        # MoRF and LeRF of 2 maps, a random order
        (Curves(16), 5),
        # and the logit's 2 maps, MoRF of 3 controls
        (Curves(16, noise=False, controls=True), 10),
        # and MoRF of 2 maps and 3 controls under another stream
        (Curves(16, primary=True, controls=True), 15),
        (Curves(16, thesis=True, controls=True), 5),
    ],
)
def test_orders_of_removal_by_hand(curves, orders):
    assert curves.orders(2, 3) == orders


def test_images_are_rerendered_only_where_they_have_parts(config):
    with_parts = len(aopc_curves(config, NET))
    del config["dataset_definitions"]["made"]["task"]
    assert with_parts - len(aopc_curves(config, NET)) == len(AOPC["strict"]["regions"])


def test_maps_of_gap_networks_are_ordered_once(config):
    config["controls"] = []
    gap = costs.passes(config, Model("made", "net", "gap"), "aopc")
    flatten = costs.passes({**config, "methods": METHODS[1:]}, NET, "aopc")
    assert gap == flatten


@pytest.mark.parametrize("name", registry.ARCHITECTURES)
def test_architectures_know_their_size(name):
    facts = registry.ARCHITECTURES[name]
    features = registry.features(name).eval()
    work = []

    def note(module, _, output):
        work.append(module.weight.numel() * output[0].numel() // len(module.weight))

    for module in features.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(note)
    size = facts.stride * (4 + 2 * facts.unpadded) if facts.unpadded else 64
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
    assert shards[-1][1] == images == (40 if kind in FEWER else 100)
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
