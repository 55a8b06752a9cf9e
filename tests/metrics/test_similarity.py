"""How alike maps are, against scipy and numpy."""

import pytest
import torch
from scipy import stats
from scored import CONFIG, frame_of, inputs_of, network_of

from faithcam.core.setting import Setting
from faithcam.metrics import registry
from faithcam.metrics.controls.similarity import residual, score, total
from faithcam.metrics.evaluation import Evaluation
from faithcam.metrics.inputs import GivenMaps, Inputs

METHODS = ["gradcam", "hirescam", "random"]


@pytest.fixture(scope="module", params=[0, 3])
def scored(request):
    """Scores by setting, method and image, and maps in float64; of images and of volumes."""
    inputs = inputs_of(slices=request.param)
    frame = frame_of("similarity", inputs, network_of(methods=METHODS, slices=request.param))
    with torch.no_grad():
        maps = {m: raw.flatten(1).double().numpy() for m, raw in inputs.raw(METHODS).items()}
    return frame.set_index(["setting", "method", "image"])["value"].sort_index(), maps


@pytest.mark.parametrize("method", ["gradcam", "random"])
def test_rank_correlation_and_residual_are_scipys_and_numpys(scored, method):
    values, maps = scored
    expected = [
        stats.spearmanr(a, b)[0] for a, b in zip(maps["hirescam"], maps[method], strict=True)
    ]
    assert values.loc["kind=spearman", method].to_numpy() == pytest.approx(expected, abs=1e-12)
    difference = maps["hirescam"] - maps[method]
    assert values.loc["kind=residual", method].to_numpy() == pytest.approx(
        (difference**2).sum(1), rel=1e-6
    )


def test_the_total_is_the_spread_of_hirescam_alone(scored):
    values, maps = scored
    spread = maps["hirescam"].var(1) * maps["hirescam"].shape[1]
    assert values.loc["kind=total", "hirescam"].to_numpy() == pytest.approx(spread, rel=1e-6)
    assert set(values.loc["kind=total"].index.get_level_values("method")) == {"hirescam"}


def test_residual_and_total_by_hand():
    reference, other = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]), torch.ones(1, 2, 2)
    assert residual(reference, other).tolist() == [0 + 1 + 4 + 25]
    assert total(reference).tolist() == [4 + 1 + 0 + 9]


def test_maps_are_enough():
    """As in a notebook; a map of the opposite order is as unlike as can be."""
    raw = torch.arange(8.0).view(2, 2, 2)
    maps = GivenMaps({"hirescam": raw, "mine": -raw})
    evaluation = Evaluation("similarity", "strict", Setting.of(kind="spearman"), ("mine",))
    (actual,) = score(Inputs(None, None, None, maps, None), [evaluation]).scored
    assert actual.values.tolist() == pytest.approx([-1, -1])


def test_without_hirescam_there_is_nothing_to_compare():
    assert registry.evaluations(CONFIG, "similarity", network_of(methods=["gradcam"])) == []
    roles = {
        e.setting["kind"]: e.role
        for e in registry.evaluations(CONFIG, "similarity", network_of(methods=METHODS))
    }
    assert roles == {"total": "fact", "spearman": "variant", "residual": "fact"}
