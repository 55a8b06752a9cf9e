"""The plan of an experiment, from its config alone: networks, evaluations, jobs and their names.

Everything that is scored is declared here, once. Importing this module does not import torch.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import pyarrow as pa

from faithcam.core import sharding
from faithcam.experiment import axes
from faithcam.maps import registry as cams
from faithcam.metrics import registry
from faithcam.metrics.accuracy.estimands import estimands_of
from faithcam.metrics.evaluation import Evaluation, methods_of
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.tables import EVALUATIONS, EVALUATIONS_KEY
from faithcam.models import registry as models
from faithcam.models.architecture import Architecture, is_own, path_name
from faithcam.results import io as tables

EXPLAIN = "explain"  # the jobs of maps, beside those of each metric
TRUTH = "truth"  # those of what cells contribute
CANDIDATES = "candidates"  # those of what metrics say of maps made of the truth


class Plan:
    """The networks of an experiment, what is scored of them, and the jobs that do it.

    Args:
        config: the experiment's, checked.
        planned: (data set, architecture, head, training seed) of its networks; None: all that the
            config's axes make.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        planned: Iterable[tuple[str, str, str, int]] | None = None,
    ) -> None:
        self.config = config
        self._planned = planned
        self._networks: dict[tuple[str, str, str], NetworkSpec] = {}
        self._architectures: dict[str, Architecture] = {}
        self._evaluations: dict[tuple[str, NetworkSpec], list[Evaluation]] = {}

    def network(self, dataset: str, model: str) -> NetworkSpec:
        """Return a network by the names in paths: data set, and architecture-head."""
        architecture, head = model.rsplit("-", 1)
        key = (dataset, architecture, head)
        if key not in self._networks:
            self._networks[key] = NetworkSpec.of(self.config, *key)
        return self._networks[key]

    @cached_property
    def networks(self) -> list[NetworkSpec]:
        """Every planned network, whatever its training seed, each once."""
        planned = axes.planned(self.config) if self._planned is None else self._planned
        names = dict.fromkeys((d, f"{a}-{h}") for d, a, h, _ in planned)
        return [self.network(*each) for each in names]

    def metrics(self, network: NetworkSpec) -> list[str]:
        """Return the configured metrics that apply to a network; GAP twins have no truth."""
        named = axes.of_dataset(self.config, network.dataset, "metrics")
        specs = {name: registry.METRICS[name] for name in named}
        return [
            name
            for name, spec in specs.items()
            if spec.supports(network)[0] and not (network.twin and "truth" in spec.needs)
        ]

    def evaluations(self, metric: str, network: NetworkSpec) -> list[Evaluation]:
        """Return all evaluations of a metric on a network."""
        key = (metric, network)
        if key not in self._evaluations:
            self._evaluations[key] = registry.evaluations(self.config, metric, network)
        return self._evaluations[key]

    def made(self, metric: str, network: NetworkSpec) -> list[str]:
        """Return the map methods that a metric's jobs compute themselves."""
        if registry.METRICS[metric].maps == "stored":
            return []
        named = methods_of(self.evaluations(metric, network))
        return [name for name in named if name in cams.METHODS]

    def settings(self, metric: str, network: NetworkSpec) -> dict[str, Any]:
        """Return what a metric's jobs on a network get, as plain values, beside shard and images.

        See :func:`faithcam.running.scoring.score_shard`.
        """
        spec = registry.METRICS[metric]
        memory = {"memory_mb": self.config["aopc"]["memory_mb"]} if spec.removes else {}
        precision = {} if spec.exact else {"precision": self.config["precision"]}
        return {
            "metric": metric,
            "module": registry.module(metric),
            "evaluations": [e.plain() for e in self.evaluations(metric, network)],
            "options": spec.options(self.config, network),
            "tables": list(spec.tables),
            "uses": [*spec.needs, *spec.uses],
            "images": self._first_images(metric),
            **memory,
            **precision,
        }

    def estimands(self, network: NetworkSpec) -> list[str]:
        """Return the configured estimands that are computed of a network: none if none is used."""
        used = any("truth" in registry.METRICS[name].needs for name in self.metrics(network))
        return estimands_of(self.config, network) if used else []

    def architecture(self, network: NetworkSpec) -> Architecture:
        """Return the spec of a network's features."""
        name = network.architecture
        if name not in self._architectures:
            self._architectures[name] = models.find(name, self.config.get("resources", ""))
        return self._architectures[name]

    def own(self, network: NetworkSpec) -> str:
        """Return MODULE:FUNCTION of a network of the user's own; "" of others."""
        named = axes.of_dataset(self.config, network.dataset, "architectures")
        own = (name for name in named if is_own(name) and path_name(name) == network.architecture)
        return next(own, "")

    def is_additive(self, network: NetworkSpec) -> bool:
        """Return whether a network's score is a sum over cells: each sees its own pixels alone."""
        spec = self.architecture(network)
        return spec.patches and network.size % spec.stride == 0

    def truth_settings(self, network: NetworkSpec) -> dict[str, Any]:
        """Return what the jobs of contributions get, as plain values, beside shard and images.

        See :func:`faithcam.running.truth.computed`.
        """
        keys = ("permutations", "block", "reliability")
        return {
            "estimands": self.estimands(network),
            "patches": self.is_additive(network),
            "sampling": {key: self.config["truth"][key] for key in keys},
            "memory_mb": self.config["aopc"]["memory_mb"],
        }

    def asked_of_candidates(self, network: NetworkSpec) -> list[str]:
        """Return the metrics that are asked about candidates: none without agreement with truth."""
        named = self.metrics(network)
        if "truth_agreement" not in named or not self.candidate_estimands(network):
            return []
        return [name for name in named if registry.METRICS[name].takes_candidates]

    def candidate_estimands(self, network: NetworkSpec) -> list[str]:
        """Return the estimands that candidates of a network are made of."""
        allowed = self.estimands(network)
        return [name for name in self.config["concordance"]["estimands"] if name in allowed]

    def evaluations_of_candidates(self, metric: str, network: NetworkSpec) -> list[Evaluation]:
        """Return the evaluations that a metric's jobs on candidates are asked.

        Of the metrics that know the truth all but replicates: the others are judged by them.
        """
        roles: tuple[str, ...] = ("primary",)
        if network.asks_all(self.config):
            roles = ("primary", "variant")
        if "truth" in registry.METRICS[metric].needs:
            roles = ("primary", "variant", "fact")
        return [e for e in self.evaluations(metric, network) if e.role in roles or e.is_judged]

    def candidate_settings(self, network: NetworkSpec) -> dict[str, Any]:
        """Return what a network's jobs on candidates get, likewise.

        See :func:`faithcam.running.concordance.score_candidates`.
        """
        return {
            "metrics": [self._on_candidates(m, network) for m in self.asked_of_candidates(network)],
            "estimands": self.candidate_estimands(network),
            "steps": self.config["concordance"]["steps"],
            "draws": self.config["concordance"]["draws"],
            "images": self._first_images(CANDIDATES),
        }

    def _on_candidates(self, metric: str, network: NetworkSpec) -> dict[str, Any]:
        """Return a metric's settings; its methods are the candidates, it leaves scores alone."""
        settings = self.settings(metric, network)
        asked = self.evaluations_of_candidates(metric, network)
        return {
            **settings,
            "evaluations": [{**e.plain(), "methods": [], "curves": []} for e in asked],
            "uses": sorted({*settings["uses"], "truth"}),
            "tables": [],
        }

    def candidates(self, network: NetworkSpec) -> int:
        """Return how many candidates an image has."""
        settings = self.config["concordance"]
        damaged = len(settings["steps"]) * int(settings["draws"])
        return len(self.candidate_estimands(network)) * (1 + damaged)

    def _first_images(self, kind: str) -> int:
        """Return how many images a kind of jobs works on; 0 for all explained ones."""
        metric = registry.METRICS.get(kind)
        if kind == CANDIDATES or (metric is not None and "truth" in metric.needs):
            kind = TRUTH
        return int(self.config.get(kind, {}).get("images", 0))

    def images(self, kind: str, network: NetworkSpec) -> int:
        """Return how many images a network's jobs of one kind work on: the explained ones, at most.

        Args:
            kind: ``explain``, ``truth``, ``candidates``, or a metric.
            network: whose images they are.
        """
        explained = axes.explained_images(self.config, network.dataset)
        return min(explained, self._first_images(kind) or explained)

    def shards(self, kind: str, network: NetworkSpec) -> list[str]:
        """Return the shards of a network's images, ``start-stop``: the jobs of one kind."""
        sizes = self.config["images_per_job"]
        return sharding.shards(self.images(kind, network), sizes.get(kind, sizes["default"]))

    def table(self) -> pa.Table:
        """Return all evaluations of the experiment (``EVALUATIONS``), sorted."""
        columns: dict[str, list[Any]] = {name: [] for name in EVALUATIONS.names}
        for network, evaluation in self._of_networks():
            for name, value in _row(network, evaluation).items():
                columns[name].append(value)
        rows = pa.table(columns, schema=EVALUATIONS)
        return tables.concatenate([rows], EVALUATIONS, EVALUATIONS_KEY)

    def _of_networks(self) -> Iterator[tuple[NetworkSpec, Evaluation]]:
        for network in self.networks:
            for metric in self.metrics(network):
                for evaluation in self.evaluations(metric, network):
                    yield network, evaluation


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
        "judged": evaluation.is_judged,
        "published": metric.published,
        "reference": evaluation.setting.get("imputer", metric.reference),
        "binary": metric.binary,
        "all_images": metric.all_images,
        "drawn_per_network": metric.drawn_per_network,
        "needs_masks": "masks" in metric.needs,
    }
