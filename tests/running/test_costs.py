"""What jobs cost is what they do: passes are counted; their names follow from the config."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import Counting
from shards import (
    BATCH,
    CONFIG,
    TRAIN,
    VAL,
    make_shard,
    network_of,
    planted_shard,
    scored_by,
    stored,
)
from torch import nn

from faithcam.core.setting import Setting
from faithcam.experiment import axes
from faithcam.experiment.evaluations import Plan
from faithcam.maps import registry as cams
from faithcam.maps.method import Method
from faithcam.metrics.evaluation import Evaluation, Passes, total_passes
from faithcam.metrics.faithfulness import patch_net
from faithcam.metrics.registry import METRICS
from faithcam.models import registry
from faithcam.removal.engine import Removal
from faithcam.results.laws import Check
from faithcam.running import costs
from faithcam.running import explaining as maps

METHODS = ["gradcam", "hirescam", "random", "centre", "sobel"]
CONTROLS = ["sham", "sham_permuted", "other_image", "template", "intensity"]
# where maps are alike, they are asked about once; all others exactly as declared
FEWER = {"aopc": 0.89, "damage_ladder": 0.8, "haas": 0.6}
OF_RENDERINGS = [n for n, m in METRICS.items() if "renderings" in m.uses]
KINDS = ["explain", *METRICS]


def declared(plan, network, kind):
    """Return the passes of a batch of images, and of what is made once for all of them."""
    actual = BATCH * costs.passes(plan, network, kind) + costs.passes_once(plan, network, kind)
    means = {
        passes
        for evaluation in ([] if kind == "explain" else plan.evaluations(kind, network))
        for passes in evaluation.passes
        if passes.once and passes.of[0] == "mean activations" and passes.count
    }
    return actual + len(means) * (-TRAIN % BATCH)  # the training split's last batch is padded


def images_seen(monkeypatch, tmp_path, metric, make, network, **sections):
    """Return how many images a metric shows the network, without those that begin a curve."""
    files = stored(make(), network, tmp_path)
    shard, seen, clean = make(), [], []
    # the network's cells see more than their own pixels: the law is broken, passes are the same
    monkeypatch.setattr(patch_net, "Check", lambda name, *_: Check(name, torch.zeros(BATCH), ""))
    logits = Removal.logits
    monkeypatch.setattr(Removal, "logits", lambda *a, **k: clean.append(1) or logits(*a, **k))
    shard.model.features.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    scored_by(shard, metric, files, network, **sections)
    if metric == "normalised_aopc":  # what its searches begin with is declared; two streams
        clean = clean[:2]
    return sum(seen) - BATCH * len(clean)


def check_passes(metric, actual, expected):
    assert FEWER.get(metric, 1) * expected <= actual <= expected


@pytest.mark.parametrize(
    ("metric", "head"),
    [(name, head) for name, spec in METRICS.items() for head in spec.heads if head != "other"],
)
def test_every_metric_makes_as_many_passes_as_it_declares(monkeypatch, tmp_path, metric, head):
    def make():
        return planted_shard(head=head, start=4, stop=8)

    network = network_of(make(), METHODS, CONTROLS)
    actual = images_seen(monkeypatch, tmp_path, metric, make, network)
    check_passes(metric, actual, declared(Plan(CONFIG), network, metric))


@pytest.mark.parametrize("metric", OF_RENDERINGS)
def test_without_renderings_there_are_fewer_passes_and_as_many_as_declared(
    monkeypatch, tmp_path, metric
):
    def make():
        return make_shard(start=4, stop=8)

    network = network_of(make(), METHODS, CONTROLS)
    actual = images_seen(monkeypatch, tmp_path, metric, make, network)
    expected = declared(Plan(CONFIG), network, metric)
    check_passes(metric, actual, expected)
    assert expected < declared(Plan(CONFIG), replace(network, task="lesion"), metric)


@pytest.mark.parametrize("metric", ["aopc", "max_sensitivity", "haas"])
@pytest.mark.parametrize("protocol", ["thesis", "strict"])
def test_each_protocol_declares_its_own_passes(monkeypatch, tmp_path, metric, protocol):
    def make():
        return make_shard(start=4, stop=8)

    network = network_of(make(), METHODS, CONTROLS)
    sections = {"protocols": [protocol]}
    actual = images_seen(monkeypatch, tmp_path, metric, make, network, **sections)
    check_passes(metric, actual, declared(Plan({**CONFIG, **sections}), network, metric))


@pytest.mark.parametrize("metric", ["mprt", "efficient_mprt"])
def test_methods_with_passes_of_their_own_make_them_for_every_network(
    monkeypatch, tmp_path, metric
):
    def make():
        return make_shard(stop=4)

    network = network_of(make(), METHODS, ["scorecam", "occlusion"])
    actual = images_seen(monkeypatch, tmp_path, metric, make, network)
    assert actual == declared(Plan(CONFIG), network, metric)


@pytest.mark.parametrize(("task", "passes"), [("lesion", 16), ("shortcut", 20)])
def test_agreement_asks_about_every_set_of_parts_and_every_decoy_twice(task, passes):
    network = network_of(make_shard(), METHODS, task=task)
    assert costs.passes(Plan(CONFIG), network, "agreement") == passes


@pytest.mark.parametrize(
    ("imputers", "regions", "orders"),
    [
        # MoRF and LeRF of 2 maps, a random order; the logit's 2 maps, MoRF of 3 controls
        (["mean"], ["native"], 10),
        # and MoRF of 2 maps and 3 controls under another replicate
        (["noise"], ["native"], 15),
        # under another imputer MoRF and LeRF of 2 maps, a random order
        (["mean", "blur"], ["native"], 10 + 5),
    ],
)
def test_orders_of_removal_by_hand(imputers, regions, orders):
    network = network_of(make_shard(), METHODS[:2], CONTROLS[:3])
    strict = {"regions": regions, "imputers": imputers, "draws": 1, "fractions": [0.5]}
    aopc = {"memory_mb": 1, "thesis": {"regions": [4]}, "strict": strict}
    plans = [Plan({**CONFIG, "protocols": [p], "aopc": aopc}) for p in ("strict", "thesis")]
    assert [costs.passes(plan, network, "aopc") for plan in plans] == [16 * orders + 1, 16 * 5]


def test_maps_of_gap_networks_are_ordered_once():
    network = network_of(make_shard("gap"), METHODS)
    flatten = network_of(make_shard(), METHODS[1:])
    gap, one = (costs.passes(Plan(CONFIG), n, "aopc") for n in (network, flatten))
    assert gap == one


# --- sums -----------------------------------------------------------------------------------------
passes = st.builds(Passes, st.tuples(st.sampled_from("abc")), st.integers(0, 3), st.booleans())


@given(st.lists(st.lists(passes, max_size=4), max_size=4))
def test_equal_passes_are_paid_once(listed):
    asked = [
        Evaluation("mine", "strict", Setting.of(place=i), (), passes=tuple(actual))
        for i, actual in enumerate(listed)
    ]
    distinct = {one for actual in listed for one in actual}
    for once in (False, True):
        expected = sum(one.count for one in distinct if one.once == once)
        assert total_passes(asked, once=once) == total_passes(asked * 2, once=once) == expected


# --- maps -----------------------------------------------------------------------------------------
# forward passes of a map: one per channel (of 5) for all scores, else for each of the four scores
PASSES = {"scorecam": 5, "occlusion": 4 * (16 + 1), "gradient_x_input": 4, "ablationcam": 0}
PASSES |= {"integrated_gradients": 4 * 50, "smoothgrad": 4 * 25}
# a backward pass costs two forward passes
COSTS = {n: (3 if cams.METHODS[n].backward else 1) * count for n, count in PASSES.items()}


@pytest.mark.parametrize("further", [[], ["scorecam", "occlusion"], list(PASSES)])
def test_maps_make_as_many_passes_as_planned(further):
    shard = make_shard(start=4, stop=8)
    network = network_of(shard, METHODS, CONTROLS + further)
    counting = Counting(shard.model)
    counting.classifier = shard.model.classifier
    maps.compute(replace(shard, model=counting), list(network.everything))
    backward = sum(COSTS[name] - PASSES[name] for name in further)
    actual = counting.images + BATCH * backward
    once = costs.passes_once(Plan(CONFIG), network, "explain")
    assert once == TRAIN
    count = costs.passes(Plan(CONFIG), network, "explain")
    assert actual == BATCH * count + once + -TRAIN % BATCH
    assert count == 3 + sum(COSTS[name] for name in further)
    plain = replace(network, controls=())
    assert costs.passes(Plan(CONFIG), plain, "explain") == 2
    assert costs.passes_once(Plan(CONFIG), plain, "explain") == 0


def test_maps_made_from_a_method_s_maps_cost_what_it_does(monkeypatch):
    of_another = Method(lambda scorecam: -scorecam, "nowhere")
    monkeypatch.setitem(cams.METHODS, "negative", of_another)
    network = network_of(make_shard(), METHODS, ["negative"])
    assert costs.passes(Plan(CONFIG), network, "explain") == 2 + 5


@pytest.mark.parametrize("name", registry.ARCHITECTURES)
def test_architectures_know_their_size(name):
    spec = registry.ARCHITECTURES[name]
    features = registry.features(name).eval()
    work = []

    def note(module, _, output):
        work.append(module.weight.numel() * output[0].numel() // len(module.weight))

    for module in features.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(note)
    size = spec.stride * (4 + 2 * spec.unpadded) if spec.unpadded else 64
    with torch.inference_mode():
        features(torch.zeros(1, 3, size, size))
    assert spec.multiply_adds == round(sum(work) / size**2)
    assert spec.parameters == sum(part.numel() for part in features.parameters())


# --- jobs -----------------------------------------------------------------------------------------
PHANTOM = {"source": "phantom", "task": "lesion", "size": 16, "train": 60, "val": VAL, "test": 100}
NETWORK = replace(
    network_of(make_shard(), METHODS, CONTROLS), architecture="patch_small", task="lesion"
)


def plan_of(**over):
    return Plan(
        {
            **CONFIG,
            "device": "cpu",
            "threads": 1,
            "batch_size": BATCH,
            "explained_images": 100,
            "images_per_job": {"default": 48, "haas": 100, "aopc": 12},
            "dataset_definitions": {"made": PHANTOM},
            "damage_ladder": {**CONFIG["damage_ladder"], "images": 40},
            **over,
        }
    )


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("explain", ["0-48", "48-96", "96-100"]),
        ("road", ["0-48", "48-96", "96-100"]),
        ("haas", ["0-100"]),
        ("aopc", [f"{start}-{min(100, start + 12)}" for start in range(0, 100, 12)]),
        ("damage_ladder", ["0-40"]),
        ("normalised_aopc", ["0-10"]),
    ],
)
def test_shards_follow_from_the_images_per_job_alone(monkeypatch, kind, names):
    assert plan_of().shards(kind, NETWORK) == names
    # and not from what anything costs
    changed = plan_of(
        device="cuda", threads=8, haas={"strict": {"constant": 0.1}}, mprt={"stages": 9}
    )
    monkeypatch.setattr(costs, "HANDLING", 1)
    larger = replace(NETWORK, architecture="vgg19", methods=("hirescam",))
    assert changed.shards(kind, larger) == names


@pytest.mark.parametrize("kind", KINDS)
def test_jobs_begin_with_a_micro_batch(kind):
    starts = [int(shard.split("-")[0]) for shard in plan_of().shards(kind, NETWORK)]
    assert all(start % BATCH == 0 for start in starts)


@pytest.mark.parametrize("kind", KINDS)
def test_jobs_take_as_long_as_their_passes_and_less_on_gpus(kind):
    seconds = [costs.job_seconds(plan_of(), NETWORK, kind, images) for images in (0, 4, 8)]
    assert seconds[2] - seconds[1] == pytest.approx(seconds[1] - seconds[0])
    count = costs.passes(plan_of(), NETWORK, kind)
    assert (seconds[1] > seconds[0]) == (count > 0)
    on_gpu = costs.job_seconds(plan_of(device="cuda"), NETWORK, kind, 8)
    assert on_gpu == pytest.approx(seconds[2] / costs.GPU_CORES)
    in_four = costs.job_seconds(plan_of(threads=4), NETWORK, kind, 8)
    assert in_four == pytest.approx(seconds[2] / 4)


def test_one_metric_does_not_change_the_cost_of_another():
    before = costs.job_seconds(plan_of(), NETWORK, "haas", 8)
    changed = copy.deepcopy(plan_of().config)
    changed["aopc"]["strict"]["draws"] = 50
    assert costs.job_seconds(Plan(changed), NETWORK, "haas", 8) == before
    aopc = [costs.job_seconds(plan, NETWORK, "aopc", 8) for plan in (plan_of(), Plan(changed))]
    assert aopc[0] < aopc[1]


def test_time_limits_leave_room():
    assert costs.limit_minutes(1) == costs.SHORTEST
    assert costs.limit_minutes(3600) >= 4 * 60
    assert costs.limit_minutes(3600, 2) == 2 * costs.limit_minutes(3600)
    assert costs.limit_minutes(1e6) == costs.limit_minutes(1e6, 3) == costs.LONGEST


def test_the_size_of_a_users_folder_is_not_known_before():
    mine = {"source": "folder", "path": "x", "size": 16}
    config = plan_of(dataset_definitions={"made": PHANTOM, "mine": mine}).config
    assert costs.split_images(config, "mine") is None
    assert costs.split_images(config, "made") == {"train": 60, "val": VAL, "test": 100}
    assert axes.explained_images(config, "mine") == 100
