"""What a trained network says of images, read beside the weights that said it."""

from pathlib import Path

import pyarrow as pa

from faithcam.core.errors import FaithcamError
from faithcam.results import files
from faithcam.results import io as tables


def read(predictions: Path | str, weights: Path | str) -> pa.Table:
    """Return a network's predictions (``PREDICTIONS`` or ``MULTI_LABEL_PREDICTIONS``).

    Raises:
        FaithcamError: if they are not what was written, or of other weights.
    """
    table = tables.read(predictions)
    found = files.digest(files.verified(weights))
    for named in table["weights_sha256"].unique().to_pylist():
        if named != found:
            raise FaithcamError(
                f"{predictions}: predictions of weights with sha256 {named} found, but {weights} "
                f"has {found}; put back what was there, or delete {weights} and {predictions} and "
                "run again, which makes them anew"
            )
    return table
