"""What the package offers to code of one's own, and how light it is to import."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import faithcam
from faithcam.core.errors import FaithcamError
from faithcam.models.torchvision_nets import import_torchvision

PACKAGE = Path(faithcam.__file__).parent


def in_python(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return done.stdout.split()


def test_all_names_are_there_and_no_others_are_listed():
    assert dir(faithcam) == sorted([*faithcam.__all__, "__version__"])
    for name in faithcam.__all__:
        assert getattr(faithcam, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        faithcam.nothing  # noqa: B018


def test_the_names_that_type_checkers_see_are_those():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body
        for alias in node.names
    }
    assert seen == {name: f"faithcam.{place}" for name, place in faithcam._PLACES.items()}


def test_nothing_heavy_is_imported_until_it_is_used():
    heavy = {"torch", "scipy", "pandas", "pyarrow", "matplotlib"}
    code = f"import sys, faithcam; faithcam.METHODS; print(*({heavy} & {{*sys.modules}}))"
    assert in_python(code) == []


def test_what_there_is_is_printed():
    done = subprocess.run(
        [sys.executable, "-m", "faithcam"], capture_output=True, text=True, check=True,
        cwd=PACKAGE.parent,
    )  # fmt: skip
    for name in (faithcam.__version__, "explain", "hirescam", "aopc", "resnet_small"):
        assert name in done.stdout


@pytest.mark.parametrize(
    "module",
    ["models.splitting", "library.explaining", "library.evaluating", "library.pictures"],
)
def test_examples_run_as_they_stand(module):
    import_torchvision()
    result = doctest.testmod(importlib.import_module(f"faithcam.{module}"))
    assert result.attempted > 0
    assert result.failed == 0


# --- pictures -------------------------------------------------------------------------------------


def test_an_overlay_is_brightest_where_the_map_is_largest():
    raw = torch.tensor([[4.0, -4.0], [0.0, 0.0]])
    image = torch.full((1, 32, 32), 0.5)
    picture = faithcam.overlay(image, raw, bounds=(0, 1))
    assert (picture.shape, picture.dtype) == ((32, 32, 3), np.uint8)
    assert (picture[24:] == 128).all()  # no map, no colour
    assert (picture[:6, 26:] == 128).all()  # what speaks against the class is not shown
    assert picture[0, 0].astype(int).sum() > 3 * 128
    signed = faithcam.overlay(image, raw, bounds=(0, 1), signed=True).astype(int)
    assert signed[0, 0, 0] > signed[0, 0, 2]  # red for the class
    assert signed[0, 31, 2] > signed[0, 31, 0]  # blue against it


def test_without_strength_the_image_alone():
    image = torch.arange(3 * 64.0).view(3, 8, 8)
    picture = faithcam.overlay(image, torch.ones(2, 2).cumsum(0), strength=0)
    expected = (255 * image / 191 + 0.5).to(torch.uint8).permute(1, 2, 0)
    assert (picture == expected.numpy()).all()


def test_a_figure_has_a_row_per_image_and_a_column_per_map():
    x = torch.rand(2, 3, 16, 16)
    figure = faithcam.show(x, {"one": torch.rand(2, 4, 4), "two": torch.rand(2, 4, 4)})
    assert figure._repr_png_()[:4] == b"\x89PNG"  # a notebook asks for it
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes[:3]] == ["image", "one", "two"]
    assert len(faithcam.show(x[0], torch.rand(4, 4)).axes) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: faithcam.overlay(torch.rand(2, 8, 8), torch.rand(2, 2)), "image: .2, 8, 8. found"),
        (lambda: faithcam.overlay(torch.rand(3, 8, 8), torch.rand(1, 2, 2)), "map: .1, 2, 2. foun"),
        (lambda: faithcam.show(torch.rand(2, 3, 8, 8), torch.rand(1, 2, 2)), "maps: map has 1"),
    ],
)
def test_what_is_no_picture_is_named(call, message):
    with pytest.raises(FaithcamError, match=message):
        call()
