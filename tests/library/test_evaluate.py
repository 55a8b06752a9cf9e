"""Scores of any network's maps in one call, or an error that names the argument."""

import numpy as np
import pytest
import torch
from torch import nn

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.core.seeding import torch_seed
from faithcam.library.bounds import Bounds, FromUnit
from faithcam.library.prepare import prepared
from faithcam.removal.engine import Removal, one_pass_per_step
from faithcam.removal.grid import grid

NEEDS_MORE = {
    "agreement": "can be rendered without their parts",
    "blind": "needs a truth; see faithcam.concordance",
    "damage_ladder": "has no primary setting in strict; variants=True",
    "dose_response": "has no primary setting",
    "multiverse": "has no primary setting",
    "similarity": "has no primary setting",
    "patch_net": "is for patch_small",
    "truth_agreement": "needs a truth",
}


def network(*after, outputs=3):
    with torch_seed(4, "evaluate"):
        layers = [nn.Conv2d(3, 4, 5, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, outputs), *after)


def images(count=5, low=-1.0, high=1.0):
    noise = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    return noise * (high - low) + low


def evaluated(*args, **options):
    return faithcam.evaluate(*args, progress=False, **options)


@pytest.mark.parametrize("metric", faithcam.METRICS)
def test_every_metric_scores_or_says_what_it_needs(metric):
    more = {"backgrounds": images(8).flip(2), "masks": images()[:, 0] > 0}
    if metric in NEEDS_MORE:
        with pytest.raises(FaithcamError, match=f"metrics: {metric} .*{NEEDS_MORE[metric]}"):
            evaluated(network(), images(), metrics=metric, **more)
        return
    table = evaluated(network(), images(), metrics=metric, batch_size=3, **more)
    own = table[table["method"].isin(["gradcam", "hirescam"])]
    assert len(own) == 10
    assert own["setting"].nunique() == 1
    assert (own["value"].notna() | (own["status"] != "ok")).all()
    assert own["value"].notna().any()
    assert (own["larger_is_better"] == faithcam.METRICS[metric].larger_is_better).all()
    assert own.groupby("method")["image"].apply(list).tolist() == [[0, 1, 2, 3, 4]] * 2


def test_aopc_is_the_mean_fall_of_the_probability():
    """Removed one after another in whole passes: cells that show the image's mean."""
    net, x = network().eval(), images(3)
    maps = {"map": torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))}
    table = evaluated(net, x, maps, "aopc", settings={"aopc": {"strict": {"imputers": ["mean"]}}})
    found = table[(table["method"] == "map")]["value"].tolist()
    with torch.no_grad():
        probability = net(x).double().softmax(1)
        classes = probability.argmax(1)
        for place in range(3):
            state, falls = x[place].clone(), [0.0]
            for cell in maps["map"][place].flatten().argsort(descending=True).tolist():
                rows, columns = (slice(8 * i, 8 * i + 8) for i in divmod(cell, 4))
                state[:, rows, columns] = x[place].mean((1, 2))[:, None, None]
                now = net(state[None]).double().softmax(1)[0, classes[place]]
                falls.append(float(probability[place, classes[place]] - now))
            assert found[place] == pytest.approx(sum(falls) / 17, abs=1e-6)


def test_settings_reach_a_metric():
    settings = {"max_sensitivity": {"strict": {"radii": [0.2], "primary_radius": 0.2}}}
    table = evaluated(network(), images(), metrics="max_sensitivity", settings=settings)
    assert set(table["setting"].str.contains("radius=0.2")) == {True}


@pytest.mark.parametrize("low_high", [(0.0, 1.0), ([0.0, -1.0, -2.0], [1.0, 3.0, 2.0])])
def test_other_bounds_are_the_same_images(low_high):
    """A network on images of other bounds is one on [-1, 1] that scales them first."""
    bounds = Bounds.of(low_high)
    unit, net = images(3), network()
    to_bounds = FromUnit(bounds, 2)
    x = to_bounds(unit)
    torch.testing.assert_close(bounds.to_unit(x), unit)

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, u):
            return self.net(to_bounds(u))

    asked = {"metrics": ["aopc", "infidelity", "max_sensitivity", "haas"], "seed": 3}
    one = evaluated(net, x, bounds=low_high, **asked)
    other = evaluated(Scaled(), unit, **asked)
    columns = ["metric", "setting", "method", "image"]
    assert one[columns].equals(other[columns])
    assert one["value"].tolist() == pytest.approx(other["value"].tolist(), rel=1e-3, abs=1e-5)


def test_maps_that_are_given_score_as_those_that_are_made():
    net, x = network(), images()
    made = evaluated(net, x, ["gradcam", "layercam"], ["aopc", "road"])
    maps = faithcam.explain(net, x, methods=["gradcam", "layercam"], score="centred")
    given = evaluated(net, x, maps, ["aopc", "road"])
    assert given.drop(columns="value").equals(made.drop(columns="value"))
    assert given["value"].tolist() == pytest.approx(made["value"].tolist(), rel=1e-4, abs=1e-6)


def test_arrays_and_pixels_score_as_tensors_of_cells():
    net, x = network(), images()
    cells = torch.randn(5, 4, 4, generator=torch.Generator().manual_seed(1))
    pixels = np.kron(cells.double().numpy(), np.ones((8, 8))) / 64
    frozen = cells.numpy().copy()
    frozen.flags.writeable = False
    maps = {"tensor": cells, "array": frozen, "flipped": cells.flip(1).numpy()[:, ::-1]}
    maps |= {"pixels": pixels, "half": pixels.astype(np.float32), "list": cells.tolist()}
    for metric in ("deletion", "infidelity", "sparseness"):
        values = evaluated(net, x, maps, metric).pivot(index="image", columns="method")["value"]
        for name in maps:
            expected = pytest.approx(values["tensor"].tolist(), abs=1e-5)
            assert values[name].tolist() == expected, (metric, name)


def test_a_map_of_any_name_beside_a_network_with_pooling():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net.append(nn.Linear(4, 3))
    maps = {"mine": torch.rand(5, 8, 8), "gradcam": torch.rand(5, 8, 8)}
    assert {"mine", "gradcam"} < {*evaluated(net, images(), maps)["method"]}


def test_functions_of_ones_own_stand_for_maps_and_metrics():
    net, x = network(), images()

    def mine(parts, images, classes):
        return parts.activations(images).sum(1)

    def largest(parts, images, classes, maps):
        return maps.flatten(1).amax(1)

    table = evaluated(net, x, ["gradcam", mine], ["aopc", largest])
    own = table[(table["metric"] == "largest") & (table["method"] == "mine")]
    with torch.no_grad():
        expected = net.eval()[:4](x).sum(1).flatten(1).amax(1)
    assert own["value"].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert {*table["metric"]} == {"aopc", "largest"}
    assert table["metric"].tolist() == sorted(table["metric"])  # in the order that was asked for


def test_heads_that_are_not_linear_score_too():
    table = evaluated(network(nn.ReLU(), nn.Linear(3, 4)), images(), variants=True)
    assert table["value"].notna().all()


def test_regions_are_removed_incrementally_whatever_the_head():
    """One window of a layer's output changes per region: the same logits for fewer operations."""
    wide = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1))
    net = nn.Sequential(*wide, nn.ReLU(), nn.Flatten(), nn.Linear(64 * 32 * 32, 4), nn.ReLU())
    net.append(nn.Linear(4, 3))
    x = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    parts = prepared(net.eval(), x)
    regions, noise = grid((64, 64), 8), x.flip(0)
    evaluator = Removal(parts)
    assert evaluator.incremental(x, regions) is not None
    orders = [torch.stack([torch.randperm(64) for _ in x]) for _ in range(2)]
    expected = one_pass_per_step(net, x, orders, regions, [noise])
    with torch.no_grad():
        found = evaluator.logits(x, orders, regions, [noise])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_one_logit_is_two_classes_whose_probability_is_its_sigmoid():
    net, x = network(outputs=1).eval(), images()

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            y = self.net(x)
            return torch.cat([torch.zeros_like(y), y], 1)

    one, two = evaluated(net, x, classes=1), evaluated(Both(), x, classes=1)
    assert one["value"].tolist() == pytest.approx(two["value"].tolist(), rel=1e-3, abs=1e-5)


def test_the_maps_of_one_image_are_taken_back():
    net, x = network(), images()
    maps = faithcam.explain(net, x[0], score="centred")
    found = evaluated(net, x[0], {name: raw.numpy() for name, raw in maps.items()})
    assert found["value"].tolist() == pytest.approx(evaluated(net, x[0])["value"].tolist())


def test_batches_and_calls_change_rounding_alone():
    net, x = network(), images()
    one, other = (evaluated(net, x, batch_size=size) for size in (2, 16))
    assert one["value"].tolist() == pytest.approx(other["value"].tolist(), rel=1e-4, abs=1e-6)
    assert evaluated(net, x).equals(evaluated(net, x))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": images(low=0, high=255)}, "images: values from .* found, expected"),
        ({"bounds": (1, 0)}, r"bounds: \(1, 0\) found, expected \(low, high\)"),
        ({"bounds": 1}, "bounds: 1 found"),
        ({"metrics": "aopcc"}, "metrics: 'aopcc' is unknown"),
        ({"metrics": "localisation"}, "metrics: localisation needs lesion masks"),
        ({"metrics": "mprt"}, "metrics: mprt needs training images; give some as backgrounds"),
        (
            {"maps": {"mine": torch.rand(5, 4, 4)}, "metrics": "max_sensitivity"},
            "metrics: max_sensitivity looks at maps of other images; give names",
        ),
        (
            {"maps": {"gradcam": torch.rand(5, 4, 4)}, "metrics": "max_sensitivity"},
            "metrics: max_sensitivity looks at maps of other images; give names",
        ),
        (
            {"maps": {"mine": torch.rand(5, 8, 8)}},
            r"maps: mine \(5, 8, 8\) torch.float32 found, .* \(5, 4, 4\), or .* \(5, 32, 32\)",
        ),
        (
            {"maps": {"mine": np.full((5, 4, 4), 1e39)}},
            r"maps: mine \(5, 4, 4\) float64 found",
        ),
        ({"maps": {"mine": np.ones((5, 4, 4), bool)}}, r"maps: mine \(5, 4, 4\) bool found"),
        ({"maps": {"mine": np.ones((5, 4, 4), complex)}}, r"maps: mine .* complex128 found"),
        (
            {"maps": {"mine": np.array([None] * 5)}},
            r"maps: mine \(5,\) object found",
        ),
        ({"maps": {"mine": [[1], [1, 2]]}}, r"maps: mine list found, expected a finite"),
        ({"maps": {"mine": torch.rand(5, 4, 4) / 0}}, "maps: mine .* expected a finite number"),
        (
            {"settings": {"aopc": {"strict": {"imputers": ["background"]}}}},
            "metrics: aopc: backgrounds: none found",
        ),
        ({"settings": {"aopcs": {}}}, "settings: aopcs found, expected keys of"),
        ({"protocols": ["published"]}, "protocols: .'published'. found, expected strict"),
        ({"network": network()[:4]}, r"network: (outputs \(5, 4, 4, 4\) found|no activations)"),
        ({"images": torch.rand(2, 3, 4, 32, 32)}, r"images: \(2, 3, 4, 32, 32\) found, expected"),
        ({"masks": torch.ones(9, 32, 32)}, r"masks: \(9, 32, 32\) torch.float32 found"),
        ({"masks": torch.full((5, 32, 32), 0.5)}, "masks: .* found, expected .* of 0 and 1"),
        ({"backgrounds": torch.rand(4, 3, 16, 16)}, r"backgrounds: \(4, 3, 16, 16\) found"),
        ({"maps": {}}, "maps: none found"),
        ({"metrics": [lambda *a: 1, lambda *a: 2]}, "metrics: 2 found, <lambda>; expected"),
        ({"metrics": lambda n, i, c, m: m}, "metrics: <lambda> returned .5, 4, 4. for the map"),
    ],
)
def test_what_cannot_be_evaluated_names_the_argument(given, message):
    with pytest.raises(FaithcamError, match=message):
        evaluated(**{"network": network(), "images": images(), **given})
