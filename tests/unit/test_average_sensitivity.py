"""Average sensitivity beside Max-Sensitivity."""

import numpy as np
from test_further_metrics import frame_of
from test_shard import SENSITIVITY, make_shard, settings_of, stored_maps

from faithcam.metrics import (
    average_sensitivity,
    max_sensitivity,
)


def test_no_average_exceeds_the_maximum(tmp_path):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, ["gradcam", "hirescam", "sham"], tmp_path)
    keys = ["setting", "method", "image_id"]
    average = frame_of("average_sensitivity", shard, loaded).set_index(keys)["value"]
    largest = max_sensitivity.score_shard(shard, loaded, settings_of(["strict"]))
    largest = largest.to_pandas().set_index(keys)["value"].loc[average.index]
    assert (average <= largest + 1e-12).all()
    assert (average < largest - 1e-6).mean() > 0.9


def test_the_average_is_that_of_the_samples(tmp_path):
    shard, method = make_shard(), ["hirescam"]
    loaded, _, _ = stored_maps(shard, method, tmp_path)

    def values(metric, samples):
        strict = SENSITIVITY["strict"] | {"samples": samples}
        settings = settings_of(["strict"], max_sensitivity=SENSITIVITY | {"strict": strict})
        frame = metric.score_shard(shard, loaded, settings).to_pandas()
        known = f"radius=0.3;samples={samples};stream=0;version=relative"
        return frame[frame["setting"] == known].set_index("image_id")["value"]

    first, both = (values(average_sensitivity, samples) for samples in (1, 2))
    second = 2 * both - first
    np.testing.assert_allclose(first, values(max_sensitivity, 1))
    np.testing.assert_allclose(np.maximum(first, second), values(max_sensitivity, 2))
