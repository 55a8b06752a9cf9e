"""The registry: a family is one file; networks of timm are measured once."""

import importlib
import re
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from faithcam.core import registry as registries
from faithcam.core.errors import FaithcamError
from faithcam.experiment import axes
from faithcam.models import facts, measure, registry, timm_nets
from faithcam.models.architecture import Architecture
from faithcam.models.families import small
from faithcam.models.families import timm as timm_family
from faithcam.running import measuring

FAMILY = """
from faithcam.models.architecture import Architecture

ARCHITECTURES = {{{name!r}: Architecture(64, 8, True, 2_412, 72_304, -3.5)}}


def features(architecture):
    from faithcam.models.families import small

    return small.vgg_small()
"""


@pytest.fixture
def families(tmp_path, monkeypatch):
    """An empty folder of families, and the name of its package."""
    folder = tmp_path / f"families_{tmp_path.name}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder, folder.name


def collected(package, lacking=None):
    return registries.collect(package, "ARCHITECTURES", Architecture, "mend it", lacking)


def write(folder, file, text):
    (folder / file).write_text(text)
    importlib.invalidate_caches()


# --- families -----------------------------------------------------------------------
def test_names_sizes_and_downloads_need_no_torch():
    code = (
        "import sys, faithcam.models.registry, faithcam.models.fetching, faithcam.models.evaluate;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_a_file_more_is_a_network_more(families):
    folder, package = families
    write(folder, "b.py", FAMILY.format(name="second"))
    write(folder, "a.py", "import torch\n" + FAMILY.format(name="first"))
    actual = collected(package)
    assert list(actual) == ["first", "second"]
    assert actual["second"].file == folder / "b.py"
    assert actual["second"].value.cells(28) == 4
    with torch.no_grad():
        assert actual["first"].module.features("first")(torch.zeros(1, 3, 28, 28)).shape == (
            1,
            64,
            4,
            4,
        )


def test_a_file_that_lacks_a_library_is_named_where_its_network_is_wanted(families, monkeypatch):
    folder, package = families
    write(folder, "mine.py", "import not_installed\n" + FAMILY.format(name="mine"))
    lacking = []
    assert not collected(package, lacking)
    monkeypatch.setattr(registry, "_LACKING", lacking)
    with pytest.raises(FaithcamError, match=r"mine\.py cannot be imported .*not_installed"):
        registry.find("mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FAMILY.format(name="a-b"), "b.py: 'a-b' found in ARCHITECTURES, expected letters"),
        (FAMILY.format(name="taken"), r"b\.py: ARCHITECTURES names taken, as .*a\.py does"),
        (
            "ARCHITECTURES = {'b': 64}\n",
            "b.py: ARCHITECTURES is int for b, expected Arch",
        ),
        ("ARCHITECTURES = {'b': 1 / 0}\n", r"b\.py: cannot be imported .ZeroDivisionError"),
        ("VALUE = 1\n", r"b\.py: ARCHITECTURES is missing, expected Architecture"),
        ("ARCHITECTURES = {\n", r"b\.py: cannot be imported .SyntaxError"),
    ],
)
def test_a_wrong_family_is_named(families, text, message):
    folder, package = families
    write(folder, "a.py", FAMILY.format(name="taken"))
    write(folder, "b.py", text)
    with pytest.raises(FaithcamError, match=message):
        collected(package)


def test_every_architecture_is_in_the_file_that_builds_it():
    assert [file.name for file in registry.files("densenet169")] == ["densenet.py"]
    assert [file.name for file in registry.files("resnet34_thesis")] == ["resnet.py"]
    with pytest.raises(FaithcamError, match="'alexnet' is unknown"):
        registry.files("alexnet")


@pytest.mark.parametrize(
    ("spec", "cells", "smallest"),
    [
        (Architecture(1, 32, True, 1, 1), {32: 1, 33: 2, 224: 7, 225: 8}, 97),
        (Architecture(1, 32, False, 1, 1), {63: 1, 64: 2, 224: 7}, 128),
        (Architecture(1, 32, True, 1, 1, pooled=8), {28: 0, 29: 1, 92: 2, 93: 3, 224: 7}, 125),
    ],
)
def test_the_rules_of_rounding(spec, cells, smallest):
    assert {size: spec.cells(size) for size in cells} == cells
    assert spec.smallest_size() == smallest
    assert spec.cells(smallest) == 4 > spec.cells(smallest - 1)


# --- measured facts -----------------------------------------------------------------
@pytest.mark.parametrize(
    "architecture",
    [
        *("resnet_small", "vgg_small", *small.BESIDE, "resnet18", "vgg11"),
        *("densenet121", "efficientnet_b0", "mobilenet_v3_small"),
    ],
)
def test_what_is_measured_is_what_the_registry_says(architecture):
    expected = replace(
        registry.ARCHITECTURES[architecture], patches=False, imagenet=None, field=0, windows=1.0
    )
    assert measure.measure(registry.features(architecture)) == expected


@pytest.mark.parametrize(
    ("architecture", "spec"),
    [(name, spec) for name, spec in registry.ARCHITECTURES.items() if spec.field],
)
def test_the_field_is_what_a_cell_depends_on(architecture, spec):
    features = registry.features(architecture).eval()
    for weight in features.parameters():
        weight.data.abs_()  # all that is positive stays so: no ReLU hides a pixel
    side = (spec.field // spec.stride + 4) * spec.stride
    images = torch.rand(1, 3, side, side, requires_grad=True)
    A = features(images)
    A[0, :, A.shape[2] // 2, A.shape[3] // 2].sum().backward()
    seen = images.grad.abs().sum((0, 1)) > 0
    rows, columns = (seen.any(axis).nonzero().flatten() for axis in (1, 0))
    assert rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1 == spec.field


class Attention(nn.Conv2d):
    """A layer with a transformer's name."""


class Fixed(nn.Module):
    def forward(self, images):
        assert images.shape[2:] == (224, 224), "wrong height"
        return images


class Turned(nn.Module):
    """Cells last, as Swin transformers have them."""

    def forward(self, images):
        return nn.functional.avg_pool2d(images, 4).permute(0, 2, 3, 1)


class Constant(nn.Module):
    """Looks at no pixel."""

    def forward(self, images):
        return nn.functional.avg_pool2d(images * 0 + 1, 4)


class Branches(nn.Module):
    """A ResNet-D's: one centres its cells on every second pixel, one between two pixels.

    The first starts at zero.
    """

    def __init__(self):
        super().__init__()
        self.main = nn.Conv2d(3, 3, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        nn.init.zeros_(self.norm.weight)
        self.skip = nn.AvgPool2d(2, 2, ceil_mode=True)

    def forward(self, images):
        return self.norm(self.main(images)) + self.skip(images)


class Conv2dSame(nn.Conv2d):
    """TensorFlow's padding of a stride of 2: a pixel on the left only if their number is odd."""

    def forward(self, images):
        height, width = (n % 2 for n in images.shape[2:])
        return super().forward(nn.functional.pad(images, (width, 1, height, 1)))


def test_cells_without_one_centre_have_no_offset():
    assert measure.measure(Branches()) == Architecture(3, 2, True, 20, 87)
    assert measure.measure(nn.Conv2d(3, 8, 3, 2, 1)).offset == -0.5
    assert measure.measure(Conv2dSame(3, 8, 3, 2)).offset == 0


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (Attention(3, 8, 4, 4), "net: a layer Attention found, so it is a transformer"),
        (nn.Flatten(2), r"net: A of shape \(2, 3, 16384\) found, expected a map of cells"),
        (nn.LSTM(64, 4), "net: does not take images of 128 x 128 px"),
        (Fixed(), "net: does not take images of 128 x 128 px .wrong height"),
        (nn.AdaptiveAvgPool2d(7), "net: 7 cells found across 512 px and 7 across 1024"),
        (Turned(), "net: 3 cells found across 512 px"),
        (nn.Conv2d(3, 8, 5, 4), r"net: .* cells found at these widths"),
        (Constant(), r"net: the cells of images of \[24, .*\] px are those of the mirrored image"),
    ],
)
def test_what_is_no_map_of_a_convolutional_network_is_refused(features, message):
    with pytest.raises(FaithcamError, match=message):
        measure.measure(features, "net")


# --- timm ---------------------------------------------------------------------------
class Small(nn.Module):
    """A network with the interface of timm's."""

    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.Hardswish()]
        self.stem = nn.Sequential(*layers)
        self.head = nn.Identity()

    def forward_features(self, x):
        return self.stem(x)


def create_model(name, pretrained, num_classes):
    if name != "small.in1k":
        raise RuntimeError(f"Unknown model ({name})")
    assert (pretrained, num_classes) == (False, 0)
    return Small()


@pytest.fixture
def timm(monkeypatch):
    """A timm that knows one small network."""
    module = types.ModuleType("timm")
    module.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", module)
    for user in (measuring, timm_nets):
        monkeypatch.setattr(user, "version", lambda _: "1.2.3")


def test_a_measured_network_is_one_like_others(timm, tmp_path, monkeypatch):
    path = measuring.of_timm("timm:small.in1k", tmp_path)
    assert path == tmp_path / "timm_small_in1k.yaml"
    before = path.read_bytes()
    measuring.of_timm("timm:small.in1k", tmp_path)
    assert path.read_bytes() == before
    name, spec = facts.read(path).name, facts.read(path).spec
    assert name == "timm:small.in1k"
    # 3 x 8 x 9 weights at a quarter of the pixels, 8 x 16 x 9 at a sixteenth
    assert spec == Architecture(16, 4, True, 54 + 72, 224 + 1168, -1.5)
    family = Path(timm_family.__file__)
    monkeypatch.setattr(timm_family, "FOLDER", tmp_path)
    declared = registries.Declared(spec, timm_family, family)
    monkeypatch.setitem(registry.ARCHITECTURES.declared, path.stem, declared)
    monkeypatch.setitem(registry.ARCHITECTURES, path.stem, spec)
    assert registry.files("timm_small_in1k") == [family, path]
    assert registry.check("timm:small.in1k", 28) == spec
    model = registry.build("timm_small_in1k", "flatten", 2, 28)
    assert model(torch.zeros(1, 3, 28, 28)).shape == (1, 2)
    config = {"datasets": ["d"], "architectures": ["timm:small.in1k"], "heads": ["gap"]}
    config |= {"seeds": [0], "gap_twins": "all", "dataset_definitions": {"d": {}}}
    assert axes.planned(config) == [("d", "timm_small_in1k", "gap", 0)]


def test_what_cannot_be_declared_is_said(timm, tmp_path, capsys):
    with pytest.raises(FaithcamError, match=r"timm:big cannot be made by timm 1\.2\.3: Unknown"):
        measuring.of_timm("timm:big", tmp_path)
    path = tmp_path / "timm_small_in1k.yaml"
    path.write_text(MEASURED.replace("small.in1k", "small-in1k"))
    with pytest.raises(FaithcamError, match=r"is of another network than timm:small\.in1k"):
        measuring.of_timm("timm:small.in1k", tmp_path)
    assert [*tmp_path.iterdir()] == [path]
    assert measuring.main([]) == measuring.main(["big"]) == measuring.main(["timm:big"]) == 1
    said = capsys.readouterr().err
    assert "error: NAME: missing" in said
    assert "NAME: big found, expected timm:NAME or MODULE:FUNCTION" in said


MEASURED = """
name: timm:small.in1k
channels: 16
stride: 4
rounds_up: true
multiply_adds: 126
parameters: 1392
offset: -1.5
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "cannot be read as YAML: "),
        ("small.in1k", "str found, expected keys and values"),
        (MEASURED.replace("stride: 4\n", ""), "stride is missing"),
        (MEASURED + "strides: 4\n", "strides is unknown, expected one of name, code, channels, "),
        (MEASURED + "imagenet: [a, b]\n", "imagenet is unknown"),
        (MEASURED.replace("16", "16.5"), "channels: 16.5 found, expected int"),
        (MEASURED.replace("16", "true"), "channels: True found, expected int"),
        (MEASURED.replace("true", "1"), "rounds_up: 1 found, expected bool"),
        (MEASURED.replace("small.in1k", "b"), "name: timm:b found, whose file is timm_b.yaml"),
    ],
)
def test_facts_that_cannot_be_used_are_named(tmp_path, text, message):
    file = tmp_path / "timm_small_in1k.yaml"
    file.write_text(MEASURED)
    spec = Architecture(16, 4, True, 126, 1392, -1.5)
    assert facts.read(file) == facts.Facts("timm:small.in1k", spec)
    file.write_text(text)
    with pytest.raises(FaithcamError, match=re.escape(f"{file}: ") + ".*" + re.escape(message)):
        facts.read(file)


def test_a_network_of_timm_that_was_not_measured_names_the_command():
    with pytest.raises(FaithcamError, match=r"timm:unheard_of\.3 has not been measured yet; run"):
        registry.check("timm:unheard_of.3", 64)


def test_without_timm_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(FaithcamError, match=r"timm cannot be imported .*requirements-timm\.txt"):
        timm_nets.Features("resnet26")


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("resnet10t", (512, 32, True, 0.0, 1, True)),
        ("resnet18", (512, 32, True, -15.5, 1, True)),
        ("tf_mobilenetv3_small_minimal_100", (576, 32, True, 0.0, 1, True)),
        ("mobilenetv3_small_050", (288, 32, True, -15.5, 1, False)),
        ("convnext_atto", (320, 32, False, 0.0, 1, False)),
    ],
)
def test_networks_of_timm_itself(name, spec):
    timm_nets.import_torchvision()
    pytest.importorskip("timm")
    actual = measure.measure(timm_nets.Features(name))
    fields = ("channels", "stride", "rounds_up", "offset", "pooled")
    assert tuple(getattr(actual, field) for field in fields) == spec


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "mobilevit_xxs", "swin_tiny_patch4_window7_224"]
)
def test_networks_of_timm_that_are_refused(name):
    timm_nets.import_torchvision()
    pytest.importorskip("timm")
    with pytest.raises(FaithcamError, match=r"a layer \w*(Attention|Transformer)\w* found"):
        measure.measure(timm_nets.Features(name))
