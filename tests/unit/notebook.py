"""What a metric takes in a notebook: tensors of a small random network, and what a config asks."""

from dataclasses import replace
from importlib import import_module

import torch
from networks import random_images, random_net

from faithcam.core.seeding import Noise, Streams
from faithcam.maps.explain import maps_of
from faithcam.metrics import registry
from faithcam.metrics.inputs import Inputs
from faithcam.metrics.networks import NetworkSpec

CONFIG = {
    "protocols": ["strict"],
    "aopc": {
        "thesis": {"regions": [8]},
        "strict": {
            "regions": ["native", 8],
            "imputers": ["noise", "mean"],
            "draws": 2,
            "fractions": [],
        },
    },
    "max_sensitivity": {
        "thesis": {"radii": [0.1, 0.3], "samples": [2, 3]},
        "strict": {"radii": [0.1, 0.3], "samples": 2, "primary_radius": 0.3},
    },
    "haas": {"strict": {"constant": 0.5}},
}
NETWORK = NetworkSpec(
    dataset="made",
    architecture="net",
    head="flatten",
    size=16,
    slices=0,
    channels=3,
    cells=4,
    depth=5,
    offset=0.0,
    methods=("gradcam", "hirescam"),
    controls=(),
    several=False,
    task="",
    has_masks=False,
    val_images=0,
)


class NetworkMaps:
    """The maps that a network makes for some images and classes."""

    def __init__(self, network, given, classes, labels):
        self.network, self.given = network, given
        self.classes = {"predicted": classes, "label": labels}

    @torch.no_grad()
    def of(self, method, target, gauge):
        A = self.network.activations(self.given["images"])
        return maps_of(self.network, A, self.classes[target], [method], gauge, self.given)[method]


def inputs_of(network=None, images=None, ids=None, **options):
    """Return inputs of a network and images, whose labels are not its answers.

    Args:
        network: a random one, if not given.
        images: random ones, if not given.
        ids: of those that are kept; all, if not given.
        options: other fields.
    """
    network = random_net() if network is None else network
    images = random_images(6) if images is None else images
    with torch.no_grad():
        A = network.activations(images)
    ids = list(range(len(images)) if ids is None else ids)
    classes, labels = ((torch.tensor(ids) * k + 1) % 3 for k in (2, 1))
    streams = Streams(1, "made", "net")
    given = {
        "images": images[ids],
        "image_ids": ids,
        "streams": streams,
        "mean_activations": A.mean(0),
        "other_activations": A.roll(1, 0)[ids],
    }
    fields = {
        "labels": labels,
        "maps": NetworkMaps(network, given, classes, labels),
        "given": lambda methods, network: given,
        **options,
    }
    noise = Noise(streams, ids)
    return Inputs(network, images[ids], classes, noise=noise, **fields)


def score(metric, inputs, config=CONFIG, facts=NETWORK):
    """Return all scores of a metric that a config asks for."""
    asked = registry.evaluations(config, metric, facts)
    code = import_module(f"faithcam.metrics.{metric}")
    with torch.inference_mode():
        found = code.score(inputs, asked, **registry.METRICS[metric].options(config, facts))
    declared = [(e.protocol, e.setting, method) for e in asked for method in e.methods]
    scored = [(s.evaluation.protocol, s.evaluation.setting, s.method) for s in found.scored]
    assert sorted(scored) == sorted(declared)
    return found


def alone_as_together(metric, config=CONFIG, facts=NETWORK, **options):
    """Return whether some images have the same scores by themselves: nothing is drawn in turn."""
    whole, part = (
        score(metric, inputs_of(ids=ids, **options), config, facts).by_method()
        for ids in (range(6), [2, 4])
    )
    assert set(whole) == set(part)
    return all(
        torch.allclose(whole[key][[2, 4]].double(), values.double(), atol=1e-6, equal_nan=True)
        for key, values in part.items()
    )


def with_config(**sections):
    """Return the config with other sections."""
    return {**CONFIG, **sections}


def with_network(**facts):
    """Return the network with other facts."""
    return replace(NETWORK, **facts)
