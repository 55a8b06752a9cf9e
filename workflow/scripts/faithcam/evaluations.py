"""Everything that is scored, declared once: the evaluations of all metrics on all networks.

Importing this module does not import torch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from faithcam import config as experiment
from faithcam import tables
from faithcam.metrics import registry
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.spec import Evaluation


def networks(config: Mapping[str, Any]) -> list[NetworkSpec]:
    """Return every planned network, whatever its training seed, each once."""
    planned = dict.fromkeys((d, a, h) for d, a, h, _ in experiment.planned(config))
    return [NetworkSpec.of(config, *names) for names in planned]


def of_networks(config: Mapping[str, Any]) -> Iterator[tuple[NetworkSpec, Evaluation]]:
    """Yield every evaluation of an experiment, with the network that it is of."""
    for network in networks(config):
        for metric in registry.supported(config, network):
            for evaluation in registry.evaluations(config, metric, network):
                yield network, evaluation


def table(config: Mapping[str, Any]) -> pa.Table:
    """Return all evaluations of an experiment (``tables.EVALUATIONS``), sorted."""
    columns: dict[str, list[Any]] = {name: [] for name in tables.EVALUATIONS.names}
    for network, evaluation in of_networks(config):
        for name, value in _row(network, evaluation).items():
            columns[name].append(value)
    rows = pa.table(columns, schema=tables.EVALUATIONS)
    return tables.concatenate([rows], tables.EVALUATIONS, tables.EVALUATIONS_KEY)


def _row(network: NetworkSpec, evaluation: Evaluation) -> dict[str, Any]:
    metric = registry.METRICS[evaluation.metric]
    return {
        "dataset": network.dataset,
        "architecture": network.architecture,
        "head": network.head,
        "protocol": evaluation.protocol,
        "metric": evaluation.metric,
        "setting": str(evaluation.setting),
        "role": evaluation.role,
        "replicate_of": "" if evaluation.replicate_of is None else str(evaluation.replicate_of),
        "methods": list(evaluation.methods),
        "passes": sum(passes.count for passes in set(evaluation.passes) if not passes.once),
        "title": metric.title,
        "larger_is_better": metric.larger_is_better != evaluation.reversed,
        "lowest": metric.range[0],
        "highest": metric.range[1],
        "compared": metric.compared,
        "judged": metric.judged,
        "binary": metric.binary,
        "all_images": metric.all_images,
        "drawn_per_network": metric.drawn_per_network,
        "needs_masks": "masks" in metric.needs,
    }
