"""Metrics of plain tensors: a small network, random images, their maps, and what specs ask for."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import torch
from networks import axial_net, random_images, random_net, volumes

from faithcam.core.seeding import Noise, Streams, generator
from faithcam.maps import registry as cams
from faithcam.maps.explain import maps_of
from faithcam.metrics import registry
from faithcam.metrics.inputs import Inputs
from faithcam.metrics.networks import NetworkSpec
from faithcam.truth.contributions import Truth
from faithcam.truth.others import mean_of_others

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
    "faithfulness_correlation": {"subsets": 4, "shares": [0.25, 0.5]},
    "infidelity": {"samples": 3},
    "road": {"shares": [0.3, 0.6]},
    "mprt": {"stages": 2},
    "smooth_mprt": {"samples": 2, "noise": 0.1},
    "normalised_aopc": {"images": 4, "region": 8, "beam": 2},
    "truth": {"images": 10, "estimands": ["background", "mean", "rerendered"]},
    "concordance": {"estimands": ["mean"], "evaluations": "primary", "steps": [0.5, 1], "draws": 2},
}
ALL = {"concordance": {**CONFIG["concordance"], "evaluations": "all"}}  # all are judged
STRICT = {  # the strict protocol, less of it
    **CONFIG,
    "protocols": ["strict"],
    "aopc": {
        "strict": {**CONFIG["aopc"]["strict"], "imputers": ["noise", "mean"], "fractions": []}
    },
}
METHODS = ("gradcam", "hirescam", "random")
CONTROLS = ("sham", "constant")


def network_of(head="flatten", methods=METHODS, controls=(), slices=0, **fields):
    """Return what a config would say of the network of ``random_net`` or of ``axial_net``."""
    able = [tuple(cams.supported(names, head)) for names in (methods, controls)]
    spec = NetworkSpec("made", "net", head, 16, slices, 3, 4, 5, 0.0, *able, False, "", True, 9, 6)
    return replace(spec, **fields)


class MadeTruth:
    """Stands for stored truth: drawn for each image, of ESTIMANDS; that of UNRESOLVED is not."""

    ESTIMANDS = ("background", "mean", "rerendered")
    UNRESOLVED = 3

    def __init__(self, cells=4):
        self._cells = cells

    def of(self, image_ids, device=None):
        return {name: self._of(name, image_ids) for name in self.ESTIMANDS}

    def _of(self, estimand, image_ids):
        drawn = [
            generator("truth", estimand, int(i)).normal(size=(3, self._cells, self._cells))
            for i in image_ids
        ]
        whole, first, second = torch.from_numpy(np.stack(drawn, 1))
        reliability = [0.5 if i == self.UNRESOLVED else 0.95 for i in image_ids]
        halves = torch.stack([whole + 0.1 * first, whole + 0.1 * second])
        return Truth(whole, halves, torch.tensor(reliability, dtype=torch.float64))


def backgrounds_of(places, shape):
    """Return what gives other images of a draw, the same whichever images are there."""

    def of(draw):
        drawn = [generator("background", draw, i).random(shape, np.float32) for i in places]
        return torch.from_numpy(np.stack(drawn)) * 2 - 1

    return of


class NetworkMaps:
    """The maps that a network makes for some images, classes and labels."""

    def __init__(self, network, activations, given, classes, labels):
        self._network, self._activations, self._given = network, activations, given
        self._classes = {"predicted": classes, "label": labels}

    @torch.no_grad()
    def of(self, method, explained_class, explained_score):
        return maps_of(
            self._network,
            self._activations,
            self._classes[explained_class],
            [method],
            explained_score,
            self._given,
        )[method]


def inputs_of(head="flatten", slices=0, places=range(4), network=None, images=None, **fields):
    """Return images and maps of an untrained network, whose labels are not its answers.

    Every image's tensors are the same whichever others are there.

    Args:
        head: of the network.
        slices: of volumes; 0 for images.
        places: which of all images.
        network: another one.
        images: all of them, if they are others.
        fields: of the inputs.
    """
    places = list(places)
    if network is None:
        network = axial_net() if slices else random_net(head)
    if images is None:
        images = volumes(10, slices) if slices else random_images(10)
    with torch.no_grad():
        A = network.activations(images)
    images = images[places]
    everyone = torch.tensor([0, 2, 1, 2, 0, 1, 1, 0, 2, 0])
    classes, truth = everyone[places], MadeTruth(A.shape[-1])
    labels = (torch.tensor(places) + 1) % 3
    noise = Noise(Streams(1, "made", "net"), places)
    given = {
        "images": images,
        "image_ids": places,
        "streams": noise.streams,
        "mean_activations": A.mean(0),
        "other_activations": A.roll(1, 0)[places],
    }
    defaults = {
        "labels": labels,
        "maps": NetworkMaps(network, A[places], given, classes, labels),
        "given": lambda methods, network: given,
        "standard_images": random_images(6, seed=1),
        "masks": {"lesion": images[..., 0, :, :] > 0},
        "truth": truth.of(places),
        "truth_of_others": {
            name: mean_of_others(made.values, everyone)[places]
            for name, made in truth.of(range(10)).items()
        },
        "backgrounds": backgrounds_of(places, images.shape[1:]),
        "train_mean": torch.zeros(images.shape[1:]),
    }
    return Inputs(network, images, classes, noise=noise, **{**defaults, **fields})


@torch.no_grad()
def scores_of(name, inputs, network, **sections):
    """Return the scores of all evaluations that a metric's spec declares, see ``Scores``."""
    config = {**CONFIG, **sections}
    evaluations = registry.evaluations(config, name, network)
    options = registry.METRICS[name].options(config, network)
    scores = import_module(registry.module(name)).score(inputs, evaluations, **options)
    declared = [(e.protocol, e.setting, method) for e in evaluations for method in e.methods]
    scored = [(s.evaluation.protocol, s.evaluation.setting, s.method) for s in scores.scored]
    assert sorted(scored) == sorted(declared)
    return scores


def alone_as_together(name, spec, sections, **options):
    """Return whether some images have the same scores by themselves: nothing is drawn in turn."""
    whole, part = (
        scores_of(name, inputs_of(places=places, **options), spec, **sections).by_method()
        for places in (range(6), [2, 4])
    )
    assert set(whole) == set(part)
    return all(
        torch.allclose(whole[key][[2, 4]].double(), values.double(), atol=1e-6, equal_nan=True)
        for key, values in part.items()
    )


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
