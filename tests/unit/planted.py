"""A shard whose images have planted parts and decoys, made of noise."""

from dataclasses import replace

import numpy as np
from test_shard import make_shard

PARTS = ("lesion", "marker", "suppressor")
DECOYS = 3
FULL = 2 ** len(PARTS) - 1


def planted_shard(absent=(), **options):
    """Return the shard of ``make_shard`` with parts; ``absent``: (image, part or decoy) pairs."""
    shard = make_shard(**options)
    random = np.random.default_rng(1)
    data, test = shard.dataset, shard.dataset.split("test")
    count, size = len(test), data.size
    masks = np.zeros((count, len(PARTS) + DECOYS, size, size), np.uint8)
    for i in range(masks.shape[1]):
        masks[:, i, 2 * i : 2 * i + 2, i : i + 3 + i] = 1
    renderings = random.integers(
        0, 256, (count, 2 ** len(PARTS) + 2 * DECOYS, size, size, data.channels), np.uint8
    )
    renderings[:, FULL] = data.images[test]
    for image, part in absent:
        masks[image, part] = 0
        if part < len(PARTS):  # no rendering has it
            for s in range(FULL + 1):
                renderings[image, s | 1 << part] = renderings[image, s & ~(1 << part)]
            renderings[image, FULL & ~(1 << part)] = renderings[image, FULL] = data.images[image]
    data = replace(
        data,
        images=data.images[test],
        image_ids=test,
        labels=data.labels[test],
        splits=data.splits[test],
        masks=masks[:, 0],
        parts=PARTS,
        decoys=DECOYS,
        part_masks=masks,
        renderings=renderings,
    )
    return replace(shard, dataset=data)


class GivenMaps:
    """Maps of one method by image, as ``ShardMaps`` gives them; the logit's are upside down."""

    def __init__(self, raw, method="given"):
        self.raw, self.methods = {"centred": raw, "logit": -raw}, [method]

    def of(self, batch, method, target, gauge):
        assert target == "predicted"
        return self.raw[gauge][batch.image_ids]
