"""Whatever stands in a config: it is refused by name, or accepted and the plan can be made."""

import contextlib
import copy
import datetime
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from faithcam.core.errors import FaithcamError
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.experiment.schema import schema
from faithcam.experiment.values import resolved
from faithcam.maps.registry import METHODS
from faithcam.metrics.registry import METRICS
from faithcam.running import plan

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SMALL = {"size": 32, "train": 60, "val": 48, "test": 48}
OWN = {
    "architectures": ["vgg_small"],
    "heads": ["flatten"],
    "seeds": [0],
    "metrics": ["aopc"],
    "explained_images": 8,
    "control": "none",
}
SPLIT = {"val": 0.2, "test": 0.2, "explained_split": "test"}
DEFINITIONS = {
    "plain": {"source": "phantom"} | SMALL | OWN,
    "task": {"source": "phantom", "task": "shortcut", "rho": 0.5, "part_dropout": 0.2} | SMALL,
    "volumes": {"source": "ct_phantom", "slices": 4, "architectures": ["axial_small"]} | SMALL,
    "download": {"source": "medmnist", "flag": "breastmnist", "size": 64, "masks": ""}
    | {"explained_split": "test"},
    "mine": {"source": "folder", "path": "images", "size": 32, "channels": 1} | SPLIT,
    "cells": {"source": "breakhis", "size": 32, "magnifications": [40]} | SPLIT,
}
REGISTERED = {
    "methods": [*METHODS],
    "controls": [*METHODS],
    "metrics": [*METRICS],
    "primary": [*METRICS],
}
VALUES = [
    None, True, False, math.nan, math.inf, -math.inf, -1, 0, 2.0, 0.5, 1e300, 10**400, "", " ", "x",
    "no\n", "1e-3", "~", [], [None], [math.nan], [-1], [2.5], [8.0], [10**30], [""], ["x", "x"],
    [[]], {}, {"x": 1}, {1: 2}, {"default": math.nan}, datetime.date(2024, 1, 2), b"x",
    "x" * 300, "x/" * 3000,
]  # fmt: skip


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Small experiments that have every key of the schema, with their keys."""
    folder = tmp_path_factory.mktemp("experiment")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for i, name in enumerate("ab" * 20):
            Path("images", name).mkdir(exist_ok=True, parents=True)
            Image.new("L", (8, 8), i).save(f"images/{name}/{i}.png")
        base = experiment.read([ROOT / "config.yaml", ROOT / "config" / "tiny.yaml"])
        base |= {"explained_images": 6, "truth": base["truth"] | {"images": 3}}
        configs = []
        for name, definition in DEFINITIONS.items():
            over = {"datasets": [name], "dataset_definitions": {name: definition}}
            config = base | copy.deepcopy(over)
            if name == "volumes":
                config["controls"] = ["sham"]
            experiment.validate(config, SCHEMA)
            places = list(keys(config, ())) if name == "plain" else []
            places += keys(definition, ("dataset_definitions", name)) if name != "plain" else []
            configs.append((config, list(places)))
        yield configs


def keys(part, above):
    """Yield the places of all keys of a config."""
    for key, value in part.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from keys(value, (*above, key))


def changed(config, place, value):
    """Return a config with another value in one place."""
    result = copy.deepcopy(config)
    part = result
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return result


def outcome(config):
    """Return what is said of a config; "" if it is accepted, and then its plan can be made."""
    config = experiment.normalised(config)
    try:
        experiment.validate(config, SCHEMA)
    except FaithcamError as error:
        return str(error)
    made = Plan(config)
    jobs = list(plan.jobs(made))
    assert all(math.isfinite(job.seconds + job.size) for job in jobs)
    assert plan.table(jobs, config, {})
    for network in made.networks:
        for metric in made.metrics(network):
            made.settings(metric, network)
        made.truth_settings(network)
        made.candidate_settings(network)
    assert experiment.ordered(config)
    return ""


@pytest.mark.counts("configs")
@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_any_value_of_any_key_is_refused_by_name_or_can_be_planned(bases, answers, value):
    for config, places in bases:
        for place in places:
            said = answers(outcome(changed(config, place, value)))
            assert not said or place[-1] in said, (place, value, said)


def choices(part, whole, above=()):
    """Yield every key that has choices, with each of them, in lists of one and all in a list."""
    for key, below in part.get("properties", {}).items():
        shape, place = resolved(below, whole), (*above, key)
        yield from choices(shape, whole, place)
        listed = REGISTERED.get(key) or resolved(shape.get("items", {}), whole).get("enum", [])
        for choice in [*([one] for one in listed), listed]:
            yield place, choice
        for choice in shape.get("enum", []):
            yield place, choice


@pytest.mark.counts("configs")
def test_every_choice_is_refused_by_name_or_can_be_planned(bases, answers):
    whole = schema(SCHEMA)
    config, _ = bases[0]
    seen = 0
    for place, choice in choices(whole, whole):
        said = answers(outcome(changed(config, place, choice)))
        assert not said or place[-1] in said, (place, choice, said)
        seen += 1
    assert seen > 150


@pytest.mark.counts("configs")
def test_a_key_that_is_missing_or_too_many_is_named(bases, answers):
    for config, places in bases:
        for place in places:
            less = changed(config, place, None)
            part = less
            for key in place[:-1]:
                part = part[key]
            del part[place[-1]]
            said = answers(outcome(less))
            assert not said or place[-1] in said, (place, said)
            for key in ("nonsense", 1, False, None, 1.5):
                said = answers(outcome(changed(config, (*place[:-1], key), 1)))
                assert str(key) in said, (place, key, said)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below),
    max_leaves=4,
)


@settings(
    max_examples=100, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.data())
def test_anything_is_refused_by_name_or_can_be_planned(bases, data):
    config, places = data.draw(st.sampled_from(bases))
    place = data.draw(st.sampled_from(places))
    wrong = changed(config, place, data.draw(JUNK))
    with contextlib.suppress(FaithcamError):
        experiment.validate(wrong, SCHEMA)  # nor does it break without being normalised
    said = outcome(wrong)
    assert not said or place[-1] in said
