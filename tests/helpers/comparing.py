"""Hand-made scores of networks, compared."""

import pyarrow as pa
import synthetic

from faithcam.metrics.tables import SCORES
from faithcam.results import io as tables
from faithcam.statistics.compare import compute

PRIMARY, PUBLISHED = synthetic.primary(), synthetic.primary("thesis")


PAIR = {"method_a": "hirescam", "method_b": "gradcam"}


def table_of(scores, setting=PRIMARY["aopc"], metric="aopc", protocol="strict", head="flatten"):
    """Rows of SCORES: {(architecture, seed): {method: values}}, (values, statuses) or more.

    A network's entry may hold ``correct`` and ``label``, one per image; all are correct otherwise.
    """
    columns = {name: [] for name in SCORES.names}
    for (architecture, seed), methods in scores.items():
        methods = dict(methods)
        correct, labels = methods.pop("correct", None), methods.pop("label", None)
        for method, actual in methods.items():
            values, statuses = (
                actual if isinstance(actual, tuple) else (actual, ["ok"] * len(actual))
            )
            for i, value in enumerate(values):
                right = correct is None or bool(correct[i])
                label = 1 if labels is None else labels[i]
                row = (
                    *("d", architecture, head, seed, protocol, metric, setting, method, i),
                    *(label, label if right else label + 1, right, float(value), statuses[i]),
                )
                for name, item in zip(columns, row, strict=True):
                    columns[name].append(item)
    return pa.table(columns, schema=SCORES)


def compared(*tables_, exempt=False, included=True, images=None, **statistics):
    """Compare hand-made scores; ``nested`` says that each seed draws its own images."""
    config = dict(synthetic.CONFIG)
    definition = {"source": "phantom"}
    if statistics.pop("nested", False):
        definition["task"] = "lesion"
    config |= {"datasets": ["d"], "dataset_definitions": {"d": definition}}
    config["statistics"] = config["statistics"] | statistics
    scores = pa.concat_tables(tables_)
    networks = scores.select(tables.IDENTITY).to_pandas().drop_duplicates()
    models = pa.Table.from_pandas(networks.assign(included=included, exempt=exempt))
    evaluations = synthetic.evaluations(scores)
    return compute(scores, models, evaluations, synthetic.known(config), images)


def one_network(
    values, statuses=None, protocol="strict", metric="aopc", head="flatten", correct=None
):
    """The rows of one network, from {method: per-image values}."""
    setting = (PRIMARY if protocol == "strict" else PUBLISHED)[metric]
    methods = {
        name: (numbers, (statuses or {}).get(name, ["ok"] * len(numbers)))
        for name, numbers in values.items()
    }
    network = methods | ({} if correct is None else {"correct": correct})
    return compared(table_of({("a", 0): network}, setting, metric, protocol, head))
