"""Result tables: the Parquet schemas, and reading and writing that never leaves half a file.

Every schema lists its columns with their meaning; the documentation's are made from it.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faithcam.errors import FaithcamError

TEXT, WHOLE, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


def _schema(*columns: tuple[str, pa.DataType, str]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, kind, metadata={"meaning": text}) for name, kind, text in columns]
    )


_MODEL = (
    ("dataset", TEXT, "name of the data set, a key of dataset_definitions"),
    ("architecture", TEXT, "name of the network"),
    ("head", TEXT, "flatten or gap"),
    ("seed", WHOLE, "training seed"),
)
IDENTITY = tuple(name for name, *_ in _MODEL)
_SETTING = (
    ("protocol", TEXT, "thesis (as published) or strict"),
    ("metric", TEXT, "name of the metric, as in the config"),
    ("setting", TEXT, "sorted key=value pairs joined by ';': what else fixes the number"),
)

SCORES = _schema(
    *_MODEL,
    *_SETTING,
    ("method", TEXT, "map method, baseline or null"),
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("label", WHOLE, "true class"),
    ("predicted", WHOLE, "class predicted from the clean image"),
    ("correct", FLAG, "label == predicted"),
    ("value", REAL, "the image's score; NaN unless the status allows one"),
    ("status", TEXT, "ok, blank_map, undefined or empty_mask"),
)
SCORES_KEY = (*IDENTITY, "protocol", "metric", "setting", "method", "image_id", "label")
EVALUATIONS = _schema(
    *(column for column in _MODEL if column[0] != "seed"),
    *_SETTING,
    ("role", TEXT, "primary, variant, replicate (of the noise) or fact (no score to compare)"),
    ("replicate_of", TEXT, "setting of the first draw of the noise; empty but for replicates"),
    ("methods", pa.list_(TEXT), "map methods, baselines or nulls that have rows in scores"),
    ("passes", REAL, "forward passes per image that its scores are made from"),
    ("title", TEXT, "the metric's name in texts and figures"),
    ("larger_is_better", FLAG, "whether a larger score is better in this setting"),
    ("lowest", REAL, "smallest score that the metric can have in its primary setting"),
    ("highest", REAL, "largest score that the metric can have in its primary setting"),
    ("compared", FLAG, "whether the metric's methods are compared (statistics)"),
    ("judged", FLAG, "whether the metric is judged by controls (validity)"),
    ("binary", FLAG, "whether an image's score is 0 or 1"),
    ("all_images", FLAG, "whether wrongly classified images count in means"),
    ("drawn_per_network", FLAG, "whether one draw of the noise moves all images of a network"),
    ("needs_masks", FLAG, "whether the metric looks for what a mask marks"),
)
EVALUATIONS_KEY = ("dataset", "architecture", "head", "protocol", "metric", "setting")
CURVES = _schema(
    *_MODEL,
    *_SETTING,
    ("method", TEXT, "map method"),
    ("step", WHOLE, "number of regions removed"),
    ("mean", REAL, "mean of f(x0) - f(xk) over the protocol's images"),
    ("images", WHOLE, "how many images the mean is over"),
)
IMAGE_CURVES = _schema(
    *_MODEL,
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
GOLD = _schema(
    *_MODEL,
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("part", TEXT, "planted part, or decoy with its number"),
    ("stream", WHOLE, "texture of the re-drawn decoys: 0 or 1"),
    ("area", WHOLE, "pixels of the part"),
    ("shapley", REAL, "exact Shapley value on the centred logit; NaN for decoys"),
    ("leave_one_out", REAL, "fall of the centred logit when the part alone is taken away"),
    ("add_one_in", REAL, "rise of the centred logit when the part alone is there; NaN for decoys"),
    ("interaction", REAL, "leave_one_out - add_one_in; NaN for decoys"),
    ("consistent", FLAG, "whether the three values order the image's planted parts alike"),
)
GOLD_KEY = (*IDENTITY, "image_id", "part", "stream")
MAPS = _schema(
    *_MODEL,
    ("method", TEXT, "map method or baseline"),
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("target", TEXT, "which class is explained: predicted or label"),
    ("gauge", TEXT, "of which score: logit (y_c) or centred (y_c - mean_j y_j)"),
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
COMPLETENESS = _schema(
    *_MODEL,
    ("method", TEXT, "map method"),
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("class", WHOLE, "index of the class explained"),
    ("map_sum", REAL, "sum of the raw map over all cells, logit"),
    ("score_minus_bias", REAL, "y_c - b_c: what a complete map adds up to"),
)
CHECKS = _schema(
    *_MODEL,
    ("check", TEXT, "name of the law"),
    ("images", WHOLE, "how many images were checked"),
    ("worst", REAL, "largest error, in units of its tolerance"),
    ("tolerance", TEXT, "the tolerance, as a formula"),
    ("passed", FLAG, "worst <= 1"),
)
MODELS = _schema(
    *_MODEL,
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
HISTORY = _schema(
    ("epoch", WHOLE, "counted from 0"),
    ("train_loss", REAL, "class-weighted cross-entropy over the epoch"),
    ("val_loss", REAL, "class-weighted cross-entropy on the validation split"),
    ("val_balanced_accuracy", REAL, "mean recall on the validation split"),
    ("best", FLAG, "whether this epoch's weights were kept"),
)
PREDICTIONS = _schema(
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("split", TEXT, "val or test"),
    ("label", WHOLE, "true class"),
    ("predicted", WHOLE, "argmax of the logits"),
    ("probabilities", pa.list_(pa.float32()), "softmax, one number per class"),
)
MULTI_LABEL_PREDICTIONS = _schema(
    ("image_id", WHOLE, "row of the image in the data set's table"),
    ("split", TEXT, "val or test"),
    ("labels", pa.list_(WHOLE), "true classes, any number"),
    ("predicted", pa.list_(WHOLE), "classes with a positive logit: probability above 1/2"),
    ("probabilities", pa.list_(pa.float32()), "sigmoid, one number per class"),
)
STATISTICS = _schema(
    ("dataset", TEXT, "name of the data set"),
    ("architecture", TEXT, "name of the network, or all"),
    ("head", TEXT, "flatten or gap"),
    ("seed", TEXT, "training seed of a within-model row, else all"),
    *_SETTING,
    ("method_a", TEXT, "the difference is method_a - method_b"),
    ("method_b", TEXT, "the method compared with"),
    ("level", TEXT, "unit of inference: model or image"),
    ("n", WHOLE, "number of units: networks, seeds or images"),
    ("estimate", REAL, "mean paired difference, or as effect_name says"),
    ("low", REAL, "lower end of the interval (statistics.confidence)"),
    ("high", REAL, "upper end of the interval (statistics.confidence)"),
    ("test", TEXT, "name of the test"),
    ("p", REAL, "two-sided p-value; of equivalence: of a difference beyond the margin"),
    ("p_holm", REAL, "p after Holm over the primary family of the data set; NaN elsewhere"),
    ("effect", REAL, "effect size, or as effect_name says"),
    ("effect_name", TEXT, "which effect size, or what the row is"),
    (
        "floor",
        REAL,
        "noise floor: how far the estimate moves when only the noise stream changes, 95 % "
        "quantile; NaN where no second noise stream was computed",
    ),
    (
        "primary",
        FLAG,
        "true in the Holm family: HiResCAM - Grad-CAM over all Flatten networks, primary setting",
    ),
)
VALIDITY = _schema(
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
    ("floor", REAL, "95 % quantile of the estimate's change with the noise stream; NaN: no stream"),
    ("threshold", REAL, "number that the outcome was decided by"),
    (
        "outcome",
        TEXT,
        "pass, fail, inconclusive, reported; of a verdict: valid, not valid, inconclusive",
    ),
    ("reason", TEXT, "why this outcome"),
)
VALIDITY_KEY = ("dataset", "protocol", "metric", "control", "setting")
MULTIVERSE = _schema(
    ("dataset", TEXT, "name of the data set"),
    ("metric", TEXT, "aopc, max_sensitivity or haas"),
    ("specification", TEXT, "the declared factors, sorted key=value pairs joined by ';'"),
    ("n", WHOLE, "number of units"),
    ("estimate", REAL, "mean of HiResCAM - Grad-CAM, oriented so that larger is better"),
    ("low", REAL, "lower end of the t interval over units"),
    ("high", REAL, "upper end of the t interval over units"),
    ("floor", REAL, "95 % quantile of the estimate's change with the noise stream; NaN: no stream"),
    ("outcome", TEXT, "win, within floor (or the interval holds 0) or loss, for HiResCAM"),
)
DATA_TABLE = _schema(
    ("image_id", WHOLE, "row of the image in images.npy"),
    ("split", TEXT, "train, val or test"),
    ("label", WHOLE, "index into the manifest's classes"),
    ("group", TEXT, "patient or other group that may not cross splits"),
    ("name", TEXT, "where the image came from: file, or split[index]"),
    ("pixels_sha256", TEXT, "sha256 of the stored pixels"),
    ("has_mask", FLAG, "whether masks.npy has a non-empty mask"),
)
MULTI_LABEL_TABLE = pa.schema(
    [
        pa.field(
            "labels",
            pa.list_(WHOLE),
            metadata={"meaning": "indices into the manifest's classes, of those that are there"},
        )
        if field.name == "label"
        else field
        for field in DATA_TABLE
    ]
)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends without error.

    A killed process leaves ``path`` as it was; an error removes the temporary file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def setting(**pairs: object) -> str:
    """Return the canonical setting string: sorted key=value pairs joined by ``;``."""
    return ";".join(f"{name}={value}" for name, value in sorted(pairs.items()))


def parse_setting(text: str) -> dict[str, str]:
    """Return the pairs of a setting string (the inverse of :func:`setting`, values as text)."""
    return dict(pair.split("=", 1) for pair in text.split(";") if pair)


def write(
    path: Path | str, columns: Mapping[str, Sequence[Any]] | pa.Table, schema: pa.Schema
) -> None:
    """Write a table atomically; the same rows give the same bytes.

    Raises:
        ValueError: if the columns are not exactly the schema's.
    """
    names = columns.column_names if isinstance(columns, pa.Table) else list(columns)
    if set(names) != set(schema.names):
        raise ValueError(f"{path}: columns {sorted(names)} are not {sorted(schema.names)}")
    if isinstance(columns, pa.Table):
        table = columns.select(schema.names).cast(schema)
    else:
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
    with atomic_path(path) as temporary:
        pq.write_table(table.combine_chunks(), temporary, compression="zstd")


def read(
    path: Path | str,
    dictionary: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    filters: pc.Expression | None = None,
) -> pa.Table:
    """Read one Parquet file.

    Args:
        path: of the file.
        dictionary: text columns to be dictionary-encoded.
        columns: to be read; None means all.
        filters: the rows to be read; None means all.

    Raises:
        FaithcamError: if the file is missing or not Parquet.
    """
    try:
        return pq.read_table(
            path,
            columns=None if columns is None else list(columns),
            filters=filters,
            read_dictionary=list(dictionary),
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise FaithcamError(
            f"{path}: cannot be read as Parquet ({error}); delete it and run again"
        ) from error


def concatenate(tables: Iterable[pa.Table], schema: pa.Schema, order: Sequence[str]) -> pa.Table:
    """Concatenate tables and sort the rows by ``order``.

    Raises:
        ValueError: if two rows agree in all columns of ``order``.
    """
    table = pa.concat_tables([t.select(schema.names).cast(schema) for t in tables])
    table = table.sort_by([(name, "ascending") for name in order])
    if len(table) > 1:
        previous, following = table.slice(0, len(table) - 1), table.slice(1)
        same = None
        for name in order:
            equal = pc.equal(previous[name], following[name])
            same = equal if same is None else pc.and_(same, equal)
        if pc.any(same).as_py():
            row = table.slice(pc.index(same, True).as_py(), 1).to_pylist()[0]
            raise ValueError(f"two rows for { ({name: row[name] for name in order}) }")
    return table


class Collector:
    """Rows gathered bit by bit; many of them are kept as Arrow, which takes little memory.

    Args:
        schema: of the table.
        order: columns to sort by; together they name a row.
    """

    def __init__(self, schema: pa.Schema, order: Sequence[str]) -> None:
        self._schema, self._order = schema, order
        self._columns: dict[str, list[object]] = {name: [] for name in schema.names}
        self._parts: list[pa.Table] = []

    def add(self, count: int, columns: Mapping[str, object]) -> None:
        """Add ``count`` rows: a list has an entry for each, anything else is the same for all."""
        for name, entries in self._columns.items():
            value = columns[name]
            entries += value if isinstance(value, list) else [value] * count
        if len(entries) >= 1000:
            self._flush()

    def _flush(self) -> None:
        self._parts.append(pa.table(self._columns, schema=self._schema))
        self._columns = {name: [] for name in self._columns}

    def table(self) -> pa.Table:
        """Return all rows, sorted.

        Raises:
            ValueError: if two rows have the same name.
        """
        self._flush()
        return concatenate(self._parts, self._schema, self._order)
