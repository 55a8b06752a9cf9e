"""The stored maps of a job's images."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from faithcam.core.errors import FaithcamError
from faithcam.core.explained import ExplainedScore
from faithcam.results import io as tables
from faithcam.results.files import remedy
from faithcam.running.shard import Batch, Shard


class StoredMaps:
    """The stored maps of a shard, by method, explained class and explained score.

    Args:
        shard: whose images' maps are kept.
        files: all methods' maps, in shards of any size that cover this one.
    """

    def __init__(self, shard: Shard, files: Sequence[str]) -> None:
        self._device, self._multi_label = shard.device, shard.multi_label
        self._arrays: dict[tuple[str, str, str], np.ndarray] = {}
        of_shard = pc.is_in(pc.field("image_id"), pa.array(shard.image_ids))
        table = pa.concat_tables([tables.read_of_network(path).filter(of_shard) for path in files])
        table = table.sort_by([("image_id", "ascending"), ("class", "ascending")])
        sides = [name for name in ("slices", "height", "width") if name in table.column_names]
        size = [table[name][0].as_py() for name in sides]
        for method in pc.unique(table["method"]).to_pylist():
            for explained_class in shard.explained_classes:
                for explained_score in shard.explained_scores:
                    part = table.filter(
                        (pc.field("method") == method)
                        & (pc.field("explained_class") == explained_class)
                        & (pc.field("explained_score") == explained_score)
                    )
                    if not np.array_equal(part["image_id"], shard.image_ids):
                        named = ", ".join(str(path) for path in files if f"/{method}/" in str(path))
                        raise FaithcamError(
                            f"{named or files}: maps of {method} of other images found, expected "
                            f"one of each image that is scored; {remedy(named or files[0])}"
                        )
                    stack = np.stack(part["map"].to_numpy())
                    self._arrays[method, explained_class, explained_score] = stack.reshape(
                        -1, *size
                    )

    def of(
        self, batch: Batch, method: str, explained_class: str, explained_score: ExplainedScore
    ) -> Tensor:
        """Return the raw maps of a batch, padded like it: (B, h, w) or (B, S, h, w).

        With several labels per image there is one map of each label, of its logit, whatever
        explained class and explained score are asked for: independent labels have no other.
        """
        if self._multi_label:
            explained_class, explained_score = "label", "logit"
        array = self._arrays[method, explained_class, explained_score][batch.rows]
        padding = len(batch.image_ids) - batch.count
        return torch.from_numpy(np.concatenate([array, array[-1:].repeat(padding, 0)])).to(
            self._device
        )
