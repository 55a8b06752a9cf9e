"""The tables of concordance, of verdicts, and of all specifications."""

import pyarrow as pa

from faithcam.results.io import EVALUATION, FLAG, NETWORK, REAL, TEXT, WHOLE, schema
from faithcam.validity.concordance import BINS
from faithcam.validity.verdict import FAMILIES


def gap_columns() -> list[str]:
    """Return the names of the columns of C by |dq|, one per bin: ``c_005`` from .05 on."""
    return [f"c_{round(100 * low):03d}" for low in BINS[:-1]]


CONCORDANCE = schema(
    *NETWORK,
    *EVALUATION,
    ("family", TEXT, "of the candidates: damaged (the truth, rearranged) or methods (maps)"),
    ("estimand", TEXT, "name of the truth"),
    (
        "concordance",
        REAL,
        "share of the pairs in which the metric prefers the map nearer to the truth, ties 1/2; "
        "mean over images",
    ),
    ("low", REAL, "lower end of its t interval over images"),
    ("high", REAL, "upper end of its t interval over images"),
    ("pairs", WHOLE, "how many pairs of candidates count"),
    ("tied", REAL, "share of them that the metric cannot tell apart"),
    ("undefined", REAL, "share of the pairs asked about where the metric has no value"),
    ("floor", REAL, "concordance of the best blind metric on the same candidates"),
    ("floor_metric", TEXT, "kind of that blind metric"),
    ("images", WHOLE, "how many images have pairs"),
    ("own_reference", FLAG, "whether the metric removes with the estimand's own reference"),
    *(
        (name, REAL, f"concordance of the pairs whose q differ by {low:g} to {high:g}")
        for name, low, high in zip(gap_columns(), BINS, BINS[1:], strict=False)
    ),
)
CONCORDANCE_KEY = (
    *(name for name, *_ in NETWORK),
    *(name for name, *_ in EVALUATION),
    "family",
    "estimand",
)


def _of_family(family: str) -> list[tuple[str, pa.DataType, str]]:
    texts = {
        "concordance": "C, mean over networks (all: over data sets)",
        "floor": "C of each network's best blind metric, mean alike",
        "difference": "C - floor (all: random-effects mean)",
        "low": "lower end of the difference, Holm-adjusted",
        "high": "upper end of the difference, Holm-adjusted",
        "level": "two-sided confidence of these ends",
        "tied": "share of the pairs that are ties",
        "i_squared": "all: share of the differences' spread that is between data sets",
        "prediction_low": "all: where another data set's difference is expected, lower end",
        "prediction_high": "all: the same, upper end",
    }
    return [
        (f"{family}_{name}", REAL, f"{family}: {text}; NaN where there is none")
        for name, text in texts.items()
    ]


VERDICTS = schema(
    ("dataset", TEXT, "name of the data set, or all"),
    *EVALUATION,
    ("estimand", TEXT, "name of the truth"),
    (
        "word",
        TEXT,
        "usable, no better than blind, undecided, no information, too few networks, own reference; "
        "all: confirmed or not confirmed where chosen, else empty",
    ),
    ("scope", TEXT, "what the word is about: these networks, this network or data sets"),
    ("reason", TEXT, "why this word"),
    ("networks", WHOLE, "units: networks, images of a network alone, or data sets (all)"),
    ("own_reference", FLAG, "whether the metric removes with the estimand's own reference"),
    ("lowest", REAL, "smallest C over estimands and families, without the own reference"),
    ("recommended", FLAG, "whether the evaluation is the recommended one"),
    ("in_confidence_set", FLAG, "whether its distance from the best one is not established"),
    *(column for family in FAMILIES for column in _of_family(family)),
)
VERDICTS_KEY = ("dataset", "protocol", "metric", "setting", "estimand")
MULTIVERSE = schema(
    ("dataset", TEXT, "name of the data set"),
    ("metric", TEXT, "aopc, max_sensitivity or haas"),
    ("specification", TEXT, "the declared factors, sorted key=value pairs joined by ';'"),
    ("n", WHOLE, "number of units"),
    ("estimate", REAL, "mean of HiResCAM - Grad-CAM, oriented so that larger is better"),
    ("low", REAL, "lower end of the t interval over units"),
    ("high", REAL, "upper end of the t interval over units"),
    (
        "floor",
        REAL,
        "95 % quantile of the estimate's change with the noise replicate; NaN: no replicate",
    ),
    ("outcome", TEXT, "win, within floor (or the interval holds 0) or loss, for HiResCAM"),
)
MULTIVERSE_KEY = ("dataset", "metric", "specification")
