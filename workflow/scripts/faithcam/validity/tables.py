"""The table of all specifications."""

from faithcam.results.io import REAL, TEXT, WHOLE, schema

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
