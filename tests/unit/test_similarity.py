"""How alike maps are, against scipy and numpy."""

import numpy as np
import pytest
from scipy import stats
from test_shard import make_shard, stored_maps

from faithcam.metrics import similarity

METHODS = ["gradcam", "hirescam", "random"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    shard = make_shard()
    maps, _, _ = stored_maps(shard, METHODS, tmp_path_factory.mktemp("maps"))
    frame = similarity.score_shard(shard, maps, {}).to_pandas()
    whole = {
        method: np.concatenate(
            [
                maps.of(batch, method, "predicted", "centred")[: batch.count].numpy()
                for batch in shard.batches()
            ]
        ).reshape(len(shard.image_ids), -1)
        for method in METHODS
    }
    return frame.set_index(["setting", "method", "image_id"])["value"].sort_index(), whole


@pytest.mark.parametrize("method", ["gradcam", "random"])
def test_rank_correlation_and_residual_are_scipys_and_numpys(scored, method):
    values, maps = scored
    expected = [
        stats.spearmanr(a, b)[0] for a, b in zip(maps["hirescam"], maps[method], strict=True)
    ]
    assert values.loc["kind=spearman", method].to_numpy() == pytest.approx(expected, abs=1e-12)
    difference = maps["hirescam"].astype(np.float64) - maps[method]
    assert values.loc["kind=residual", method].to_numpy() == pytest.approx(
        (difference**2).sum(1), rel=1e-6
    )


def test_the_total_is_the_spread_of_hirescam_alone(scored):
    values, maps = scored
    spread = maps["hirescam"].astype(np.float64).var(1) * maps["hirescam"].shape[1]
    assert values.loc["kind=total", "hirescam"].to_numpy() == pytest.approx(spread, rel=1e-6)
    assert set(values.loc["kind=total"].index.get_level_values("method")) == {"hirescam"}


def test_without_hirescam_there_is_nothing_to_compare(tmp_path):
    shard = make_shard()
    maps, _, _ = stored_maps(shard, ["gradcam", "random"], tmp_path)
    assert len(similarity.score_shard(shard, maps, {})) == 0
