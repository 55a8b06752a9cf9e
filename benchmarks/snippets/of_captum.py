"""Those of the ten jobs that captum does. It has neither AOPC nor ROAD."""


def resnet(network, images, classes):
    from captum.attr import LayerGradCam

    return LayerGradCam(network, network.layer4).attribute(images, classes)


def vgg16(network, images, classes):
    from captum.attr import LayerGradCam

    return LayerGradCam(network, network.features).attribute(images, classes)


def timm(network, images, classes):
    from captum.attr import LayerGradCam

    return LayerGradCam(network, network.blocks).attribute(images, classes)


def segmentation(network, images, classes):
    from captum.attr import LayerGradCam

    def summed(images):
        outputs = network(images)["out"]
        return (outputs[:, 3] * (outputs.argmax(1) == 3)).sum((1, 2))

    return LayerGradCam(summed, network.backbone.layer4).attribute(images)


def multi_label(network, images, classes):
    from captum.attr import LayerGradCam

    cam = LayerGradCam(network, network.layer4)
    return [cam.attribute(images, label) for label in (1, 4, 5)]


def max_sensitivity(network, images, classes):
    from captum.attr import LayerGradCam
    from captum.metrics import sensitivity_max

    cam = LayerGradCam(network, network.layer4)
    return sensitivity_max(lambda x, target: (cam.attribute(x, target),), images, target=classes)


def overlay(network, images, classes):
    from captum.attr import LayerAttribution, LayerGradCam
    from captum.attr import visualization as pictures

    maps = LayerGradCam(network, network.layer4).attribute(images, classes)
    large = LayerAttribution.interpolate(maps, images.shape[2:], "bilinear")
    first, image = (x[0].permute(1, 2, 0).detach().numpy() for x in (large, images))
    return pictures.visualize_image_attr(first, image, "blended_heat_map", use_pyplot=False)[0]


def metrics_by_methods(network, images, classes):
    from functools import partial

    import torch
    from captum.attr import LayerAttribution, LayerGradCam, LayerGradientXActivation
    from captum.metrics import infidelity, infidelity_perturb_func_decorator, sensitivity_max

    def explained(x, target, method):
        return (method(network, network.layer4).attribute(x, target),)

    methods = (LayerGradCam, LayerGradientXActivation)
    noisy = infidelity_perturb_func_decorator(True)(lambda x: x + 0.1 * torch.randn_like(x))
    maps = [explained(images, classes, method)[0].sum(1, keepdim=True) for method in methods]
    large = [LayerAttribution.interpolate(each, (64, 64)).repeat(1, 3, 1, 1) for each in maps]
    moved = [sensitivity_max(partial(explained, method=m), images, target=classes) for m in methods]
    return moved, [infidelity(network, noisy, images, each, target=classes) for each in large]
