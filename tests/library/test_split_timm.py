"""timm's CNNs fall in two parts as they come; skipped where timm is not installed."""

import warnings
from importlib.util import find_spec

import pytest
import torch

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.models.torchvision_nets import import_torchvision

pytestmark = pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
# pixels, head, channels and cells of A
NETWORKS = {
    "resnet18": (64, "gap", (512, 2, 2)),
    "resnext50_32x4d": (64, "gap", (2048, 2, 2)),
    "legacy_seresnet18": (64, "gap", (512, 2, 2)),
    "regnetx_002": (64, "gap", (368, 2, 2)),
    "efficientnet_b0": (64, "gap", (1280, 2, 2)),
    "tf_efficientnetv2_b0": (64, "other", (1280, 2, 2)),  # pads by the images' size
    "mobilenetv3_small_050": (64, "other", (288, 2, 2)),  # a layer between pooling and classifier
    "convnext_atto": (64, "other", (320, 2, 2)),  # a norm there
    "densenet121": (64, "gap", (1024, 2, 2)),
    "inception_v3": (128, "gap", (2048, 2, 2)),
    "nfnet_l0": (64, "gap", (2304, 2, 2)),  # weights that are standardised in each pass
    "ghostnet_050": (64, "other", (480, 2, 2)),
    "repvgg_a0": (64, "gap", (1280, 2, 2)),
    "dpn48b": (64, "other", (832, 2, 2)),
    "hrnet_w18_small": (64, "gap", (2048, 2, 2)),
}


def made(name):
    import_torchvision()
    import timm

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return timm.create_model(name, num_classes=7).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_parts_give_the_network_s_own_logits(name):
    network, (pixels, head, shape) = made(name), NETWORKS[name]
    sample, others = torch.randn(2, 2, 3, pixels, pixels)
    parts = faithcam.split(network, sample)
    assert parts.head == head
    assert tuple(parts.activations(others).shape) == (2, *shape)
    with torch.no_grad():
        expected = network(others)
    tolerance = 1e-4 * float(expected.std())
    torch.testing.assert_close(parts(others), expected, rtol=1e-4, atol=tolerance)
    maps = faithcam.explain(network, others)
    assert all(tuple(each.shape) == (2, *shape[1:]) for each in maps.values())


def test_a_transformer_is_refused_by_name_and_a_layer_of_it_explained():
    network, images = made("vit_tiny_patch16_224"), torch.randn(1, 3, 224, 224)
    message = "patch_embed.proj, tokens attend to each other: a transformer has no last activations"
    with pytest.raises(FaithcamError, match=message):
        faithcam.explain(network, images)
    maps = faithcam.explain(network, images, methods="gradcam", layer="patch_embed.proj")
    assert maps["gradcam"].shape == (1, 14, 14)
