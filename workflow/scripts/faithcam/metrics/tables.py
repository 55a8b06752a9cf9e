"""The tables of what is scored, and of scores."""

import pyarrow as pa

from faithcam.results.io import EVALUATION, FLAG, IDENTITY, NETWORK, REAL, TEXT, WHOLE, schema

SCORES = schema(
    *NETWORK,
    *EVALUATION,
    ("method", TEXT, "map method, baseline or null"),
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("label", WHOLE, "true class"),
    ("predicted", WHOLE, "class predicted from the clean image"),
    ("correct", FLAG, "label == predicted"),
    ("value", REAL, "the image's score; NaN unless the status allows one"),
    ("status", TEXT, "ok, blank_map, undefined or empty_mask"),
)
SCORES_KEY = (*IDENTITY, "protocol", "metric", "setting", "method", "image_id", "label")
EVALUATIONS = schema(
    *(column for column in NETWORK if column[0] != "seed"),
    *EVALUATION,
    ("role", TEXT, "primary, variant, replicate (of the noise) or fact (no score to compare)"),
    ("replicate_of", TEXT, "setting of the first draw of the noise; empty but for replicates"),
    ("methods", pa.list_(TEXT), "map methods, baselines or nulls that have rows in scores"),
    ("passes", REAL, "forward passes per image that its scores are made from"),
    ("title", TEXT, "the metric's name in texts and figures"),
    ("larger_is_better", FLAG, "whether a larger score is better in this setting"),
    ("lowest", REAL, "smallest score that the metric can have in its primary setting"),
    ("highest", REAL, "largest score that the metric can have in its primary setting"),
    ("compared", FLAG, "whether the metric's methods are compared (statistics)"),
    ("judged", FLAG, "whether it stands for the metric where metrics are judged"),
    ("published", FLAG, "whether the published study compared maps by the metric"),
    ("reference", TEXT, "what removed pixels show; empty where nothing is removed"),
    ("binary", FLAG, "whether an image's score is 0 or 1"),
    ("all_images", FLAG, "whether wrongly classified images count in means"),
    ("drawn_per_network", FLAG, "whether one draw of the noise moves all images of a network"),
    ("needs_masks", FLAG, "whether the metric looks for what a mask marks"),
)
EVALUATIONS_KEY = ("dataset", "architecture", "head", "protocol", "metric", "setting")
CURVES = schema(
    *NETWORK,
    *EVALUATION,
    ("method", TEXT, "map method"),
    ("step", WHOLE, "number of regions removed"),
    ("mean", REAL, "mean of f(x0) - f(xk) over the protocol's images"),
    ("images", WHOLE, "how many images the mean is over"),
)
IMAGE_CURVES = schema(
    *NETWORK,
    ("protocol", TEXT, "thesis or strict"),
    ("setting", TEXT, "as in scores"),
    ("method", TEXT, "map method"),
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("label", WHOLE, "true class; where an image has several, the one explained"),
    ("correct", FLAG, "label == predicted"),
    ("status", TEXT, "ok, blank_map or undefined"),
    ("drop", pa.list_(pa.float32()), "f(x0) - f(xk) for k = 0 .. L"),
)
IMAGE_CURVES_KEY = (*IDENTITY, "protocol", "setting", "method", "image_id", "label")
PART_SHAPLEY = schema(
    *NETWORK,
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("part", TEXT, "planted part, or decoy with its number"),
    ("replicate", WHOLE, "texture of the re-drawn decoys: 0 or 1"),
    ("area", WHOLE, "pixels of the part"),
    ("shapley", REAL, "exact Shapley value on the centred logit; NaN for decoys"),
    ("leave_one_out", REAL, "fall of the centred logit when the part alone is taken away"),
    ("add_one_in", REAL, "rise of the centred logit when the part alone is there; NaN for decoys"),
    ("interaction", REAL, "leave_one_out - add_one_in; NaN for decoys"),
    ("consistent", FLAG, "whether the three values order the image's planted parts alike"),
)
PART_SHAPLEY_KEY = (*IDENTITY, "image_id", "part", "replicate")
