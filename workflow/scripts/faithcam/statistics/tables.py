"""The table of comparisons."""

from faithcam.results.io import EVALUATION, FLAG, HEADS, REAL, TEXT, WHOLE, schema

STATISTICS = schema(
    ("dataset", TEXT, "name of the data set"),
    ("architecture", TEXT, "name of the network, or all"),
    ("head", TEXT, HEADS),
    ("seed", TEXT, "training seed of a within-model row, else all"),
    *EVALUATION,
    ("method_a", TEXT, "the difference is method_a - method_b"),
    ("method_b", TEXT, "the method compared with"),
    ("level", TEXT, "unit of inference: model or image"),
    ("n", WHOLE, "number of units: networks, seeds or images"),
    ("estimate", REAL, "mean paired difference, or as effect_name says"),
    ("low", REAL, "lower end of the interval (statistics.confidence)"),
    ("high", REAL, "upper end of the interval (statistics.confidence)"),
    ("test", TEXT, "name of the test"),
    ("p", REAL, "two-sided p-value"),
    ("p_holm", REAL, "p after Holm over the primary family of the data set; NaN elsewhere"),
    ("effect", REAL, "effect size, or as effect_name says"),
    ("effect_name", TEXT, "which effect size, or what the row is"),
    (
        "floor",
        REAL,
        "noise floor: how far the estimate moves when only the noise replicate changes, 95 % "
        "quantile; NaN where no second noise replicate was computed",
    ),
    (
        "primary",
        FLAG,
        "true in the Holm family: HiResCAM - Grad-CAM over all Flatten networks, primary setting",
    ),
)
AGREEMENT = schema(
    ("dataset", TEXT, "name of the data set"),
    ("networks", TEXT, "overlapping; patches: a cell sees its own pixels alone; or other heads"),
    ("estimand", TEXT, "name of the truth"),
    ("measure", TEXT, "spearman, pearson or top10"),
    ("method_a", TEXT, "the map; of a difference the first one"),
    ("method_b", TEXT, "the map compared with, if any"),
    (
        "unit",
        TEXT,
        "networks, or seeds where each draws its own images; of a network that is alone on its "
        "data set images, or groups of images (patients) where they are known",
    ),
    ("n", WHOLE, "number of units"),
    ("estimate", REAL, "mean over units of the mean over images"),
    ("low", REAL, "lower end of the t interval over units (statistics.confidence)"),
    ("high", REAL, "upper end of the t interval over units"),
    ("p", REAL, "of a difference: two-sided, sign flip over units; else NaN"),
    ("images", WHOLE, "images asked about, of all networks"),
    ("unresolved", WHOLE, "of these, images whose truth is not reliable enough: left out"),
    ("law", FLAG, "whether it follows from the definitions, so that it is no evidence"),
)
AGREEMENT_KEY = AGREEMENT.names[:6]
SUBGROUPS = schema(
    ("dataset", TEXT, "name of the data set"),
    ("head", TEXT, HEADS),
    *EVALUATION,
    ("column", TEXT, "class, or a column of the CSV that subgroups names"),
    ("group", TEXT, "index into the manifest's classes, or the column's value"),
    ("n", WHOLE, "networks, or seeds where each draws its own images"),
    ("images", WHOLE, "images of the group that count in any network"),
    ("estimate", REAL, "HiResCAM - Grad-CAM, mean over units; positive is better for HiResCAM"),
    ("low", REAL, "lower end of the t interval over units (statistics.confidence)"),
    ("high", REAL, "upper end of the t interval over units"),
)
SUBGROUPS_KEY = SUBGROUPS.names[:7]
