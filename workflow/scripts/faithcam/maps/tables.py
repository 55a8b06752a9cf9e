"""The tables of maps."""

import pyarrow as pa

from faithcam.results.io import NETWORK, REAL, TEXT, WHOLE, schema

MAPS = schema(
    *NETWORK,
    ("method", TEXT, "map method or baseline"),
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("explained_class", TEXT, "which class is explained: predicted or label"),
    ("explained_score", TEXT, "of which score: logit (y_c) or centred (y_c - mean_j y_j)"),
    ("class", WHOLE, "index of the class explained"),
    ("height", WHOLE, "rows of cells"),
    ("width", WHOLE, "columns of cells"),
    ("score", REAL, "the class score without its bias: what a complete map adds up to"),
    ("map", pa.list_(pa.float32()), "raw signed map, row by row, native resolution"),
)
VOLUME_MAPS = MAPS.insert(
    MAPS.get_field_index("height"),
    pa.field("slices", WHOLE, metadata={"meaning": "slices of cells"}),
)
COMPLETENESS = schema(
    *NETWORK,
    ("method", TEXT, "map method"),
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("class", WHOLE, "index of the class explained"),
    ("map_sum", REAL, "sum of the raw map over all cells, logit"),
    (
        "score_minus_bias",
        REAL,
        "y_c - b_c: what a complete map adds up to; head other: y_c - y_c(A = 0)",
    ),
)
