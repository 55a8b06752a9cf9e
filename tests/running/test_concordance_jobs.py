"""Jobs on candidates: a metric's scores of maps made of the truth, as if called directly."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import scored
import torch
from scored import ALL, MadeTruth
from shards import CONFIG, IMAGES, make_shard, network_of, planted_shard, truth_of

from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import Noise
from faithcam.experiment.evaluations import CANDIDATES, Plan
from faithcam.metrics import registry
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import GivenMaps, Inputs
from faithcam.metrics.tables import SCORES
from faithcam.running import concordance, costs, plan
from faithcam.running.scoring import formulas
from faithcam.validity.candidates import damaged, parse

METHODS, CONTROLS = ["hirescam", "gradcam", "random"], ["sham"]
METRICS = [name for name, spec in registry.METRICS.items() if spec.takes_candidates]
NAMES = ["truth", *(f"damaged_{step}_{draw}" for step in ("0.5", "1") for draw in (0, 1))]


def plan_of(**sections):
    return Plan({**CONFIG, **ALL, **sections})


def settings_of(metric, network):
    """Return the settings of a metric's job on candidates."""
    whole = plan_of(metrics=["truth_agreement", metric], dataset_definitions={"made": {}})
    settings = whole.candidate_settings(network)
    (asked,) = [each for each in settings["metrics"] if each["metric"] == metric]
    return {**settings, **asked, "images": settings["images"]}


def scores_of(metric, shard):
    settings = settings_of(metric, network_of(shard, METHODS, CONTROLS))
    return concordance.scored_candidates(shard, truth_of(shard), settings)


def made(metric, **options):
    """Return a shard with all that a metric needs."""
    return planted_shard(**options) if metric == "agreement" else make_shard(**options)


def test_metrics_of_stored_maps_are_asked():
    assert {"aopc", "haas", "road", "infidelity", "sparseness", "feature_aopc"} < set(METRICS)
    assert {"truth_agreement", "blind"} < set(METRICS)
    # they make maps themselves, or only say how alike maps are
    assert not {"max_sensitivity", "mprt", "similarity", "damage_ladder"} & set(METRICS)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_scores_every_candidate(metric):
    shard = made(metric, stop=4)
    table = scores_of(metric, shard)
    assert table.schema == SCORES
    frame = table.to_pandas()
    asked = plan_of().evaluations_of_candidates(metric, network_of(shard, METHODS, CONTROLS))
    assert len(frame) == len(asked) * len(NAMES) * 4
    assert set(frame["method"]) == {f"mean.{name}" for name in NAMES}
    assert {parse(name).estimand for name in frame["method"]} == {"mean"}
    unresolved = frame["image_id"] == MadeTruth.UNRESOLVED
    assert (frame[unresolved]["status"] == "undefined").all()
    assert frame[unresolved]["value"].isna().all()
    assert (frame[~unresolved]["status"] == "ok").any()


@pytest.mark.parametrize("metric", ["aopc", "truth_agreement", "blind", "feature_aopc"])
def test_batches_and_shards_do_not_matter(metric):
    parts = [make_shard(start=a, stop=b) for a, b in ((0, 4), (4, 8), (8, 10))]
    whole, pieces = (
        pd.concat([scores_of(metric, shard).to_pandas() for shard in shards])
        for shards in ([make_shard()], parts)
    )
    keys = ["protocol", "setting", "method", "image_id"]
    whole, pieces = (frame.sort_values(keys, ignore_index=True) for frame in (whole, pieces))
    assert whole.drop(columns="value").equals(pieces.drop(columns="value"))
    assert np.allclose(whole["value"], pieces["value"], atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("metric", ["aopc", "deletion", "road", "haas"])
def test_scores_are_those_of_the_metric_called_directly(metric):
    shard = make_shard(stop=4)
    network = network_of(shard, METHODS, CONTROLS)
    (batch,) = shard.batches()
    settings = settings_of(metric, network)
    noise = Noise(shard.streams, batch.image_ids)
    phi = MadeTruth().of(batch.image_ids)["mean"].values
    maps = {f"mean.{name}": m.float() for name, m in damaged(phi, noise, [0.5, 1], 2).items()}
    inputs = Inputs(
        shard.model,
        batch.images,
        batch.predicted,
        GivenMaps(maps),
        noise,
        batch.labels,
        batch.answers,
        channels=shard.dataset.channels,
    )
    asked = [
        replace(Evaluation.of(metric, e), methods=tuple(maps), curves=())
        for e in settings["evaluations"]
    ]
    with torch.inference_mode():
        code = import_module(settings["module"])
        expected = code.score(inputs, asked, **settings["options"]).scored
    assert len(expected) == len(asked) * len(maps)
    keys = ["protocol", "setting", "method", "image_id"]
    actual = scores_of(metric, shard).to_pandas().set_index(keys).sort_index()["value"]
    for one in expected:  # the truth of image 3 is not resolved
        values = actual[one.evaluation.protocol, str(one.evaluation.setting), one.method]
        assert values.index.tolist() == [0, 1, 2, 3]
        assert np.allclose(values[:3], one.values[:3], atol=1e-6, equal_nan=True), one
        assert np.isnan(values[3])


def test_the_truth_agrees_with_itself_and_damage_shows():
    frame = scores_of("truth_agreement", make_shard()).to_pandas()
    frame = frame[frame["status"] == "ok"]
    q = frame[frame["setting"] == "estimand=mean;half=all;measure=spearman"]
    by_name = q.groupby("method")["value"]
    assert (by_name.min()["mean.truth"], by_name.max()["mean.truth"]) == (1, 1)
    assert by_name.max()[["mean.damaged_0.5_0", "mean.damaged_1_1"]].max() < 1
    assert by_name.mean()["mean.damaged_0.5_0"] > by_name.mean()["mean.damaged_1_0"] + 0.2


def test_equal_histograms_are_no_preference():
    frame = scores_of("blind", make_shard()).to_pandas()
    frame = frame[frame["status"] == "ok"]
    for kind in ("sparseness", "complexity"):
        values = frame[frame["setting"] == f"kind={kind}"].groupby("image_id")["value"]
        assert len(values) == IMAGES - 1
        assert (values.nunique() == 1).all()


def test_hirescam_is_at_hand_where_a_metric_holds_maps_against_it():
    frame = scores_of("feature_aopc", make_shard()).to_pandas()
    share = frame[frame["setting"] == "order=morf;scale=optimum"]["value"].dropna()
    assert (share <= 1 + 1e-6).all()
    assert (share < 0.99).any()


def test_only_what_is_wanted_is_asked():
    network = network_of(make_shard(), METHODS, CONTROLS)

    def roles(metric, evaluations):
        section = {**CONFIG["concordance"], "evaluations": evaluations}
        asked = plan_of(concordance=section).evaluations_of_candidates(metric, network)
        return {(e.protocol, e.role) for e in asked}

    primary = {("strict", "primary"), ("thesis", "primary")}
    assert roles("aopc", "primary") == primary
    assert roles("aopc", "all") == primary | {("strict", "variant")}
    for which in ("primary", "all"):  # q and its halves, whatever is judged
        assert ("strict", "fact") in roles("truth_agreement", which)
        assert ("strict", "variant") in roles("blind", which)


def test_candidates_need_a_metric_that_knows_the_truth():
    network = network_of(make_shard(), METHODS, CONTROLS)
    definition = {"made": {"source": "phantom", "size": 16}}

    def asked(metrics, **sections):
        made = plan_of(metrics=metrics, dataset_definitions=definition, **sections)
        return made.asked_of_candidates(network)

    assert asked(["aopc", "similarity", "truth_agreement"]) == ["aopc", "truth_agreement"]
    assert asked(["aopc"]) == []
    other = {"images": 4, "estimands": ["features"]}
    assert asked(["aopc", "truth_agreement"], truth=other) == []


def test_jobs_on_candidates_are_planned():
    from pathlib import Path

    from faithcam.experiment import config as experiment

    root = Path(__file__).parents[2]
    config = experiment.merged(
        experiment.read([root / "config.yaml"]),
        {"metrics": ["aopc", "sparseness", "max_sensitivity", "truth_agreement"]},
    )
    whole = Plan(config)
    jobs = [job for job in plan.jobs(whole) if job.rule == CANDIDATES]
    assert len(jobs) == 3 * 3  # GAP twins have no truth
    assert {job.shard for job in jobs} == {f"0-{config['truth']['images']}"}
    network = whole.networks[0]
    assert whole.candidates(network) == 1 + 4 * 5
    cells = network.cells**2
    # AOPC in both protocols' primary orders, the thesis has 16 regions; agreement sees the image
    assert costs.passes(whole, network, CANDIDATES) == pytest.approx(21 * (cells + 16) + 1)


def test_settings_are_plain_and_name_the_truth():
    network = network_of(make_shard(), METHODS, CONTROLS)
    settings = settings_of("aopc", network)
    assert "truth" in settings["uses"]
    assert settings["images"] == scored.CONFIG["truth"]["images"]
    assert (settings["estimands"], settings["steps"], settings["draws"]) == (["mean"], [0.5, 1], 2)
    assert "truth" not in plan_of().settings("aopc", network)["uses"]


def test_a_file_of_formulas_without_score_is_named():
    with pytest.raises(FaithcamError, match=r"tests\.py: no function score found, expected"):
        formulas("faithcam.statistics.tests")
