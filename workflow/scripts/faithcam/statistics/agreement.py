"""Agreement of maps with the truth, network by network."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from faithcam.statistics.settings import MODEL, columns_of

METRIC = "truth_agreement"


def of_networks(scores: pa.Table, models: pa.Table) -> pd.DataFrame:
    """Return each included network's mean Spearman of its maps with the truth, per estimand.

    Images: the correctly classified ones whose status is ok; all of them for networks that are
    exempt from the filter on accuracy.

    Args:
        scores: rows of ``SCORES``; those of other metrics are left out.
        models: rows of ``MODELS``.

    Returns:
        A row per network, ``estimand`` and ``method``: ``agreement``, ``images``.
    """
    columns = [*MODEL, "setting", "method", "correct", "status", "value"]
    names = ["estimand", "method", "agreement", "images"]
    known = models.to_pylist()
    of = {tuple(row[name] for name in MODEL): row for row in known if row["included"]}
    frame = scores.filter(pc.equal(scores["metric"], METRIC)).select(columns).to_pandas()
    if frame.empty:
        return pd.DataFrame(columns=[*MODEL, *names])
    asked = columns_of(frame["setting"]).reindex(columns=["estimand", "measure", "half"])
    frame = frame.join(asked)
    keys = pd.Series(list(map(tuple, frame[MODEL].to_numpy())), frame.index, dtype=object)
    exempt = {key for key, row in of.items() if row.get("exempt")}
    used = (frame["status"] == "ok") & (frame["correct"] | keys.isin(exempt)) & keys.isin({*of})
    frame = frame[used & (frame["measure"] == "spearman") & frame["half"].isna()]
    groups = frame.groupby([*MODEL, "estimand", "method"])["value"]
    means: pd.DataFrame = groups.agg(agreement="mean", images="count").reset_index()
    return means
