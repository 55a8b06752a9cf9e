"""Max-Sensitivity: the worst of the samples, flips, passes, which maps are compared where."""

from dataclasses import replace

import pytest
import torch
from networks import Counting, axial_net, random_images, random_net, volumes
from scored import CONFIG, CONTROLS, frame_of, inputs_of, network_of, scores_of
from torch import nn

from faithcam.core.seeding import Noise, Streams
from faithcam.core.setting import Setting
from faithcam.maps.explain import explain, maps_of
from faithcam.maps.methods.sham import sham_permuted
from faithcam.metrics import registry
from faithcam.metrics.evaluation import Evaluation, total_passes
from faithcam.metrics.inputs import Inputs
from faithcam.metrics.robustness.max_sensitivity import max_sensitivity, score
from faithcam.metrics.robustness.max_sensitivity_spec import thesis_radius
from faithcam.metrics.robustness.sensitivity import Sensitivity, moved

CLASSES = torch.tensor([0, 2, 1, 2])


def noise(samples=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(4, samples, 3, 16, 16, generator=generator) * 2 - 1


@pytest.mark.parametrize("view", ["scaled", "signed"])
def test_no_noise_no_change(view):
    actual = max_sensitivity(
        random_net(), random_images(), CLASSES, ["gradcam"], 0.2, noise() * 0, view
    )["gradcam"]
    assert not actual["absolute"].any()
    assert not actual["relative"].any()
    assert not actual["flips"].any()
    if view == "signed":
        assert torch.allclose(actual["rank"], torch.zeros(4, dtype=torch.float64), atol=1e-12)


def test_it_is_the_worst_of_the_samples():
    model, images, u = random_net(), random_images(), noise()
    clean = explain(model, images, CLASSES, ["hirescam"], explained_score="centred")["hirescam"]
    changes = []
    for s in range(3):
        noisy = (images + 0.3 * u[:, s]).clamp(-1, 1)
        maps = explain(model, noisy, CLASSES, ["hirescam"], explained_score="centred")["hirescam"]
        changes.append((maps - clean).flatten(1).double().norm(dim=1))
    actual = max_sensitivity(
        model, images, CLASSES, ["hirescam"], 0.3, u, "signed", clip=True, explained_score="centred"
    )["hirescam"]
    assert torch.allclose(actual["absolute"], torch.stack(changes).amax(0))
    norms = clean.flatten(1).double().norm(dim=1)
    assert torch.allclose(actual["relative"], actual["absolute"] / norms)


def test_all_methods_share_one_forward_pass_per_sample():
    model = Counting(random_net("gap"))
    methods = ["cam", "gradcam", "hirescam"]
    actual = max_sensitivity(model, random_images(), CLASSES, methods, 0.2, noise(), "signed")
    assert (model.passes, model.images) == (4, 16)
    for version in ("absolute", "relative", "rank"):
        assert torch.equal(actual["gradcam"][version], actual["hirescam"][version])


def test_samples_may_come_one_at_a_time():
    args = (random_net(), random_images(), CLASSES, ["gradcam"], 0.2)
    whole = max_sensitivity(*args, noise(), "signed")["gradcam"]
    lazy = max_sensitivity(*args, iter(noise().unbind(1)), "signed")["gradcam"]
    assert all(torch.equal(whole[version], lazy[version]) for version in whole)


def test_a_blank_map_has_no_relative_sensitivity():
    model = random_net()
    nn.init.zeros_(model.classifier.weight)
    actual = max_sensitivity(model, random_images(), CLASSES, ["gradcam"], 0.2, noise(), "signed")
    assert not actual["gradcam"]["absolute"].any()
    assert actual["gradcam"]["relative"].isnan().all()
    assert actual["gradcam"]["rank"].isnan().all()


def test_max_sensitivity_refuses_what_would_look_perfectly_stable():
    arguments = (random_net(), random_images(), CLASSES, ["gradcam"], 0.2)
    with pytest.raises(ValueError, match="no sample found"):
        max_sensitivity(*arguments, iter([]), "signed")
    with pytest.raises(ValueError, match="a sample of shape"):
        max_sensitivity(*arguments, noise()[:1], "signed")
    with pytest.raises(ValueError, match="expected 'scaled' or 'signed'"):
        max_sensitivity(*arguments, noise(), "raw")


def test_flips_of_several_labels_are_those_of_the_finding_alone():
    model, images = axial_net(), volumes(4)
    classes = torch.tensor([0, 1, 2, 0])
    sensitivity = Sensitivity(model, images, classes, [], "signed", ["logit"], multi_label=True)
    noisy = moved(images, 2.0, volumes(4, seed=3), clip=True)
    sensitivity.add("", noisy, {})
    signs = [model(x).gather(1, classes[:, None])[:, 0] > 0 for x in (images, noisy)]
    assert sensitivity.flips("").tolist() == (signs[0] != signs[1]).double().tolist()


def test_noisy_images_get_controls_of_their_own():
    names = ["sham_permuted", "expected_hirescam", "template"]
    inputs = inputs_of()
    model, images, classes = inputs.network, inputs.images, inputs.classes
    with torch.no_grad():
        given = {**inputs.givens(names), "mean_activations": model.activations(images).mean(0)}
        sensitivity = Sensitivity(model, images, classes, names, "signed", ["centred"], given)
        noisy = images + noise()[:, 0]
        sensitivity.add("run", noisy, {"centred": names})
        result = sensitivity.worst("run", "centred")
        A, moved_A = model.activations(images), model.activations(noisy)
        before, after = (maps_of(model, x, classes, names, "centred", given) for x in (A, moved_A))
        # the change of a linear map is the map of the change: the same permutation in both
        gradients = model.cell_weights(A.shape)
        gradients = gradients[classes] - gradients.mean(0)
        change = sham_permuted(moved_A - A, gradients, inputs.noise.streams)
    for name in names:
        change_of = (after[name] - before[name]).flatten(1).norm(dim=1)
        assert torch.allclose(result[name]["absolute"], change_of.double(), rtol=1e-5)
        assert bool(change_of.any()) == (name != "template")
    assert torch.allclose(after["sham_permuted"] - before["sham_permuted"], change, atol=1e-5)


# --- evaluations ---------------------------------------------------------------------------------


def test_the_thesis_radius_is_the_primary_one_if_it_can_be():
    strict = {"primary_radius": 0.2}
    assert thesis_radius({"strict": strict, "thesis": {"radii": [0.1, 0.2]}}) == 0.2
    assert thesis_radius({"strict": strict, "thesis": {"radii": [1, 2]}}) == 1


def evaluations(network):
    return registry.evaluations(CONFIG, "max_sensitivity", network)


def test_controls_that_come_from_the_network_are_scored_at_the_primary_radius_alone():
    actual = {
        (e.protocol, str(e.setting), e.role)
        for e in evaluations(network_of(controls=CONTROLS))
        if "sham" in e.methods
    }
    versions = ("absolute", "relative", "rank")
    roles = {(0, "relative"): "primary", **dict.fromkeys([(1, v) for v in versions], "replicate")}
    expected = {
        (
            "strict",
            f"radius=0.3;replicate={replicate};samples=2;version={version}",
            roles.get((replicate, version), "variant"),
        )
        for replicate in (0, 1)
        for version in versions
    }
    assert actual == expected | {("thesis", "radius=0.3;samples=3;version=absolute", "primary")}
    everywhere = {name for e in evaluations(network_of(controls=CONTROLS)) for name in e.methods}
    assert everywhere == {"gradcam", "hirescam", "sham", "prediction"}


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_logits_maps_are_compared_at_the_primary_radius_of_one_label(multi_label):
    explained_scores = [
        e
        for e in evaluations(network_of(multi_label=multi_label))
        if "explained_score" in e.setting
    ]
    settings = [] if multi_label else [("0.3", "absolute"), ("0.3", "relative"), ("0.3", "rank")]
    assert [(e.setting["radius"], e.setting["version"]) for e in explained_scores] == settings
    assert {e.setting["replicate"] for e in explained_scores} <= {"0"}


@pytest.mark.parametrize("slices", [0, 3])
@pytest.mark.parametrize(("protocol", "passes"), [("thesis", 2 + 3 + 1), ("strict", 2 * 3 + 1)])
def test_passes_are_as_many_as_planned(protocol, passes, slices):
    network, inputs = network_of(slices=slices), inputs_of(slices=slices)
    counting = Counting(inputs.network)
    scores_of("max_sensitivity", replace(inputs, network=counting), network, protocols=[protocol])
    assert counting.passes == passes
    asked = [e for e in evaluations(network) if e.protocol == protocol]
    assert total_passes(asked) == passes
    assert total_passes(asked, once=True) == 0


def test_mean_activations_are_planned_once_where_a_map_takes_them():
    asked = evaluations(network_of(controls=["template"]))
    assert total_passes(asked, once=True) == 9


def test_the_thesis_explains_labels_and_the_strict_protocol_the_predicted_class():
    inputs, network = inputs_of(), network_of(methods=["hirescam"])
    labels = (inputs.classes + 1) % 3
    same, other = (
        frame_of("max_sensitivity", replace(inputs, labels=given), network).groupby("protocol")
        for given in (None, labels)
    )
    strict = [frames.get_group("strict").reset_index() for frames in (same, other)]
    assert strict[0].equals(strict[1])
    thesis = [frames.get_group("thesis")["value"].to_numpy() for frames in (same, other)]
    assert (thesis[0] != thesis[1]).all()


def test_scores_of_plain_tensors_are_those_of_the_function():
    """As in a notebook: a network, images, classes and an evaluation are enough."""
    model, images = random_net(), random_images()
    u = Noise(Streams(7, "mine", "net"), [3, 5, 8, 9])
    setting = Setting.of(radius=0.2, samples=2, replicate=0, version="rank")
    evaluation = Evaluation("max_sensitivity", "strict", setting, ("gradcam",))
    (actual,) = score(Inputs(model, images, CLASSES, None, u), [evaluation]).scored
    samples = torch.stack(
        [u.symmetric("max_sensitivity strict 0", draw, (3, 16, 16)) for draw in (0, 1)], 1
    )
    expected = max_sensitivity(
        model,
        images,
        CLASSES,
        ["gradcam"],
        0.2,
        samples,
        "signed",
        clip=True,
        explained_score="centred",
    )
    assert torch.equal(actual.values, expected["gradcam"]["rank"])
    assert list(actual.statuses) == ["ok"] * 4
