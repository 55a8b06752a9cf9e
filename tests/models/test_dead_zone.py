"""Networks that are blind to some cells: zero weights, whatever trains them; maps, shares."""

import pytest
import torch
from networks import random_images, random_net
from scored import frame_of, inputs_of, network_of
from torch import nn

from faithcam.maps.explain import explain
from faithcam.metrics.localisation import dead_zone as metric
from faithcam.models.dead_zone import blind, dead_cells


def blind_net():
    net = random_net()
    blind(net, 4)
    return net


def test_the_lower_quarter_of_the_rows_is_dead():
    assert dead_cells(8).sum(1).tolist() == [0] * 6 + [8] * 2
    assert dead_cells(2).sum(1).tolist() == [0, 2]


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.Adam, torch.optim.SGD])
def test_training_leaves_dead_weights_at_zero_and_moves_the_others(optimizer):
    net = blind_net().train()
    before = net.cell_weights((5, 4, 4)).detach().clone()
    adam = optimizer(net.parameters(), lr=0.1, weight_decay=0.1)
    for seed in range(3):
        loss = net(random_images(seed=seed)).logsumexp(1).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    after, dead = net.cell_weights((5, 4, 4)).detach(), dead_cells(4)
    assert (after[..., dead] == 0).all()
    assert (after[..., ~dead] != before[..., ~dead]).all()
    assert torch.equal(metric.unseen(net, (4, 4)), dead)


def test_no_score_depends_on_dead_cells_and_grad_cam_shows_them():
    net, images, dead = blind_net(), random_images(), dead_cells(4)
    classes = torch.tensor([0, 2, 1, 2])
    names = ["hirescam", "gradcam", "gradcam_masked"]
    maps = explain(net, images, classes, names)
    shares = {name: metric.dead_share(maps[name], dead) for name in names}
    assert (shares["hirescam"] == 0).all()
    assert (shares["gradcam_masked"] == 0).all()
    assert (shares["gradcam"] > 0).all()
    assert torch.equal(maps["gradcam_masked"][:, ~dead], maps["gradcam"][:, ~dead])
    with torch.no_grad():
        A = net.activations(images)
        changed = torch.where(dead, A + 7, A)
        assert torch.equal(net.logits(changed), net.logits(A))


def test_a_network_that_sees_everything_has_no_dead_zone():
    one_class_less = random_net()
    nn.init.zeros_(one_class_less.classifier.weight[0])
    for whole in (random_net(), one_class_less):
        assert not metric.unseen(whole, (4, 4)).any()
    frame = frame_of("dead_zone", inputs_of(), network_of())
    assert (frame.loc[frame["status"] == "ok", "value"] == 0).all()
    net, images = random_net(), random_images()
    maps = explain(net, images, torch.zeros(4, dtype=torch.long), ["gradcam", "gradcam_masked"])
    assert torch.equal(maps["gradcam"], maps["gradcam_masked"])


def test_the_share_of_a_map_by_hand():
    maps = torch.tensor([[[3.0, -1.0], [-4.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    shares = metric.dead_share(maps, torch.tensor([[False, False], [True, True]]))
    assert shares[0].item() == 0.5
    assert shares[1].isnan()
