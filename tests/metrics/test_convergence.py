"""Convergence: the metrics' own draws and samples, one by one."""

from dataclasses import replace

import numpy as np
import torch
from networks import Counting
from scored import CONFIG, frame_of, inputs_of, network_of

from faithcam.metrics import registry
from faithcam.metrics.controls.convergence_spec import METHODS
from faithcam.metrics.evaluation import total_passes

PRIMARY = "draws={draws};imputer=noise;order=morf;output=probability;region=native;replicate=0"
NETWORK = network_of(methods=["gradcam", "hirescam"])


def with_ties():
    """Return inputs whose network does not use six of its cells: HiResCAM is 0 in them."""
    inputs = inputs_of()
    with torch.no_grad():
        inputs.network.classifier.weight.view(3, 5, 16)[:, :, 4:10] = 0
    return inputs


def values_of(frame, method, setting):
    """Return the strict scores of one method and setting, by image."""
    rows = frame[(frame["method"] == method) & (frame["setting"] == setting)]
    assert len(rows) == 4
    return rows.sort_values("image")["value"].to_numpy()


def aopc(inputs, draws):
    strict = CONFIG["aopc"]["strict"] | {"draws": draws, "imputers": ["noise"]}
    section = CONFIG["aopc"] | {"strict": strict}
    return frame_of("aopc", inputs, NETWORK, protocols=["strict"], aopc=section)


def test_the_first_draw_and_the_first_samples_are_those_of_the_metrics():
    inputs = with_ties()
    actual = frame_of("convergence", inputs, NETWORK)
    scores = aopc(inputs, draws=1)
    whole = frame_of("max_sensitivity", inputs, NETWORK, protocols=["strict"])
    for method in NETWORK.methods:
        draws = [values_of(actual, method, f"draw={d};metric=aopc") for d in range(3)]
        first = values_of(scores, method, PRIMARY.format(draws=1))
        assert draws[0].tolist() == first.tolist()
        assert not np.isclose(draws[0], draws[1]).any()
        for block in (0, 1):
            mine = values_of(actual, method, f"block={block};metric=max_sensitivity;samples=2")
            setting = f"radius=0.3;replicate={block};samples=2;version=relative"
            assert mine.tolist() == values_of(whole, method, setting).tolist()


def test_draws_are_those_that_the_metric_averages():
    inputs = inputs_of()
    actual, scores = frame_of("convergence", inputs, NETWORK), aopc(inputs, draws=2)
    draws = [values_of(actual, "hirescam", f"draw={d};metric=aopc") for d in (0, 1)]
    main = values_of(scores, "hirescam", PRIMARY.format(draws=2))
    np.testing.assert_allclose(np.mean(draws, 0), main, atol=1e-9)


def test_maxima_grow_with_samples_and_blocks_are_independent():
    actual = frame_of("convergence", inputs_of(), NETWORK)
    for method in METHODS:  # the sham, too, which the config does not name
        few, many, other = (
            values_of(actual, method, f"block={block};metric=max_sensitivity;samples={samples}")
            for block, samples in ((0, 2), (0, 5), (1, 5))
        )
        assert (many >= few).all()
        assert (many > few).any()
        assert not np.isclose(many, other).any()


def test_passes_are_those_of_the_most_samples_and_of_each_draw():
    asked = registry.evaluations(CONFIG, "convergence", NETWORK)
    removed, noisy = 3 * 3 * 16, 2 * 5 + 1
    assert total_passes(asked) == removed + noisy
    assert total_passes([e for e in asked if e.setting["metric"] == "aopc"]) == removed
    inputs = inputs_of()
    counting = Counting(inputs.network)
    only = {"images": 4, "draws": 0, "samples": [2, 5]}
    frame_of("convergence", replace(inputs, network=counting), NETWORK, convergence=only)
    assert counting.passes == noisy
