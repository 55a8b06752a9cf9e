"""Metrics of plain tensors: a small network, random images, their maps, and what specs ask for."""

from importlib import import_module

import pandas as pd
import torch
from networks import axial_net, random_images, random_net, volumes

from faithcam.core.seeding import Noise, Streams
from faithcam.maps import registry as cams
from faithcam.maps.explain import maps_of
from faithcam.metrics import registry
from faithcam.metrics.inputs import Inputs
from faithcam.metrics.networks import NetworkSpec

CONFIG = {
    "protocols": ["thesis", "strict"],
    "aopc": {
        "thesis": {"regions": [8]},
        "strict": {
            "regions": ["native", 8],
            "imputers": ["noise", "mean", "blur", "rerendered"],
            "draws": 2,
            "fractions": [0.5],
        },
    },
    "max_sensitivity": {
        "thesis": {"radii": [0.1, 0.3], "samples": [2, 3]},
        "strict": {"radii": [0.1, 0.3], "samples": 2, "primary_radius": 0.3},
    },
    "haas": {"strict": {"constant": 0.5}},
    "infidelity": {"samples": 3},
    "road": {"shares": [0.3, 0.6]},
    "mprt": {"stages": 2},
    "smooth_mprt": {"samples": 2, "noise": 0.1},
    "normalised_aopc": {"images": 4, "region": 8, "beam": 2},
    "convergence": {"images": 4, "draws": 3, "samples": [2, 5]},
}
METHODS = ("gradcam", "hirescam", "random")
CONTROLS = ("sham", "constant")


def network_of(head="flatten", methods=METHODS, controls=(), slices=0, **facts):
    """Return what a config would say of the network of ``random_net`` or of ``axial_net``."""
    able = [tuple(cams.supported(names, head)) for names in (methods, controls)]
    known = {"several": False, "task": "", "has_masks": True, "val_images": 6, **facts}
    return NetworkSpec("made", "net", head, 16, slices, 3, 4, 5, 0.0, *able, **known)


class MapsOf:
    """All maps of some images, made when they are asked for."""

    def __init__(self, network, images, classes, given):
        self._network, self._given = network, given
        self._activations, self._classes = network.activations(images), classes

    def of(self, method, target, gauge):
        return maps_of(
            self._network, self._activations, self._classes, [method], gauge, self._given
        )[method]


def inputs_of(head="flatten", slices=0, places=range(4), **more):
    """Return images and maps of an untrained network; ``places``: which of all images.

    Every image's tensors are the same whichever others are there.
    """
    places = list(places)
    network = axial_net() if slices else random_net(head)
    images = (volumes(10, slices) if slices else random_images(10))[places]
    classes = torch.tensor([0, 2, 1, 2, 0, 1, 1, 0, 2, 0])[places]
    noise = Noise(Streams(1, "made", "net"), places)
    given = {"images": images, "image_ids": places, "streams": noise.streams}
    own = {
        "standard_images": random_images(6, seed=1),
        "masks": {"lesion": images[..., 0, :, :] > 0},
    }
    maps = MapsOf(network, images, classes, given)
    return Inputs(network, images, classes, maps, noise, **{**own, **more})


@torch.no_grad()
def scores_of(name, inputs, network, **sections):
    """Return the scores of all evaluations that a metric's spec declares, see ``Scores``."""
    config = {**CONFIG, **sections}
    asked = registry.evaluations(config, name, network)
    options = registry.METRICS[name].options(config, network)
    return import_module(f"faithcam.metrics.{name}").score(inputs, asked, **options)


def frame_of(name, inputs, network, **sections):
    """Return the same as rows: protocol, setting, method, image, value, status, role."""
    rows = [
        {
            "protocol": scored.evaluation.protocol,
            "setting": str(scored.evaluation.setting),
            "method": scored.method,
            "image": image,
            "value": value,
            "status": status,
            "role": scored.evaluation.role,
        }
        for scored in scores_of(name, inputs, network, **sections).scored
        for image, value, status in zip(
            inputs.noise.image_ids, scored.values.tolist(), scored.statuses, strict=True
        )
    ]
    return pd.DataFrame(rows)
