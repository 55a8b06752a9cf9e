"""Average drop and increase in confidence."""

import pytest
import torch
from planted import GivenMaps
from test_further_metrics import MAIN, frame_of
from test_shard import BATCH, make_shard, stored_maps

from faithcam.metrics import (
    average_drop,
)


def test_drops_of_confidence_by_hand():
    clean, masked = torch.tensor([0.8, 0.5, 0.5]), torch.tensor([0.2, 0.9, 0.5])
    assert average_drop.drop(clean, masked).tolist() == pytest.approx([0.75, 0, 0])


def test_a_map_of_ones_would_drop_nothing_and_one_of_zeros_sees_grey(monkeypatch):
    shard = make_shard(stop=BATCH)
    (batch,) = shard.batches()
    for value in (0.0, 1.0):
        view = torch.full((BATCH, 16, 16), value)
        monkeypatch.setattr(average_drop, "scaled", lambda raw, size, view=view: view)
        with torch.no_grad():
            clean, masked, _ = average_drop.masked_confidences(
                shard, GivenMaps(torch.rand(10, 4, 4)), batch
            )
            grey = average_drop.confidence(shard.model, batch.images * 0, batch.predicted)
        assert torch.equal(masked["given"], clean if value else grey)


def test_confidence_cannot_rise_and_drop(tmp_path):
    shard = make_shard()
    loaded, _, _ = stored_maps(shard, MAIN, tmp_path)
    dropped, risen = (
        frame_of(name, shard, loaded).set_index(["method", "image_id"])["value"]
        for name in ("average_drop", "increase_in_confidence")
    )
    assert ((dropped > 0) != (risen == 1)).all()
    assert 0 < risen.mean() < 1
