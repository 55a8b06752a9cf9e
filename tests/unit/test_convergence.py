"""Convergence: the metrics' own draws and samples, one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import Counting
from test_shard import (
    AOPC,
    BATCH,
    SENSITIVITY,
    as_rows,
    make_shard,
    named,
    settings_of,
    stored_maps,
)

from faithcam import tables
from faithcam.cams.methods.hirescam import hirescam
from faithcam.cams.methods.sham import sham
from faithcam.metrics import aopc, convergence, max_sensitivity

SETTINGS = {
    "aopc": {**AOPC, "strict": {**AOPC["strict"], "draws": 1}},
    "max_sensitivity": SENSITIVITY,
    "convergence": {"images": 10, "draws": 3, "samples": [2, 5]},
}


PRIMARY = "draws={draws};imputer=noise;order=morf;output=probability;region=native;stream=0"


def scores_of(table, method, setting):
    """Return the values of one method and setting, by image."""
    return [
        row["value"]
        for row in table.to_pylist()
        if (row["method"], row["setting"]) == (method, setting)
    ]


def values_of(table, method, **pairs):
    """Return the values of one method and the setting made of the pairs, by image."""
    return np.array(scores_of(table, method, tables.setting(**pairs)))


def with_ties(shard):
    """Return a shard whose network does not use six of its cells: HiResCAM is 0 in them."""
    with torch.no_grad():
        shard.model.classifier.weight.view(3, 5, 16)[:, :, 4:10] = 0
    return shard


def test_the_first_draw_and_the_first_samples_are_those_of_the_metrics(tmp_path):
    shard = with_ties(make_shard())
    found = convergence.score_shard(shard, None, SETTINGS)
    methods = ["gradcam", "hirescam"]
    loaded, _, _ = stored_maps(shard, methods, tmp_path)
    scores, _, _ = aopc.score_shard(shard, loaded, settings_of(["strict"], aopc=SETTINGS["aopc"]))
    whole = max_sensitivity.score_shard(shard, named(shard, methods), settings_of(["strict"]))
    for method in methods:
        draws = [values_of(found, method, metric="aopc", draw=d) for d in range(3)]
        assert draws[0].tolist() == scores_of(scores, method, PRIMARY.format(draws=1))
        assert len(draws[0]) == 10
        assert not np.isclose(draws[0], draws[1]).any()
        for block in (0, 1):
            mine = values_of(found, method, metric="max_sensitivity", block=block, samples=2)
            setting = f"radius=0.3;samples=2;stream={block};version=relative"
            assert mine.tolist() == scores_of(whole, method, setting)
            assert len(mine) == 10


def test_draws_are_those_that_the_metric_averages(tmp_path):
    shard = make_shard()
    found = convergence.score_shard(shard, None, SETTINGS)
    loaded, _, _ = stored_maps(shard, ["hirescam"], tmp_path)
    scores, _, _ = aopc.score_shard(shard, loaded, settings_of(["strict"]))
    draws = [values_of(found, "hirescam", metric="aopc", draw=d) for d in (0, 1)]
    main = scores_of(scores, "hirescam", PRIMARY.format(draws=2))
    np.testing.assert_allclose(np.mean(draws, 0), main, atol=1e-9)


def test_maxima_grow_with_samples_and_blocks_are_independent():
    found = convergence.score_shard(make_shard(), None, SETTINGS)
    for method in convergence.METHODS:
        few, many, other = (
            values_of(found, method, metric="max_sensitivity", block=block, samples=samples)
            for block, samples in ((0, 2), (0, 5), (1, 5))
        )
        assert (many >= few).all()
        assert (many > few).any()
        assert not np.isclose(many, other).any()


def test_the_sham_averages_the_seven_other_symmetries():
    random = torch.Generator().manual_seed(0)
    A, W = torch.rand(2, 2, 3, 4, 4, generator=random).unbind()
    seven = []
    for flip in (False, True):
        for quarters in range(4):
            turned = W.flip(3) if flip else W
            if flip or quarters:
                seven.append(hirescam(A, turned.rot90(quarters, (2, 3))))
    assert len(seven) == 7
    assert torch.allclose(sham(A, W), torch.stack(seven).mean(0), atol=1e-6)
    with pytest.raises(ValueError, match="4 x 3 cells"):
        sham(A[:, :, :, :3], W[:, :, :, :3])


def test_shards_and_padding_change_no_row_of_convergence():
    def scores(start, stop):
        shard = make_shard(start=start, stop=stop)
        return {"scores": convergence.score_shard(shard, None, SETTINGS)}

    parts = [scores(start, stop) for start, stop in ((0, 4), (4, 8), (8, 10))]
    assert as_rows([scores(0, 10)], "scores") == as_rows(parts, "scores")


@pytest.mark.parametrize(("images", "batch"), [(10, BATCH), (3, 3)])
def test_a_pass_holds_no_more_images_than_are_asked_for(images, batch):
    shard = make_shard(stop=3)
    counting = Counting(shard.model)
    settings = {**SETTINGS, "convergence": {**SETTINGS["convergence"], "images": images}}
    convergence.score_shard(replace(shard, model=counting), None, settings)
    assert counting.images == batch * counting.passes
