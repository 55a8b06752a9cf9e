"""The tables of a prepared data set."""

import pyarrow as pa

from faithcam.results.io import FLAG, TEXT, WHOLE, schema

DATA_TABLE = schema(
    ("image_id", WHOLE, "row of the image in images.npy"),
    ("split", TEXT, "train, val or test"),
    ("label", WHOLE, "index into the manifest's classes"),
    ("group", TEXT, "patient or other group that may not cross splits"),
    ("name", TEXT, "where the image came from: file, or split[index]"),
    ("pixels_sha256", TEXT, "sha256 of the stored pixels"),
    ("has_mask", FLAG, "whether masks.npy has a non-empty mask"),
)
MULTI_LABEL_TABLE = pa.schema(
    [
        pa.field(
            "labels",
            pa.list_(WHOLE),
            metadata={"meaning": "indices into the manifest's classes, of those that are there"},
        )
        if field.name == "label"
        else field
        for field in DATA_TABLE
    ]
)
SUBGROUPS_OF_IMAGES = schema(
    ("image_id", WHOLE, "row of the image in images.npy"),
    ("column", TEXT, "column of the user's CSV that subgroups names"),
    ("group", TEXT, "its value"),
)
