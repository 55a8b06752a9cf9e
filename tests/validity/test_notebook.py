"""Concordance in a notebook: metrics whose answer is known, and the workflow's own judge."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from networks import random_images, random_net
from torch import nn

from faithcam.core.errors import FaithcamError
from faithcam.core.ranks import ranks, spearman
from faithcam.core.seeding import torch_seed
from faithcam.core.setting import Setting
from faithcam.maps.explain import explain
from faithcam.maps.methods.sobel import sobel
from faithcam.metrics.tables import EVALUATIONS, SCORES
from faithcam.models.camnet import CamNet
from faithcam.results import io as tables
from faithcam.results.declared import FACT, Declared, Evaluations
from faithcam.truth.sampling import Sampling
from faithcam.validity import judgement, notebook
from faithcam.validity.own import Own

IMAGES, CELLS, SIDE = 12, 6, 8


@torch.no_grad()
def edge_net():
    """A network whose cells see their own 8 x 8 pixels, and how much goes on in them."""
    convolution, linear = nn.Conv2d(3, 4, 2, 2), nn.Linear(4 * CELLS**2, 2)
    across, down = (
        torch.tensor([[1.0, -1.0], [1.0, -1.0]]),
        torch.tensor([[1.0, 1.0], [-1.0, -1.0]]),
    )
    kernels = torch.stack([across, -across, down, -down])
    convolution.weight.copy_(kernels[:, None].expand(-1, 3, -1, -1))
    convolution.bias.zero_()
    with torch_seed("edge net"):
        linear.weight.copy_(torch.tensor([[1.0], [-1.0]]) + 0.8 * torch.randn(2, 4 * CELLS**2))
    features = nn.Sequential(convolution, nn.ReLU(), nn.AvgPool2d(SIDE // 2))
    return CamNet(features, linear, "flatten").eval()


def edgy(count, seed):
    """Images whose cells differ in brightness, and apart from it in contrast."""
    with torch_seed("edgy images", seed):
        light, contrast = (
            torch.rand(2, count, 1, CELLS, CELLS)
            .repeat_interleave(SIDE, 3)
            .repeat_interleave(SIDE, 4)
        )
        noise = torch.rand(count, 3, CELLS * SIDE, CELLS * SIDE) * 2 - 1
    return (light - 0.5 + 0.5 * contrast * noise).contiguous()


NETWORK, X, TRAINING = edge_net(), edgy(IMAGES, 0), edgy(30, 1)


def exact():
    """The truth of patch networks: HiResCAM less its mean over the training images."""
    with torch.no_grad():
        classes = NETWORK(X).argmax(1)
        options = {"methods": ["hirescam"], "explained_score": "centred"}
        mine = explain(NETWORK, X, classes, **options)["hirescam"]
        other = [
            explain(NETWORK, TRAINING, torch.full((30,), int(c)), **options)["hirescam"].mean(0)
            for c in classes
        ]
    return mine - torch.stack(other)


def mixed():
    """Maps that are the truth in part, and noise."""
    with torch_seed("maps"):
        noise = torch.randn(10, *PHI.shape) * PHI.std()
    return {f"map{i}": share / 9 * PHI + noise[i] for i, share in enumerate(range(10))}


PHI = exact()
MAPS = mixed()


def truth(network, images, classes, maps):
    return spearman(ranks(PHI), ranks(maps))


def inverse(*given):
    return -truth(*given)


def at_random(network, images, classes, maps):
    """Numbers that depend on every digit of a map, and on nothing else."""
    draws = [np.random.default_rng(list(map_.numpy().tobytes())).random() for map_ in maps]
    return torch.tensor(draws)


def edges(network, images, classes, maps):
    return spearman(ranks(sobel(images, tuple(maps.shape[1:]))), ranks(maps))


METRICS = {"truth": truth, "inverse": inverse, "random": at_random, "edges": edges}
FAST = {"backgrounds": TRAINING, "patches": True}


@pytest.fixture(scope="module")
def frame():
    return notebook.concordance(NETWORK, X, METRICS, **FAST, maps=MAPS)


def test_metrics_whose_answer_is_known(frame):
    c = frame.set_index(["metric", "family"])["concordance"]
    for family in ("damaged", "methods"):
        assert c["truth", family] == 1
        assert c["inverse", family] == 0
    assert c["random", "damaged"] == pytest.approx(0.5, abs=0.06)
    words = frame.groupby("metric")["word"].unique().map(list)
    assert words["truth"] == ["usable"]
    assert words["inverse"] == ["no better than blind"]
    assert words["edges"] != ["usable"]
    assert set(frame["scope"]) == {"this network"}


def test_an_edge_detector_is_the_floor_where_edges_are_the_truth(frame):
    rows = frame[(frame["metric"] == "edges") & (frame["family"] == "damaged")]
    assert set(rows["floor_metric"]) == {"edges"}
    assert (rows["floor"] > 0.6).all()
    assert (rows["concordance"] == rows["floor"]).all()
    assert (rows[["difference", "low", "high"]] == 0).all(axis=None)


def test_the_table_says_what_it_rests_on(frame):
    assert list(frame.columns) == notebook.COLUMNS
    assert list(frame["metric"].unique()) == list(METRICS)
    assert len(frame) == 2 * len(METRICS)
    assert (frame["reliability"] == 1).all()
    assert (frame["images"] == IMAGES).all()
    assert (frame["pairs"] > 0).all()
    known = frame[["low", "difference", "high"]]
    assert known.notna().all(axis=None)
    assert (known["low"] <= known["difference"]).all()
    assert (known["difference"] <= known["high"]).all()


def test_numbers_are_those_of_the_workflow_s_judge(monkeypatch, tmp_path):
    """The same scores, written as its jobs write them."""
    kept = []

    def spy(*given):
        kept.append(original(*given))
        return kept[-1]

    original = notebook.readings
    monkeypatch.setattr(notebook, "readings", spy)
    groups = [i // 2 for i in range(IMAGES)]
    metrics = METRICS | {"smaller": Own(inverse, larger_is_better=False)}
    estimands = ["grey", "background"]
    options = FAST | {"maps": MAPS, "estimands": estimands, "groups": groups, "seed": 3}
    frame = notebook.concordance(NETWORK, X, metrics, **options)
    files, declared = [], []
    for asked, scores in kept:
        rows = {name: [] for name in SCORES.names}
        for key, values in zip(asked.keys, scores.values, strict=True):
            for place, method in enumerate(scores.methods):
                for image, value in enumerate(values[:, place]):
                    row = dict(zip(("protocol", "metric", "setting"), key, strict=True))
                    row |= {"dataset": "notebook", "architecture": "network", "head": "flatten"}
                    row |= {"seed": 0, "image_id": image, "label": 0, "predicted": 0}
                    row |= {"method": method, "correct": True, "value": value}
                    row |= {"status": "undefined" if np.isnan(value) else "ok"}
                    for name, column in rows.items():
                        column.append(row[name])
        files.append(tmp_path / f"{len(files)}.parquet")
        tables.write(files[-1], pa.table(rows, schema=SCORES), SCORES)
        known = [replace(d, judged=d.metric != "blind") for d in asked.declared]
        facts = [
            Declared("notebook", "network", "flatten", *key[:2], setting, FACT)
            for key in asked.keys[len(known) :]
            for setting in [Setting.parse(key[2])]
        ]
        declared = known + facts
    evaluations = Evaluations(EVALUATIONS.empty_table())
    evaluations._rows = declared
    network = {"dataset": "notebook", "architecture": "network", "head": "flatten", "seed": 0}
    settings = {
        "seed": 3,
        "statistics": {"confidence": 0.95, "resamples": 10},
        "concordance": {"primary": list(metrics), "confirm": []},
        "data": {"notebook": {"nested": False, "control": False}},
    }
    damaged, methods = files
    of_images = {"notebook": pa.table({"image_id": range(IMAGES), "group": groups})}
    models = pa.Table.from_pylist([network | {"included": True}])
    given = (methods, [damaged], models, evaluations, settings, of_images)
    numbers, words = (table.to_pandas() for table in judgement.judge(*given))
    words = words[words["dataset"] == "notebook"].set_index(["metric", "estimand"])
    numbers = numbers.set_index(["metric", "family", "estimand"])
    for row in frame.to_dict("records"):
        verdict = words.loc[(row["metric"], row["estimand"])]
        for name in notebook.NUMBERS:
            assert row[name] == verdict[f"{row['family']}_{name}"], name
        assert (row["word"], row["reason"]) == (verdict["word"], verdict["reason"])
        expected = numbers.loc[(row["metric"], row["family"], row["estimand"])]
        for name in ("pairs", "images", "floor_metric", "tied", "floor", "concordance"):
            assert row[name] == pytest.approx(expected[name], abs=1e-12), name
    assert len(frame) == len(metrics) * 4


def test_what_is_smaller_when_better_is_turned_round_and_an_own_reference_is_no_finding():
    metrics = {"smaller": Own(inverse, larger_is_better=False), "own": Own(truth, True, "grey")}
    frame = notebook.concordance(
        NETWORK, X, metrics, **FAST, estimands=["background", "grey"]
    ).set_index(["metric", "estimand"])
    assert frame.loc[("smaller", "background"), "concordance"] == 1
    assert frame.loc[("own", "grey"), "word"] == "own reference"
    assert frame.loc[("own", "background"), "word"] == "usable"
    reason = frame.loc[("own", "background"), "reason"]
    assert reason == "asked about damaged alone; surely above the floor"


def test_map_methods_can_be_named():
    given = notebook.concordance(
        NETWORK, X, METRICS, **FAST, maps=["hirescam", "layercam", "gradcam"]
    )
    assert set(given["family"]) == {"damaged", "methods"}
    rows = given[given["family"] == "methods"]
    assert rows["pairs"].between(1, 3 * IMAGES).all()


def test_patients_are_the_unit_where_they_are_known():
    def reasons(groups):
        frame = notebook.concordance(NETWORK, X, {"truth": truth}, **FAST, groups=groups)
        return frame["word"].tolist(), frame["reason"].tolist()

    assert reasons([f"patient {i // 2}" for i in range(IMAGES)])[1][0].endswith(
        "6 groups of images, fewer than 8"
    )
    assert reasons(list("abcdefghijkl"))[0] == ["usable"]


def sampled(seed=0, **options):
    network, images = random_net(), random_images(3)
    network.classifier.weight.data.mul_(20)
    training = random_images(20, seed=7)
    return notebook.concordance(
        *(network, images, {"drawn": lambda n, x, c, maps: maps.flatten(1) @ torch.rand(16)}),
        **{"backgrounds": training, "sampling": Sampling(256, 32), "seed": seed, **options},
    )


def test_the_truth_of_other_networks_is_sampled_and_a_seed_fixes_everything():
    one = sampled()
    assert 0.9 < one["reliability"].iloc[0] < 1
    torch.manual_seed(5)
    assert one.equals(sampled())
    assert not one["concordance"].equals(sampled(seed=1)["concordance"])


def test_a_truth_that_is_not_resolved_decides_nothing():
    with pytest.raises(FaithcamError, match=r"images: no pair of maps found .*background 0\.\d"):
        sampled(sampling=Sampling(4, 4, 0.99))


def test_an_image_s_truth_does_not_depend_on_the_others():
    seen = {}

    def watch(network, images, classes, maps):
        seen.setdefault(len(maps), []).append(maps[:2].clone())
        return torch.zeros(len(maps))

    for count in (2, 4):
        notebook.concordance(
            *(random_net(), random_images(4)[:count], {"watch": watch}),
            **{"backgrounds": random_images(20, seed=7), "sampling": Sampling(256, 32)},
        )
    assert all(map(torch.equal, seen[2], seen[4]))


def test_a_metric_may_overwrite_what_it_is_given_and_ask_for_gradients(frame):
    def destroys(network, images, classes, maps):
        images.requires_grad_()
        network(images).sum().backward()
        values = truth(network, images, classes, maps)
        for tensor in (images.detach(), classes, maps):
            tensor.zero_()
        return values

    again = notebook.concordance(NETWORK, X, {"destroys": destroys, "edges": edges}, **FAST)
    same = frame[(frame["metric"] == "edges") & (frame["family"] == "damaged")]
    rows = again.set_index("metric")["concordance"]
    assert rows.to_dict() == {"destroys": 1, "edges": same["concordance"].iloc[0]}


def test_a_broken_gate_stops_it(monkeypatch):
    monkeypatch.setattr("faithcam.validity.own.truth_agreement.ranks", lambda x: x.flatten(1))
    monkeypatch.setattr("faithcam.metrics.accuracy.blind.gini", lambda x: torch.rand(len(x)))
    with pytest.raises(FaithcamError, match="sparseness found"):
        notebook.concordance(NETWORK, X, {"truth": truth}, **FAST)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": X[0]}, r"images: \(3, 48, 48\) found"),
        ({"images": X[:0]}, r"images: \(0, 3, 48, 48\) found"),
        ({"backgrounds": TRAINING[:, :, :8]}, r"backgrounds: \(30, 3, 8, 48\) found"),
        ({"backgrounds": TRAINING[:0]}, r"backgrounds: \(0, 3, 48, 48\) found"),
        ({"classes": torch.full((IMAGES,), 2)}, r"classes: \[2, .* from 0 to 1 for each of 12"),
        ({"classes": torch.zeros(3, dtype=torch.long)}, r"classes: \[0, 0, 0\] found"),
        ({"classes": torch.zeros(IMAGES)}, r"classes: \[0\.0"),
        ({"estimands": ["backgroud"]}, "estimands: 'backgroud' is unknown; did you mean backg"),
        ({"estimands": []}, "estimands: '' is unknown; choose from background, grey"),
        ({"estimands": ["features"]}, "estimands: 'features' is unknown"),
        ({"maps": {"mine": X[:, 0, 1:]}}, r"maps: mine \(12, 47, 48\) .* found.*\(12, 6, 6\)"),
        ({"groups": [1, 2]}, "groups: 2 found, expected one per image, 12"),
        ({"metrics": {}}, "metrics: none found"),
        ({"metrics": {"blind": truth}}, "metrics: blind found"),
    ],
)
def test_arguments_that_cannot_be_are_named(changes, message):
    given = {"images": X, "metrics": {"truth": truth}, **FAST} | changes
    images, metrics = given.pop("images"), given.pop("metrics")
    with pytest.raises(ValueError, match=message):
        notebook.concordance(NETWORK, images, metrics, **given)


def test_a_network_that_is_being_trained_is_refused():
    with pytest.raises(ValueError, match=r"network: train mode found.*network\.eval\(\)"):
        notebook.concordance(edge_net().train(), X, {"truth": truth}, **FAST)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda n, x, c, m: m, r"metrics: mine returned \(12, 6, 6\) for the map background\."),
        (lambda n, x, c, m: torch.tensor(0.5), r"mine returned \(\) for the map"),
        (
            lambda n, x, c, m: torch.arange(12) / torch.tensor([1.0] * 5 + [0.0] + [1.0] * 6),
            r"mine returned inf for the map background\.damaged_0\.25_0 of image 5",
        ),
    ],
)
def test_a_metric_that_returns_no_scores_is_named(metric, message):
    with pytest.raises(FaithcamError, match=message):
        notebook.concordance(NETWORK, X, {"mine": metric}, **FAST)


def test_more_than_twelve_metrics_are_refused():
    with pytest.raises(FaithcamError, match="metrics: 13 metrics found, at most 12 expected"):
        notebook.concordance(NETWORK, X, {f"m{i}": truth for i in range(13)}, **FAST)


def test_the_documented_example():
    page = (Path(__file__).parents[2] / "docs" / "concordance.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    patients = [f"patient {i // 2}" for i in range(IMAGES)]
    names = {"network": NETWORK, "images": X, "training": TRAINING, "patients": patients}
    shown, last = example.rstrip().rsplit("\n", 1)
    exec(shown, names)
    rows = names["table"].set_index(["metric", "family", "estimand"])
    assert list(eval(last, names)) == [
        *("metric", "family", "estimand", "concordance", "floor", "low", "high", "word")
    ]
    assert len(rows) == 2 * 2 * 2
    assert rows.loc[("drop", "damaged", "grey"), "word"] == "own reference"
    assert rows.loc[("drop", "damaged", "background"), "concordance"] > 0.7
    assert rows.loc[("smoothness", "damaged", "grey"), "reason"].startswith("6 groups of images")
