"""The tables of trained networks."""

import pyarrow as pa

from faithcam.results.io import FLAG, NETWORK, REAL, TEXT, WHOLE, schema

MODELS = schema(
    *NETWORK,
    ("train_images", WHOLE, "images the weights were fitted on"),
    ("val_images", WHOLE, "images that chose the epoch"),
    ("test_images", WHOLE, "images the following columns are from"),
    ("accuracy", REAL, "share of correct predictions"),
    ("balanced_accuracy", REAL, "mean recall over classes"),
    ("balanced_accuracy_low", REAL, "lower end of its 95 % interval"),
    ("balanced_accuracy_high", REAL, "upper end of its 95 % interval"),
    ("auc", REAL, "area under the ROC curve; one class against the rest, mean over classes"),
    (
        "class_auc",
        pa.list_(REAL),
        "area under the ROC curve of each class against the rest, in the order of the class names",
    ),
    ("calibration_error", REAL, "expected calibration error, 15 bins of the top probability"),
    ("recall", pa.list_(REAL), "recall of each class, in the order of the class names"),
    ("best_epoch", WHOLE, "epoch whose weights were kept; -1 for weights from elsewhere"),
    ("included", FLAG, "whether the model enters the summaries"),
    ("reason", TEXT, "why not, if not"),
    (
        "exempt",
        FLAG,
        "whether it needs no accuracy (control or shortcut) and is summarised over all its images",
    ),
    (
        "spatial_share",
        REAL,
        "share of the FC weights' energy that is lost when they are averaged over the cells",
    ),
    ("weights_sha256", TEXT, "sha256 of weights.safetensors"),
)
HISTORY = schema(
    ("epoch", WHOLE, "counted from 0"),
    ("train_loss", REAL, "class-weighted cross-entropy over the epoch"),
    ("val_loss", REAL, "class-weighted cross-entropy on the validation split"),
    ("val_balanced_accuracy", REAL, "mean recall on the validation split"),
    ("best", FLAG, "whether this epoch's weights were kept"),
)
PREDICTIONS = schema(
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("split", TEXT, "val or test"),
    ("weights_sha256", TEXT, "of the network's weights.safetensors"),
    ("manifest_sha256", TEXT, "of the manifest.json of the images"),
    ("label", WHOLE, "true class"),
    ("predicted", WHOLE, "argmax of the logits"),
    ("probabilities", pa.list_(pa.float32()), "softmax, one number per class"),
)
MULTI_LABEL_PREDICTIONS = schema(
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("split", TEXT, "val or test"),
    ("weights_sha256", TEXT, "of the network's weights.safetensors"),
    ("manifest_sha256", TEXT, "of the manifest.json of the images"),
    ("labels", pa.list_(WHOLE), "true classes, any number"),
    ("predicted", pa.list_(WHOLE), "classes with a positive logit: probability above 1/2"),
    ("probabilities", pa.list_(pa.float32()), "sigmoid, one number per class"),
)
