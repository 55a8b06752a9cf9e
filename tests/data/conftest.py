"""What tests of collections share."""

from dataclasses import replace

import pytest
from archives import Served
from npz_files import COUNTS
from served import server

from faithcam.data import medmnist


@pytest.fixture
def make(tmp_path, monkeypatch):
    content = {}
    with server(content) as address:
        yield lambda name: Served(name, address, content, tmp_path, monkeypatch)


@pytest.fixture
def few_images(monkeypatch):
    """MedMNIST's table expects as many images as ``arrays`` has; ``monkeypatch.undo`` ends it."""
    for flag in ("breastmnist", "pathmnist"):
        spec = replace(medmnist.FLAGS[flag], images=tuple(COUNTS.values()))
        monkeypatch.setitem(medmnist.FLAGS, flag, spec)
