"""Those of the ten jobs that pytorch-grad-cam does; it has neither AOPC nor Max-Sensitivity.

``None`` stands for the predicted classes, which are those to be explained.
"""


def resnet(network, images, classes):
    from pytorch_grad_cam import GradCAM

    return GradCAM(network, [network.layer4[-1]])(images, None)


def vgg16(network, images, classes):
    from pytorch_grad_cam import GradCAM

    return GradCAM(network, [network.features[-1]])(images, None)


def timm(network, images, classes):
    from pytorch_grad_cam import GradCAM

    return GradCAM(network, [network.blocks[-1]])(images, None)


def segmentation(network, images, classes):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import SemanticSegmentationTarget
    from torch import nn

    class Output(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            return self.network(images)["out"]

    masks = (Output()(images).argmax(1) == 3).numpy()
    targets = [SemanticSegmentationTarget(3, mask) for mask in masks]
    return GradCAM(Output(), [network.backbone.layer4])(images, targets)


def multi_label(network, images, classes):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    cam = GradCAM(network, [network.layer4[-1]])
    return [cam(images, [ClassifierOutputTarget(label)] * len(images)) for label in (1, 4, 5)]


def overlay(network, images, classes):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.image import show_cam_on_image

    maps = GradCAM(network, [network.layer4[-1]])(images, None)
    return show_cam_on_image(images[0].permute(1, 2, 0).numpy(), maps[0], use_rgb=True)


def road(network, images, classes):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    maps = GradCAM(network, [network.layer4[-1]])(images, None)
    targets = [ClassifierOutputSoftmaxTarget(int(c)) for c in classes]
    return ROADCombined()(images, maps, targets, network)


def metrics_by_methods(network, images, classes):
    from pytorch_grad_cam import GradCAM, HiResCAM
    from pytorch_grad_cam.metrics.cam_mult_image import CamMultImageConfidenceChange
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    targets = [ClassifierOutputSoftmaxTarget(int(c)) for c in classes]
    maps = {m: m(network, [network.layer4[-1]])(images, None) for m in (GradCAM, HiResCAM)}
    metrics = (ROADCombined(), CamMultImageConfidenceChange())
    return [metric(images, maps[m], targets, network) for metric in metrics for m in maps]
