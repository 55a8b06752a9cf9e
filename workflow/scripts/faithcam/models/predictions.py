"""What a trained network says of images, read beside the weights that said it."""

from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from faithcam.core.errors import FaithcamError
from faithcam.core.identity import Identity
from faithcam.models import weights_header
from faithcam.results import files
from faithcam.results import io as tables


def read(
    predictions: Path | str, weights: Path | str, identity: Identity, manifest: str = ""
) -> pa.Table:
    """Return a network's predictions (``PREDICTIONS`` or ``MULTI_LABEL_PREDICTIONS``).

    Args:
        predictions: their file.
        weights: of the network.
        identity: of the network: its weights say whose they are.
        manifest: sha256 of the data set's manifest, if that is to be compared.

    Raises:
        FaithcamError: if they are not what was written, of another network's weights, or of other
            images.
    """
    table = tables.read(predictions)
    remedy = (
        f"put back what was there, or delete {weights} and {predictions} and run again, which "
        "makes them anew"
    )
    said = weights_header.network(files.verified(weights))
    if said and {key: said.get(key) for key in asdict(identity)} != asdict(identity):
        raise FaithcamError(
            f"{weights}: weights of {said.get('dataset')}/{said.get('architecture')}-"
            f"{said.get('head')}/seed{said.get('seed')} found, expected {identity}; {remedy}"
        )
    expected = {"weights_sha256": files.digest(weights)}
    expected |= {"manifest_sha256": manifest} if manifest else {}
    of = {"weights_sha256": str(weights), "manifest_sha256": "the manifest of its images"}
    for column, digest in expected.items():
        for named in table[column].unique().to_pylist():
            if named != digest:
                raise FaithcamError(
                    f"{predictions}: predictions with {column} {named} found, but {of[column]} "
                    f"has {digest}; {remedy}"
                )
    return table
