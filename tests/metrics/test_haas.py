"""HAAS: what maps amplify, what is asked of the network, and how often."""

from dataclasses import replace

import pytest
import torch
from networks import Counting, axial_net, random_images, random_net, volumes
from scored import STRICT as CONFIG
from scored import alone_as_together, inputs_of, network_of, scores_of
from torch import nn

from faithcam.core.views import normalised, scaled
from faithcam.metrics import registry
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness.assisted import assisted_statuses, heatmap_assisted
from faithcam.metrics.faithfulness.haas import haas

BOTH = {**CONFIG, "protocols": ["thesis", "strict"]}
NETWORK = network_of(methods=("gradcam", "hirescam"), controls=("sham", "constant"))
STRICT = (
    "explained_class=predicted",
    "explained_class=label",
    "explained_class=predicted;explained_score=logit",
)


class Brightness(nn.Module):
    """Logits (s, -s) with s the mean of the image."""

    def forward(self, images):
        s = images.mean((1, 2, 3))
        return torch.stack([s, -s], 1)


# --- heatmap-assisted images --------------------------------------------------------
def test_a_blank_map_leaves_the_image_as_it_is():
    images = random_images()
    assert torch.equal(heatmap_assisted(images, torch.zeros(4, 16, 16)), images)


def test_maps_amplify_and_clip():
    images = torch.tensor([0.4, 0.8, -0.6]).reshape(1, 1, 1, 3)
    maps = torch.tensor([0.5, 1.0, -1.0]).reshape(1, 1, 3)
    assert torch.allclose(heatmap_assisted(images, maps).flatten(), torch.tensor([0.6, 1.0, -0.0]))


def test_maps_must_have_the_images_size():
    with pytest.raises(ValueError, match="expected \\(4, 16, 16\\)"):
        heatmap_assisted(random_images(), torch.zeros(4, 4, 4))


def test_a_constant_map_amplifies_and_one_that_is_not_finite_does_not():
    maps = torch.ones(4, 2, 2)
    maps[1, 0, 0] = torch.nan
    actual = assisted_statuses(["undefined", "undefined", "blank_map", "ok"], maps)
    assert actual == ["ok", "undefined", "blank_map", "ok"]


# --- scores -------------------------------------------------------------------------
def test_haas_by_hand():
    # mean 0.05; the second pixel amplified: 0.5 - 0.8
    images = torch.tensor([0.5, -0.4]).reshape(1, 1, 1, 2).expand(3, 1, 1, 2)
    maps = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 1.0]]).reshape(3, 1, 2)
    labels = torch.tensor([0, 0, 1])
    assert haas(Brightness(), images, labels, maps).tolist() == [1, 0, 1]
    # with several labels: whether the label's own logit is positive
    assert haas(Brightness(), images, labels, maps, multi_label=True).tolist() == [1, 0, 1]
    assert haas(Brightness(), 0 * images, labels, maps, multi_label=True).tolist() == [0, 0, 0]
    assert haas(Brightness(), 0 * images, labels, maps).tolist() == [1, 1, 0]


def test_scores_are_haas_of_the_protocols_views():
    inputs = inputs_of(places=range(6))
    actual = scores_of("haas", inputs, NETWORK, **BOTH)
    values = {
        (s.evaluation.protocol, str(s.evaluation.setting), s.method): s.values
        for s in actual.scored
    }
    model, images, labels = inputs.network, inputs.images, inputs.labels
    for method in ("gradcam", "hirescam"):
        raw = inputs.maps.of(method, "label", "logit")
        expected = haas(model, images, labels, scaled(raw, 16))
        assert torch.equal(values["thesis", "explained_class=label", method], expected)
        for explained_class, explained_score, setting in (
            ("predicted", "centred", STRICT[0]),
            ("label", "centred", STRICT[1]),
            ("predicted", "logit", STRICT[2]),
        ):
            view = normalised(inputs.maps.of(method, explained_class, explained_score), 16)
            assert torch.equal(values["strict", setting, method], haas(model, images, labels, view))
            kept = values["strict", f"{setting};outcome=kept", method]
            assert torch.equal(kept, haas(model, images, inputs.classes, view))
    kept = [
        values["strict", "explained_class=predicted;outcome=kept", m] for m in NETWORK.everything
    ]
    assert 0 < torch.stack(kept).mean() < 1


def test_nulls_are_a_blank_map_a_constant_and_hirescam_shuffled():
    inputs = inputs_of(places=range(6))
    actual = scores_of("haas", inputs, NETWORK, **CONFIG).by_method()
    raw = inputs.maps.of("hirescam", "predicted", "centred")
    orders = [inputs.noise.streams.generator(i, "haas shuffle").permutation(16) for i in range(6)]
    shuffled = torch.stack(
        [m.flatten()[torch.from_numpy(o)] for m, o in zip(raw, orders, strict=True)]
    )
    blank = torch.zeros(6, 16, 16)
    views = {
        "null_blank": blank,
        "null_constant": blank + 0.5,
        "null_shuffled": normalised(shuffled.view_as(raw), 16),
    }
    for name, view in views.items():
        expected = haas(inputs.network, inputs.images, inputs.labels, view)
        assert torch.equal(actual["explained_class=predicted", name], expected), name
    right = inputs.network(inputs.images).argmax(1) == inputs.labels
    assert torch.equal(actual["explained_class=predicted", "null_blank"], right.double())


def test_a_constant_map_is_scored_and_a_blank_one_is_blank():
    inputs = inputs_of(places=range(6))
    nn.init.zeros_(inputs.network.classifier.weight)
    actual = scores_of("haas", inputs, NETWORK, **CONFIG).scored
    for scored in actual:
        amplifies = scored.method in ("null_blank", "null_constant", "constant")
        assert set(scored.statuses) == {"ok" if amplifies else "blank_map"}


def test_of_a_volume_with_several_findings_the_finding_explained_is_asked_about():
    spec = network_of(methods=("gradcam", "hirescam"), slices=3, multi_label=True)
    model, images, classes = axial_net(), volumes(4), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        detected = model(images).gather(1, classes[:, None])[:, 0] > 0
    inputs = inputs_of(network=model, images=images, multi_label=True)
    inputs = replace(inputs, classes=classes, labels=classes, answers=classes.where(detected, -1))
    actual = scores_of("haas", inputs, spec, **CONFIG).by_method()
    view = normalised(inputs.maps.of("hirescam", "predicted", "centred"), (3, 16, 16))
    with torch.no_grad():
        logits = model(heatmap_assisted(images, view)).gather(1, classes[:, None])[:, 0]
    assert torch.equal(actual["explained_class=predicted", "hirescam"], (logits > 0).double())
    kept = ((logits > 0) == detected).double()
    assert torch.equal(actual["explained_class=predicted;outcome=kept", "hirescam"], kept)
    assert {setting for setting, _ in actual} == {
        "explained_class=predicted",
        "explained_class=predicted;outcome=kept",
    }


def test_images_do_not_change_each_others_scores():
    assert alone_as_together("haas", NETWORK, BOTH)


# --- what is declared ---------------------------------------------------------------
def test_controls_are_scored_with_the_label_s_map_or_the_predicted_class_s():
    asked = registry.evaluations(BOTH, "haas", NETWORK)
    nulls = ("null_blank", "null_constant", "null_shuffled")
    everything, methods = NETWORK.everything, NETWORK.methods
    actual = {(e.protocol, str(e.setting)): (e.role, e.methods) for e in asked}
    assert actual.pop(("thesis", "explained_class=label")) == ("primary", everything)
    assert actual.pop(("strict", "explained_class=predicted")) == ("primary", (*everything, *nulls))
    kept = actual.pop(("strict", "explained_class=predicted;outcome=kept"))
    assert kept == ("variant", (*everything, *nulls))
    assert actual == {
        ("strict", f"{setting}{outcome}"): ("variant", methods)
        for setting in STRICT[1:]
        for outcome in ("", ";outcome=kept")
    }
    without = registry.evaluations(CONFIG, "haas", network_of(methods=["gradcam"]))
    assert without[0].methods == ("gradcam", "null_blank", "null_constant")


def test_every_map_is_judged_once_and_that_is_what_is_declared():
    spec = network_of(methods=("gradcam", "hirescam"), controls=("random",))
    inputs, counting = inputs_of(places=range(6)), Counting(random_net())
    scores_of("haas", replace(inputs, network=counting), spec, **BOTH)
    # 3 maps of the label (thesis) and of the prediction, 3 nulls; two more of 2 methods
    expected = 3 + 3 + 3 + 2 * 2
    assert counting.passes == total_passes(registry.evaluations(BOTH, "haas", spec)) == expected


def test_equal_maps_are_judged_once():
    inputs, counting = inputs_of("gap", places=range(6)), Counting(random_net("gap"))
    scores_of(
        "haas",
        replace(inputs, network=counting),
        network_of("gap", methods=("gradcam", "hirescam")),
        **BOTH,
    )
    assert counting.passes == 1 + 1 + 3 + 2  # HiResCAM is Grad-CAM
