"""Phantoms without a task are what they have always been, byte for byte."""

import hashlib
import json
from functools import partial

import pytest

from faithcam.core import seeding
from faithcam.data import prepare
from faithcam.data.phantoms import radiograph as phantom

IMAGES = {
    28: "965929c9cfe9ae94b38edbf4becd81308922728c448afa2d84581fb0e528a7f2",
    64: "c6db641374b0074be7cb487d6c5264daad2692ff63099828cdd6d29acd6cebae",
    224: "4c643fba1002097de0338e79868c1bb0be45393515a4fcf54757128ff04e0342",
}
PREPARED = {
    "images.npy": "3899c2de3ea056ab2b0f3c692b8ea20c9148695b28633d776c67ab432550559d",
    "masks.npy": "cd1dd9f7663d618a0995d008affded781b4c7e903f01949f6b6b7eaf9c3e1e82",
    "table.parquet": "be2941c301d7a93dd34bbc827ab5c488904fb0e7079adb3a922e647274486ed4",
}


@pytest.mark.parametrize("size", IMAGES)
def test_images_and_masks_are_unchanged(size):
    digest = hashlib.sha256()
    for label in range(3):
        for i in range(3):
            image, mask = phantom.image(partial(seeding.generator, 1, "test", i), label, size)
            digest.update(image.tobytes() + mask.tobytes())
    assert digest.hexdigest() == IMAGES[size]


def test_a_prepared_phantom_is_unchanged(tmp_path):
    definition = {"source": "phantom", "size": 32, "train": 6, "val": 3, "test": 3}
    prepare.prepare("phantom", definition, 1, [], tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["parts"] == PREPARED
    assert "seed" not in manifest
    assert "planted" not in manifest
