"""The tables of what cells contribute."""

import pyarrow as pa

from faithcam.results.io import FLAG, IDENTITY, NETWORK, REAL, TEXT, WHOLE, schema

VALUES = pa.list_(pa.float64())
IMAGE = (
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("class", WHOLE, "class whose score is explained"),
    ("estimand", TEXT, "what an absent cell shows instead"),
)
TRUTH = schema(
    *NETWORK,
    *IMAGE,
    ("label", WHOLE, "true class; where an image has several, the one explained"),
    ("predicted", WHOLE, "class predicted from the clean image"),
    ("correct", FLAG, "label == predicted"),
    ("height", WHOLE, "rows of cells"),
    ("width", WHOLE, "columns of cells"),
    ("values", VALUES, "what each cell contributes to the score, row by row"),
    ("first_half", VALUES, "the same from the even pairs of permutations"),
    ("second_half", VALUES, "the same from the odd pairs"),
    ("reliability", REAL, "of the values, from both halves (Spearman-Brown); 1 where exact"),
    ("resolved", FLAG, "whether that is enough to conclude anything"),
    ("permutations", WHOLE, "how many the values are the mean of; 0 where exact"),
    ("score", REAL, "s(x): centred logit of the class, with several labels its logit"),
    ("reference_score", REAL, "mean of s(r); the values add up to the difference"),
)
TRUTH_KEY = (*IDENTITY, "estimand", "image_id", "class")
ADMISSION_PARTS = schema(
    *NETWORK,
    *IMAGE,
    ("part", TEXT, "planted part"),
    ("contribution", REAL, "sum of the values of the part's cells"),
    ("change", REAL, "fall of the score when the part is rendered away"),
)
ADMISSION_PARTS_KEY = (*TRUTH_KEY, "part")
ADMISSION = schema(
    *NETWORK,
    ("estimand", TEXT, "what an absent cell shows instead"),
    ("parts", WHOLE, "planted parts of all images"),
    ("correlation", REAL, "Pearson, of contributions of parts with real changes of the score"),
    ("relative_error", REAL, "sum of absolute differences / sum of absolute changes"),
)
ADMISSION_KEY = (*IDENTITY, "estimand")
