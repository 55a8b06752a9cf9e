"""Those of the ten jobs that Quantus does, whose maps are captum's.

It has no pictures, no scores over pixels, and its ROAD stops with an IndexError where images have
three channels.
"""

import numpy as np


def resnet(network, images, classes):
    import quantus

    options = {"method": "LayerGradCam", "gc_layer": network.layer4}
    return quantus.explain(network, images.numpy(), classes.numpy(), **options)


def vgg16(network, images, classes):
    import quantus

    options = {"method": "LayerGradCam", "gc_layer": network.features}
    return quantus.explain(network, images.numpy(), classes.numpy(), **options)


def timm(network, images, classes):
    import quantus

    options = {"method": "LayerGradCam", "gc_layer": network.blocks}
    return quantus.explain(network, images.numpy(), classes.numpy(), **options)


def multi_label(network, images, classes):
    import quantus

    options = {"method": "LayerGradCam", "gc_layer": network.layer4}
    asked = [np.full(len(images), label) for label in (1, 4, 5)]
    return [quantus.explain(network, images.numpy(), labels, **options) for labels in asked]


def aopc(network, images, classes):
    import quantus

    maps = {"method": "LayerGradCam", "gc_layer": network.layer4, "interpolate": (64, 64)}
    metric = quantus.RegionPerturbation(regions_evaluation=20)
    x, y = images.numpy(), classes.numpy()
    return metric(network, x, y, explain_func=quantus.explain, explain_func_kwargs=maps)


def max_sensitivity(network, images, classes):
    import quantus

    maps = {"method": "LayerGradCam", "gc_layer": network.layer4, "interpolate": (64, 64)}
    metric = quantus.MaxSensitivity(nr_samples=10)
    x, y = images.numpy(), classes.numpy()
    return metric(network, x, y, explain_func=quantus.explain, explain_func_kwargs=maps)


def metrics_by_methods(network, images, classes):
    import quantus

    shared = {"gc_layer": network.layer4, "interpolate": (64, 64)}
    methods = dict.fromkeys(("LayerGradCam", "LayerGradientXActivation"), shared)
    metrics = {"AOPC": quantus.RegionPerturbation(), "sensitivity": quantus.MaxSensitivity()}
    return quantus.evaluate(metrics, methods, network, images.numpy(), classes.numpy())
