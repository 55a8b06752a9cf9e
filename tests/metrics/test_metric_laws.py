"""What holds of every metric that compares methods: range, statuses, twins, independence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scored import CONFIG, CONTROLS, METHODS, frame_of, inputs_of, network_of

from faithcam.metrics import registry
from faithcam.metrics.inputs import GivenMaps
from faithcam.metrics.registry import METRICS

COMPARED = [n for n, m in METRICS.items() if m.compared and "renderings" not in m.needs]
FURTHER = [name for name in COMPARED if not METRICS[name].published]
STORED = [name for name in COMPARED if METRICS[name].maps == "stored"]
ON_VOLUMES = [name for name in METRICS if METRICS[name].volumes and METRICS[name].multi_label]
TABLES = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text().split("\n## ")
(FORMULAS,) = [text for text in TABLES if text.startswith("What each one computes")]
PRIMARY, SETTINGS = FORMULAS.split("What else stands in settings")
KEY = ["protocol", "setting", "method", "image"]


def by_key(frame):
    return frame.set_index(KEY).sort_index()


def evaluations(name, network, **sections):
    return registry.evaluations({**CONFIG, **sections}, name, network)


@pytest.mark.parametrize("name", COMPARED)
def test_every_evaluation_has_its_scores_and_no_other_is_there(name):
    network = network_of(controls=CONTROLS)
    frame = frame_of(name, inputs_of(), network)
    assert set(zip(frame["protocol"], frame["setting"], frame["method"], strict=True)) == {
        (evaluation.protocol, str(evaluation.setting), method)
        for evaluation in evaluations(name, network)
        for method in evaluation.methods
    }
    assert not frame.duplicated(KEY).any()
    assert frame.groupby(KEY[:3]).size().eq(4).all()


@pytest.mark.parametrize("name", COMPARED)
def test_one_strict_evaluation_is_primary_and_its_scores_lie_in_the_range(name):
    network = network_of(controls=CONTROLS)
    asked = evaluations(name, network)
    (primary,) = (e for e in asked if (e.protocol, e.role) == ("strict", "primary"))
    assert all((e.role == "replicate") == (e.replicate_of is not None) for e in asked)
    assert {e.replicate_of for e in asked} - {None} <= {e.setting for e in asked}
    everything = network.everything
    wanted = network.made(everything) if METRICS[name].maps == "made" else everything
    assert set(wanted) <= set(primary.methods)
    frame = frame_of(name, inputs_of(), network)
    rows = frame[(frame["setting"] == str(primary.setting)) & (frame["protocol"] == "strict")]
    low, high = METRICS[name].range
    slack = 0.5 if name == "normalised_aopc" else 1e-9
    assert rows["value"].dropna().between(low - slack, high + slack).all()
    if not METRICS[name].binary and name != "dead_zone":  # this network sees everything
        assert rows.loc[rows["method"] == "hirescam", "value"].nunique() > 1


@pytest.mark.parametrize("name", FURTHER)
def test_the_documentation_names_the_parts_of_settings(name):
    settings = [e.setting for e in evaluations(name, network_of(controls=CONTROLS))]
    parts = {part for setting in settings for part in str(setting).split(";")}
    named = {part for part in parts if not part.split("=")[1].replace(".", "").isdigit()}
    assert all(f"`{part}`" in SETTINGS or part in PRIMARY for part in named)


@pytest.mark.parametrize("name", COMPARED)
def test_a_score_depends_on_no_other_image(name):
    one, other = (
        by_key(frame_of(name, inputs_of(places=places), network_of()))
        for places in (range(4), (2, 3, 8, 9))
    )
    both = one.index.intersection(other.index)
    assert set(both.get_level_values("image")) == {2, 3}
    pd.testing.assert_frame_equal(one.loc[both], other.loc[both], check_exact=True)


@pytest.mark.parametrize("name", COMPARED)
def test_a_score_does_not_depend_on_what_else_is_scored(name):
    alone, together = (
        by_key(frame_of(name, inputs_of(), network_of(methods=methods, controls=controls)))
        for methods, controls in ((["hirescam"], ()), (METHODS, CONTROLS))
    )
    assert len(alone)
    pd.testing.assert_frame_equal(together.loc[alone.index], alone, check_exact=True)


@pytest.mark.parametrize("name", [n for n in COMPARED if "gap" in METRICS[n].heads])
def test_gap_twins_score_exactly_the_same(name):
    frame = frame_of(name, inputs_of("gap"), network_of("gap", ["gradcam", "hirescam"]))
    one, other = (
        frame[frame["method"] == m].set_index(["protocol", "setting", "image"])["value"]
        for m in ("gradcam", "hirescam")
    )
    assert np.array_equal(one, other.loc[one.index], equal_nan=True)
    assert one.notna().any()


@pytest.mark.parametrize("name", STORED)
def test_blank_maps_have_a_status_and_constant_ones_no_order(name):
    raw = torch.rand(4, 4, 4, generator=torch.Generator().manual_seed(0)) - 0.5
    raw[2], raw[3] = 0, 1
    maps = GivenMaps({"gradcam": raw, "hirescam": raw})
    network = network_of(methods=["gradcam", "hirescam"])
    frame = frame_of(name, replace(inputs_of(), maps=maps), network, protocols=["strict"])
    frame = frame[(frame["method"] == "gradcam") & (frame["role"] != "fact")]
    status = frame.groupby("image")["status"].agg(set)
    assert status[0] == {"ok"}
    assert status[2] == {"blank_map"}
    ordered = name not in ("complexity", "sparseness", "haas", "localisation")
    assert status[3] == ({"undefined"} if ordered else {"ok"})


@pytest.mark.parametrize("name", ON_VOLUMES)
def test_a_volume_of_one_slice_has_the_scores_of_its_image(name):
    volume = inputs_of(slices=1)
    flat = replace(
        volume,
        network=inputs_of().network,
        images=volume.images[:, 0],
        masks={mask: values[:, 0] for mask, values in volume.masks.items()},
        kept={},
    )
    flat.network.load_state_dict(volume.network.state_dict())

    class Flat:
        def of(self, *asked):
            return volume.maps.of(*asked)[:, 0]

    flat = replace(flat, maps=Flat())
    methods = ["gradcam", "hirescam"]
    one = by_key(frame_of(name, volume, network_of(methods=methods, slices=1)))
    other = by_key(frame_of(name, flat, network_of(methods=methods)))
    assert len(one)
    pd.testing.assert_frame_equal(one, other, rtol=1e-4, atol=2e-5)
