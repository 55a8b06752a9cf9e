"""The tables of judgments."""

from faithcam.results.io import REAL, TEXT, WHOLE, schema

VALIDITY = schema(
    ("dataset", TEXT, "name of the data set, or all"),
    ("protocol", TEXT, "thesis (as published) or strict"),
    ("metric", TEXT, "the metric that is judged: aopc, max_sensitivity or haas"),
    ("setting", TEXT, "of the metric, or of the scores that the row is made of"),
    ("control", TEXT, "name of the control; verdict: what all of them say together"),
    ("prediction", TEXT, "what a metric of faithfulness does"),
    ("role", TEXT, "required, control, positive or descriptive; the verdict's is verdict"),
    ("n", WHOLE, "number of units; of comparisons where a law is exact"),
    ("estimate", REAL, "what the prediction is about, oriented so that larger is better"),
    ("low", REAL, "lower end of the t interval over units"),
    ("high", REAL, "upper end of the t interval over units"),
    (
        "floor",
        REAL,
        "95 % quantile of the estimate's change with the noise replicate; NaN: no replicate",
    ),
    ("threshold", REAL, "number that the outcome was decided by"),
    (
        "outcome",
        TEXT,
        "pass, fail, inconclusive, reported; of a verdict: valid, not valid, inconclusive",
    ),
    ("reason", TEXT, "why this outcome"),
)
VALIDITY_KEY = ("dataset", "protocol", "metric", "control", "setting")
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
