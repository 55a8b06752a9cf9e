"""The ten jobs with faithcam. Where classes are not given, they are the predicted ones."""

import faithcam


def resnet(network, images, classes):
    return faithcam.explain(network, images, classes, "gradcam")


def vgg16(network, images, classes):
    return faithcam.explain(network, images, classes, "gradcam")


def timm(network, images, classes):
    return faithcam.explain(network, images, classes, "gradcam")


def segmentation(network, images, classes):
    return faithcam.explain(network, images, 3, "gradcam")


def multi_label(network, images, classes):
    return [faithcam.explain(network, images, label, "gradcam")["gradcam"] for label in (1, 4, 5)]


def aopc(network, images, classes):
    return faithcam.evaluate(network, images, "gradcam", "aopc", bounds=(0, 1))


def max_sensitivity(network, images, classes):
    return faithcam.evaluate(network, images, "gradcam", "max_sensitivity", bounds=(0, 1))


def overlay(network, images, classes):
    maps = faithcam.explain(network, images, classes, "gradcam")["gradcam"]
    return faithcam.overlay(images[0], maps[0])


def road(network, images, classes):
    return faithcam.evaluate(network, images, "gradcam", "road", bounds=(0, 1))


def metrics_by_methods(network, images, classes):
    methods, metrics = ["gradcam", "hirescam"], ["aopc", "max_sensitivity"]
    return faithcam.evaluate(network, images, methods, metrics, bounds=(0, 1))
