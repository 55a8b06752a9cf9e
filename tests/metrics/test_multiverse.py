"""All declared specifications of AOPC, and where receptive fields are."""

from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from scored import STRICT, alone_as_together, inputs_of, network_of, scores_of
from torch import nn

from faithcam.core import views
from faithcam.core.setting import Setting
from faithcam.maps.explain import gradients
from faithcam.maps.methods.hirescam import hirescam
from faithcam.metrics import registry as metrics
from faithcam.metrics.controls.multiverse import values_of
from faithcam.metrics.evaluation import total_passes
from faithcam.metrics.faithfulness.curves import aopc_of, mean_drops
from faithcam.models import registry
from faithcam.removal.grid import grid, region_means
from faithcam.removal.orders import order_of

IMPUTERS = ["noise", "mean", "inpainting"]
SETTINGS = {
    **STRICT,
    "aopc": {"strict": {**STRICT["aopc"]["strict"], "imputers": IMPUTERS}},
    "multiverse": {"regions": ["native", 8], "imputers": IMPUTERS},
}
NETWORK = network_of(
    methods=("gradcam", "hirescam"), offset=-1.5
)  # of the test network: two convolutions of stride 2, padded


# --- receptive fields ---------------------------------------------------------------
def main_path(features):
    """Yield the convolutions and poolings that an image passes, without skip connections."""
    for name, module in features.named_modules():
        geometry = isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
        if geometry and not {"skip", "downsample"} & {*name.split(".")}:
            yield module


def offset_of(features):
    """Return where cell 0 is centred, relative to the middle of its pixels, from the geometry."""
    centre, stride = 0.0, 1
    for module in main_path(features):
        dilated = getattr(module, "dilation", 1)
        kernel, step, padding, dilation = (
            value if isinstance(value, int) else value[1]
            for value in (module.kernel_size, module.stride, module.padding, dilated)
        )
        centre += ((kernel - 1) * dilation / 2 - padding) * stride
        stride *= step
    return centre - (stride - 1) / 2, stride


def without_other_cells(features):
    """Take away what moves no cell's centre: scales from whole maps, norms over channels."""
    for parent in list(features.modules()):
        for child, module in parent.named_children():
            if type(module).__name__ == "SqueezeExcitation" or isinstance(module, nn.LayerNorm):
                setattr(parent, child, nn.Identity())


WIDE = dict.fromkeys(("resnet34", "resnet34_thesis", "axial_resnet18"), 1088)
WIDE |= {"densenet121": 2560, "densenet169": 3584, "convnext_tiny": 2048, "efficientnet_b0": 1088}
WIDE |= {"mobilenet_v3_small": 1088, "mobilenet_v3_large": 1088}


@pytest.mark.parametrize("name", sorted(registry.ARCHITECTURES))
def test_cells_are_centred_where_the_registry_says(name):
    spec, features = registry.ARCHITECTURES[name], registry.features(name).double().eval()
    without_other_cells(features)
    assert offset_of(features) == (spec.offset, spec.stride)
    for parameter in features.requires_grad_(False).parameters():
        if parameter.ndim in (2, 4):  # all paths count, and nothing cancels
            parameter.fill_(1 / parameter[0].numel())
        elif parameter.ndim == 3:  # ConvNeXt's scales of its blocks
            parameter.fill_(1)
    for parent in list(features.modules()):
        for child, module in parent.named_children():
            if isinstance(module, nn.MaxPool2d):  # which passes one pixel's gradient alone
                geometry = module.kernel_size, module.stride, module.padding
                setattr(parent, child, nn.AvgPool2d(*geometry))
    # wide enough for the receptive field of a cell in the middle
    width = 128 + 128 * spec.volumes if spec.stride == 8 else WIDE.get(name, 608)
    height = spec.stride * (1 + 2 * spec.unpadded)
    image = torch.ones(1, 3, height, width, dtype=torch.float64, requires_grad=True)
    A = features(image)
    cell = A.shape[3] // 2
    A[0, :, 0, cell].sum().backward()
    columns = image.grad[0].abs().sum((0, 1)).nonzero()[:, 0]
    first, last = int(columns[0]), int(columns[-1])
    assert 0 < first < last < width - 1
    middle = cell * spec.stride + (spec.stride - 1) / 2
    assert (first + last) / 2 == middle + spec.offset
    if spec.patches:
        assert last - first + 1 == spec.stride


# --- corrected grids ----------------------------------------------------------------
def test_moved_cells_leave_a_smaller_first_and_a_larger_last_region():
    rows, columns = grid((64, 64), (8, 8), -3.5)
    assert rows.bincount().tolist() == [4, *[8] * 6, 12]
    assert torch.equal(rows, columns)
    for cell in range(1, 7):  # cell i is centred on pixel 8 i
        pixels = (rows == cell).nonzero()[:, 0].tolist()
        assert pixels == list(range(8 * cell - 4, 8 * cell + 4))
    assert grid((64, 64), (8, 8), 2.0)[0].bincount().tolist() == [10, *[8] * 6, 6]
    assert all(map(torch.equal, grid((64, 64), (8, 8), 0.0), grid((64, 64), (8, 8))))
    for offset, first in ((-0.5, 7), (0.5, 8), (1.5, 9)):  # half pixels are rounded down
        assert int(grid((64, 64), (8, 8), offset)[0].bincount()[0]) == first
    with pytest.raises(ValueError, match=r"offset: -8.5 px moves a cell"):
        grid((64, 64), (8, 8), -8.5)


def test_a_map_is_upsampled_with_its_cells_where_they_are_centred():
    raw = torch.rand(3, 8, 8)
    large = views.upsampled(raw, 64, -3.5)
    assert torch.allclose(large[:, ::8, ::8], raw, atol=1e-6)  # cell ij is centred on 8 i, 8 j
    halfway = (raw[:, :, 2] + raw[:, :, 3]) / 2
    assert torch.allclose(large[:, ::8, 20], halfway, atol=1e-6)
    assert torch.allclose(large[:, :, 57:], large[:, :, 56:57].expand(-1, -1, 7), atol=1e-6)
    # a hair's offset is none, a whole number of pixels a shift
    assert torch.allclose(views.upsampled(raw, 64, 1e-7), views.upsampled(raw, 64), atol=1e-5)
    shifted = views.upsampled(raw, (64, 64), 2)[:, 2:, 2:]
    assert torch.allclose(shifted, views.upsampled(raw, 64)[:, :-2, :-2], atol=1e-6)
    assert torch.allclose(
        views.scaled(raw - 0.5, 64, 2)[:, 2:, 2:],
        views.scaled(raw - 0.5, 64)[:, :-2, :-2],
        atol=1e-5,
    )


def test_the_hand_computed_values_of_regions():
    raw = torch.tensor([[[1.0, -3.0], [2.0, 4.0]]])
    size = (4, 4)
    assert values_of(raw, "signed", (2, 2), size, -0.5).tolist() == [[1, -3, 2, 4]]
    assert values_of(raw, "scaled", (2, 2), size, -0.5).tolist() == [[1, 0, 2, 4]]
    large = F.interpolate(raw[:, None], (4, 4), mode="bilinear")[:, 0]
    expected = [float(large[0, r : r + 2, c : c + 2].mean()) for r in (0, 2) for c in (0, 2)]
    assert values_of(raw, "signed", 2, size, 0.0)[0].tolist() == pytest.approx(expected)
    # centred on pixels 0 and 2: rows are cell 0, half of both, cell 1, cell 1
    rows = torch.tensor([[1, 0], [0.5, 0.5], [0, 1], [0, 1]])
    moved = rows @ raw[0] @ rows.T
    expected = [float(moved[r : r + 2, c : c + 2].mean()) for r in (0, 2) for c in (0, 2)]
    assert values_of(raw, "signed", 2, size, -0.5)[0].tolist() == pytest.approx(expected)


# --- specifications -----------------------------------------------------------------
def specifications(offsets=("none", "corrected")):
    for region, imputer, offset, replicate, explained_score, view in product(
        ("native", "8"), IMPUTERS, offsets, (0, 1), ("centred", "logit"),
        ("signed", "scaled"),
    ):  # fmt: skip
        if imputer == "noise" or replicate == 0:
            yield Setting.of(
                grid=region,
                imputer=imputer,
                offset=offset,
                replicate=replicate,
                explained_score=explained_score,
                view=view,
            )


def test_every_specification_is_declared_once():
    asked = metrics.evaluations(SETTINGS, "multiverse", NETWORK)
    scores = {e.setting: e for e in asked if e.role != "fact"}
    assert set(scores) == {*specifications()}
    for setting, evaluation in scores.items():
        again = setting["replicate"] == "1"
        assert evaluation.methods == ("hirescam", "gradcam")
        assert evaluation.role == ("replicate" if again else "variant")
        assert evaluation.replicate_of == (setting.replace(replicate=0) if again else None)
    assert {str(e.setting): e.methods for e in asked if e.role == "fact"} == {
        f"imputer={imputer};output=range;replicate={replicate}": ("hirescam",)
        for imputer, replicate in (("noise", 0), ("noise", 1), ("mean", 0), ("inpainting", 0))
    }
    # 2 methods, views, targets and offsets, 16 + 4 regions, 2 draws of each replicate, 2 other
    # imputers, and the image
    assert total_passes(asked) == 16 * 20 * (2 * 2 + 2) + 1


def test_grids_are_corrected_only_where_cells_are_off_centre():
    asked = metrics.evaluations(SETTINGS, "multiverse", replace(NETWORK, offset=0.0))
    assert {e.setting for e in asked if e.role != "fact"} == {*specifications(["none"])}


def test_specifications_that_the_strict_protocol_has_too_are_the_same():
    inputs = inputs_of(places=range(6))
    theirs = scores_of("aopc", inputs, NETWORK, **SETTINGS).by_method()
    computed = scores_of("multiverse", inputs, NETWORK, **SETTINGS).by_method()
    cases = [
        *(("native", "noise", replicate, "centred") for replicate in (0, 1)),
        ("native", "noise", 0, "logit"),
        *product(("native", "8"), ("mean", "inpainting"), (0,), ("centred",)),
        ("8", "noise", 0, "centred"),
    ]
    for (region, imputer, replicate, explained_score), method in product(
        cases, ("gradcam", "hirescam")
    ):
        mine = Setting.of(
            grid=region,
            imputer=imputer,
            offset="none",
            replicate=replicate,
            explained_score=explained_score,
            view="signed",
        )
        spec = {"draws": 2 if imputer == "noise" else 1, "order": "morf", "output": "probability"}
        explained_score = {"explained_score": "logit"} if explained_score == "logit" else {}
        other = Setting.of(
            **spec, **explained_score, imputer=imputer, region=region, replicate=replicate
        )
        assert torch.allclose(computed[str(mine), method], theirs[str(other), method], atol=1e-7)


def test_corrected_scores_are_those_of_regions_around_the_cells_centres():
    inputs, offset = inputs_of(places=range(6)), NETWORK.offset
    actual = scores_of("multiverse", inputs, NETWORK, **SETTINGS).by_method()
    with torch.no_grad():
        A = inputs.network.activations(inputs.images)
        raw = hirescam(A, gradients(inputs.network, A, inputs.classes, "centred"))
        fills = inputs.replacements("noise", 1, 2)
        large = region_means(views.upsampled(raw, 16, offset), 8)
        for region, values, regions in (
            ("native", raw.flatten(1), grid((16, 16), (4, 4), offset)),
            ("8", large, grid((16, 16), 8)),
        ):
            orders = {"hirescam": order_of(values)}
            curve = mean_drops(inputs, regions, fills, orders)["hirescam", "probability"]
            spec = {
                "grid": region,
                "offset": "corrected",
                "view": "signed",
                "explained_score": "centred",
            }
            setting = str(Setting.of(**spec, imputer="noise", replicate=1))
            assert torch.allclose(actual[setting, "hirescam"], aopc_of(curve), atol=1e-7)
            end = actual["imputer=noise;output=range;replicate=1", "hirescam"]
            assert torch.allclose(end, curve[:, -1], atol=1e-6)


def test_images_do_not_change_each_others_scores():
    assert alone_as_together("multiverse", NETWORK, SETTINGS)
