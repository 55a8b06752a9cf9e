"""Networks are asked as often as evaluations declare."""

import pytest
import torch
from scored import ALL, CONFIG, inputs_of, network_of, scores_of

from faithcam.core.setting import Setting
from faithcam.metrics import registry
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.registry import METRICS

CURVES = ("normalised_aopc", "deletion", "insertion")
MASKS = ("average_drop", "increase_in_confidence")
MADE = ("mprt", "smooth_mprt", "efficient_mprt")


def asked(name, network, **sections):
    return registry.evaluations({**CONFIG, **sections}, name, network)


@pytest.mark.parametrize(
    ("name", "slices"),
    [
        *((name, 0) for name in (*MADE, "road", *CURVES, *MASKS)),
        *((name, 3) for name in ("deletion", "insertion", *MASKS)),
    ],
)
def test_passes_are_as_many_as_declared(name, slices):
    network, inputs = network_of(controls=["sham"], slices=slices), inputs_of(slices=slices)
    seen = []
    inputs.network.features.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    scores_of(name, inputs, network)
    actual = asked(name, network)
    images = len(inputs.images) * (slices or 1)  # slices are asked about one by one
    declared = images * total_passes(actual) + total_passes(actual, once=True)
    # curves begin with the clean image, which is not declared
    assert sum(seen) == declared + images * len(actual) * (name in CURVES)


@pytest.mark.parametrize("name", ["road", "mprt", "smooth_mprt"])
def test_passes_are_as_many_as_declared_where_controls_are_in_all_evaluations(name):
    network, inputs, seen = network_of(controls=["sham"]), inputs_of(), []
    inputs.network.features.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    scores_of(name, inputs, network, **ALL)
    actual = asked(name, network, **ALL)
    declared = len(inputs.images) * total_passes(actual) + total_passes(actual, once=True)
    assert sum(seen) == declared
    assert sum("sham" in e.methods for e in actual) == len(actual)


@pytest.mark.parametrize("name", ["aopc", "haas", "max_sensitivity"])
def test_controls_are_scored_in_all_evaluations_where_all_are_judged(name):
    network, inputs = network_of(controls=["sham", "constant"]), inputs_of()
    few, more = (
        {(s.evaluation.setting, s.method): s.values for s in scored.scored}
        for scored in (scores_of(name, inputs, network, **over) for over in ({}, ALL))
    )
    assert {*few} < {*more}
    assert all(torch.equal(few[key], more[key]) for key in few if not few[key].isnan().any())
    assert {method for _, method in {*more} - {*few}} <= {"sham", "constant"}
    if name == "aopc":
        of = {"draws": 2, "imputer": "noise", "output": "logit", "region": "native", "replicate": 0}
        morf, lerf, srg = (
            more[Setting.of(**of, order=order), "sham"] for order in ("morf", "lerf", "srg")
        )
        assert torch.allclose(srg, morf - lerf)
        assert srg.abs().max() > 0


@pytest.mark.parametrize("name", [*CURVES, *MASKS, "road"])
def test_maps_that_gap_makes_equal_are_planned_once(name):
    one, three = (
        total_passes(asked(name, network_of("gap", methods)))
        for methods in (["cam"], ["cam", "gradcam", "hirescam"])
    )
    assert one == three


@pytest.mark.parametrize("name", [*MADE, "road", "normalised_aopc"])
def test_a_second_draw_of_the_noise_gives_other_scores(name):
    network = network_of()
    actual = scores_of(name, inputs_of(), network).by_method()
    replicates = [e for e in asked(name, network) if e.role == "replicate"]
    assert replicates
    for evaluation in replicates:
        if evaluation.setting.get("output") != "accuracy":
            first, again = (
                actual[str(setting), "hirescam"]
                for setting in (evaluation.replicate_of, evaluation.setting)
            )
            assert first.tolist() != again.tolist()
    assert {e.setting["replicate"] for e in replicates} == {"1"}
    assert METRICS[name].drawn_per_network == (name in MADE)
