"""What the parts of images contribute, over the images of a network."""

import numpy as np
import pyarrow as pa
from parts import DECOYS, models_of, shapley_of

from faithcam.statistics.parts import of_networks


def test_contributions_by_hand():
    decoys = np.zeros((2, 4, DECOYS))
    decoys[0, :, 0] = 6  # the mean over six decoys and two streams is 0.5
    decoys[0, 3, 0] = -6
    shapley = {"lesion": [1.0, -7, 1, 1], "marker": [2.0, 2, 8, -2]}
    part_shapley = shapley_of({part: np.array(values) for part, values in shapley.items()}, decoys)
    actual = of_networks(part_shapley, models_of(part_shapley)).set_index("part")
    assert actual["size"].to_dict() == {"lesion": 2.5, "marker": 3.5, "decoy": 0.5}
    assert actual["mean"].to_dict() == {"lesion": -1, "marker": 2.5, "decoy": 0.25}
    # replicate 0: decoy, lesion, marker, decoy; replicate 1: marker, lesion, marker, marker
    assert actual["strongest"].to_dict() == {"lesion": 2 / 8, "marker": 4 / 8, "decoy": 2 / 8}


def test_a_part_that_is_never_the_strongest_has_the_share_zero():
    part_shapley = shapley_of(
        {"lesion": np.ones(2), "marker": np.zeros(2)}, np.zeros((2, 2, DECOYS))
    )
    actual = of_networks(part_shapley, models_of(part_shapley)).set_index("part")["strongest"]
    assert actual.to_dict() == {"lesion": 1, "marker": 0, "decoy": 0}


def test_excluded_networks_and_gap_heads_do_not_count():
    shapley, decoys = {"lesion": np.ones(2)}, np.zeros((2, 2, DECOYS))
    part_shapley = pa.concat_tables(
        [
            shapley_of(shapley, decoys, head="gap"),
            *(shapley_of(shapley, decoys, seed=s) for s in (0, 1)),
        ]
    )
    actual = of_networks(part_shapley, models_of(part_shapley, [("none", "a", "flatten", 1)]))
    assert set(zip(actual["head"], actual["seed"], strict=True)) == {("flatten", 0)}
