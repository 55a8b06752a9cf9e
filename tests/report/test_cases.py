"""Example cases: which are taken, what is stored of them."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import synthetic_cases
from PIL import Image

from faithcam.data.dataset import open_dataset
from faithcam.report import cases
from faithcam.results import io as tables
from faithcam.running.merging import cases as merged

CONFIG = synthetic_cases.config()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return synthetic_cases.files(tmp_path_factory.mktemp("run"), datasets=("phantom", "other"))


@pytest.fixture(scope="module")
def collected(files):
    return synthetic_cases.collect(files, CONFIG)


def test_classes_come_in_turn_and_half_are_errors():
    labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 0]
    correct = [True, True, False, True, True, False, True, False, True, False]
    chosen = cases.choose(labels, correct, 6)
    assert [labels[i] for i in chosen if correct[i]] == [0, 1, 2]
    assert [labels[i] for i in chosen if not correct[i]] == [0, 1, 2]
    assert cases.choose(labels, [True] * 10, 4) == [0, 1, 3, 6]


@pytest.mark.parametrize(
    ("correct", "count", "errors"),
    [([True] * 8, 6, 0), ([False] * 8, 6, 6), ([True] * 7 + [False], 6, 1), ([True] * 8, 20, 0)],
)
def test_as_many_cases_as_asked_for_whatever_went_wrong(correct, count, errors):
    chosen = cases.choose([0, 1] * 4, correct, count)
    assert len(set(chosen)) == min(count, 8)
    assert sum(not correct[i] for i in chosen) == errors


def test_every_beginning_of_the_networks_has_all_data_sets_and_models():
    places = [(d, m, f"seed{s}") for d in "ab" for m in ("x-flatten", "y-gap") for s in (0, 2, 10)]
    turn = cases.in_turn(places)
    assert sorted(turn) == sorted(places)
    assert {place[0] for place in turn[:2]} == {"a", "b"}
    assert {place[:2] for place in turn[:4]} == {place[:2] for place in places}
    assert [place[2] for place in turn[::4]] == ["seed0", "seed2", "seed10"]


def test_a_map_comes_back_within_half_a_level():
    values = np.random.default_rng(0).normal(0, 3, 64)
    peak, text = cases.quantised(values)
    back = np.frombuffer(base64.b64decode(text), np.int8) / 127 * peak
    assert np.abs(back - values).max() <= 0.51 * peak / 127 + 1e-3 * peak
    assert cases.quantised(np.zeros(4)) == [0.0, base64.b64encode(bytes(4)).decode()]


def test_a_case_holds_its_image_masks_maps_prediction_and_scores(files, collected):
    network = next(n for n in collected["networks"] if n["dataset"] == "phantom")
    assert (network["seed"], network["cells"]) == (0, [8, 8])
    assert len(network["cases"]) == 6
    wrong = [case for case in network["cases"] if case["label"] != case["predicted"]]
    assert len(wrong) == 3
    case = network["cases"][1]
    data = open_dataset(Path(files.manifests[0]).parent)
    image = collected["images"][case["image"]]
    stored = np.array(Image.open(io.BytesIO(base64.b64decode(image["png"]))))
    assert np.array_equal(stored, data.images[case["id"]][..., 0])
    packed = np.frombuffer(base64.b64decode(image["masks"]["lesion"]), np.uint8)
    assert np.array_equal(np.unpackbits(packed).reshape(64, 64), data.masks[case["id"]])
    assert case["probability"] == 0.5
    truths = {"truth:background", "truth:blur"}
    assert set(case["maps"]) == truths | set(synthetic_cases.METHODS)
    (file,) = [f for f in files.truths if "phantom/vgg_small-flatten/seed0" in f]
    rows = tables.read(file).to_pandas().set_index(["image_id", "class", "estimand"])
    values = rows.loc[(case["id"], case["predicted"], "blur"), "values"]
    assert case["maps"]["truth:blur"] == cases.quantised(np.array(values))
    last = [case for case in network["cases"] if case["id"] >= synthetic_cases.WITH_TRUTH]
    assert last
    assert all(set(case["maps"]) == set(synthetic_cases.METHODS) for case in last)
    # those of the label and of the logit are a hundred larger
    assert all(peak < 50 for peak, _ in case["maps"].values())
    column = [(m["protocol"], m["metric"]) for m in collected["metrics"]].index(("strict", "aopc"))
    rows = tables.read(files.scores).to_pandas()
    row = rows[(rows["seed"] == 0) & (rows["image_id"] == case["id"]) & (rows["method"] == "sham")]
    row = row[(row["dataset"] == "phantom") & (row["metric"] == "aopc")]
    row = row[row["protocol"] == "strict"].iloc[0]
    assert case["scores"]["sham"][column] == pytest.approx(row["value"], rel=1e-3)
    means = tables.read(files.statistics).to_pandas()
    mean = means[(means["dataset"] == "phantom") & (means["seed"] == "0")]
    mean = mean[(mean["method_a"] == "sham") & (mean["setting"] == row["setting"])]
    mean = mean[mean["protocol"] == "strict"].iloc[0]["estimate"]
    assert network["means"]["sham"][column] == pytest.approx(mean, rel=1e-3)


def test_networks_share_images_and_all_are_there(collected):
    assert collected["planned"] == len(collected["networks"]) == 4
    output = {case["image"] for network in collected["networks"] for case in network["cases"]}
    assert set(collected["images"]) == output
    assert len(output) < 24


def test_the_budget_decides_how_many_networks_there_are(files, collected, monkeypatch):
    monkeypatch.setattr(cases, "BUDGET", len(json.dumps(collected)) * 6 // 10)
    fewer = synthetic_cases.collect(files, CONFIG)
    assert 0 < len(fewer["networks"]) < 4
    assert fewer["networks"] == collected["networks"][: len(fewer["networks"])]
    assert fewer["planned"] == 4


def test_the_same_files_in_any_order_give_the_same_bytes(files, collected, tmp_path):
    files.maps.reverse()
    for name in ("a", "b"):
        cases.write(tmp_path / name, synthetic_cases.collect(files, CONFIG))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text()) == collected


def parts_of(collected):
    """Return the cases of each network as those of a run of its own, with one metric alone."""
    for place, network in enumerate(collected["networks"]):
        keys = {case["image"] for case in network["cases"]}
        first = [
            {**c, "scores": {m: v[:1] for m, v in c["scores"].items()}} for c in network["cases"]
        ]
        means = {method: values[:1] for method, values in network["means"].items()}
        yield collected | {
            "metrics": collected["metrics"] if place else collected["metrics"][:1],
            "images": {key: image for key, image in collected["images"].items() if key in keys},
            "networks": [network if place else {**network, "cases": first, "means": means}],
        }


def test_the_cases_of_parts_of_a_run_are_the_run_s(collected):
    columns = [(m["protocol"], m["metric"], m["setting"]) for m in collected["metrics"]]
    places = [
        (n["dataset"], f"{n['architecture']}-{n['head']}", f"seed{n['seed']}")
        for n in collected["networks"]
    ]
    first, *others = parts_of(collected)
    whole = [collected | {"networks": [n]} for n in collected["networks"]]
    assert merged.joined(whole[::-1], places, columns) == collected
    # a part that did not ask all metrics has no numbers of them
    actual = merged.joined([*others, first], places, columns)
    (network, *rest), (known, *same) = actual["networks"], collected["networks"]
    assert rest == same
    for method, values in known["cases"][0]["scores"].items():
        assert network["cases"][0]["scores"][method] == [values[0], *[None] * (len(columns) - 1)]
