"""Average sensitivity beside Max-Sensitivity."""

import numpy as np
import torch
from networks import random_images, random_net
from scored import CONFIG, frame_of, inputs_of, network_of

from faithcam.metrics import registry
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.robustness.average_sensitivity import average_sensitivity
from faithcam.metrics.robustness.sensitivity import Sensitivity

NETWORK = network_of(controls=["sham"])


def test_no_average_exceeds_the_maximum():
    keys = ["setting", "method", "image"]
    average = frame_of("average_sensitivity", inputs_of(), NETWORK).set_index(keys)["value"]
    largest = frame_of("max_sensitivity", inputs_of(), NETWORK, protocols=["strict"])
    largest = largest.set_index(keys)["value"].loc[average.index]
    assert (average <= largest + 1e-12).all()
    assert (average < largest - 1e-6).mean() > 0.9


def test_the_average_is_that_of_the_samples():
    def values(metric, samples):
        strict = CONFIG["max_sensitivity"]["strict"] | {"samples": samples}
        section = CONFIG["max_sensitivity"] | {"strict": strict}
        frame = frame_of(metric, inputs_of(), NETWORK, max_sensitivity=section)
        known = f"radius=0.3;replicate=0;samples={samples};version=relative"
        frame = frame[(frame["setting"] == known) & (frame["method"] == "hirescam")]
        return frame["value"].to_numpy()

    first, both = (values("average_sensitivity", samples) for samples in (1, 2))
    second = 2 * both - first
    np.testing.assert_allclose(first, values("max_sensitivity", 1))
    np.testing.assert_allclose(np.maximum(first, second), values("max_sensitivity", 2))


def test_it_is_the_mean_change_of_some_noisy_images():
    images, classes = random_images(), torch.tensor([0, 2, 1, 2])
    noisy = [random_images(seed=1), random_images(seed=2)]
    with torch.no_grad():
        sensitivity = Sensitivity(random_net(), images, classes, ["gradcam"], "signed", ["centred"])
        one, other, both = (
            average_sensitivity(sensitivity, some, ["gradcam"])["gradcam"]
            for some in (noisy[:1], noisy[1:], noisy)
        )
    assert set(both) == {"absolute", "relative", "rank"}
    for version, values in both.items():
        assert torch.allclose(values, (one[version] + other[version]) / 2)


def test_both_streams_and_the_image_are_planned():
    asked = registry.evaluations(CONFIG, "average_sensitivity", NETWORK)
    assert total_passes(asked) == 2 * 2 + 1
