"""Contributions of the parts of images to the score, network by network."""

import pandas as pd
import pyarrow as pa

from faithcam.statistics.settings import MODEL

DECOY = "decoy"
PARTS = ("lesion", "marker", "suppressor", DECOY)


def of_networks(part_shapley: pa.Table, models: pa.Table) -> pd.DataFrame:
    """Return a row per part of each included network with a Flatten head; decoys are one part.

    A planted part's contribution is its Shapley value, a decoy's the fall of the score when it is
    drawn again, over both of its textures. All explained images count.

    Args:
        part_shapley: rows of ``PART_SHAPLEY``.
        models: rows of ``MODELS``.

    Returns:
        The network's columns, ``part``, and over its images: ``size``, the mean absolute
        contribution of such a part; ``mean``, the mean contribution; ``strongest``, the share of
        images in which no part contributes more in absolute value than (one of) these.
    """
    included = models.filter(pa.compute.field("included")).select(MODEL).to_pandas()
    rows = part_shapley.to_pandas().merge(included, on=MODEL)
    rows = rows[rows["head"] == "flatten"].reset_index(drop=True)
    decoy = rows["part"].str.startswith(DECOY)
    value = rows["shapley"].where(~decoy, rows["leave_one_out"])
    rows = rows.assign(part=rows["part"].mask(decoy, DECOY), value=value, size=value.abs())
    image, part = [*MODEL, "image_id", "replicate"], [*MODEL, "part"]
    largest = rows.loc[rows.groupby(image)["size"].idxmax()]
    shares = largest.groupby(MODEL)["part"].value_counts(normalize=True).rename("strongest")
    means = rows.groupby(part)[["size", "value"]].mean().rename(columns={"value": "mean"})
    table: pd.DataFrame = means.join(shares).fillna({"strongest": 0.0}).reset_index()
    return table
