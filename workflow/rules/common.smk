# What all rules share: the paths, the settings of jobs, the grid of models.
import functools
import os

from faithcam.running import costs, provenance
from faithcam.experiment import axes, datasets
from faithcam.core import sharding
from faithcam.maps import registry as cams
from faithcam.data import definitions as sources
from faithcam.experiment.evaluations import CANDIDATES, EXPLAIN, Plan
from faithcam.metrics import registry as metrics_registry
from faithcam.models import registry as networks

PLAN = Plan(config)
RESULTS = config["results"]
DATA = f"{RESULTS}/data/{{dataset}}"
MODEL = f"{RESULTS}/models/{{dataset}}/{{model}}/seed{{seed}}"
MAPS = f"{RESULTS}/maps/{{dataset}}/{{model}}/seed{{seed}}"
TRUTH = f"{RESULTS}/truth/{{dataset}}/{{model}}/seed{{seed}}"
METRIC_FOLDER = f"{RESULTS}/metrics/{{metric}}/{{dataset}}/{{model}}/seed{{seed}}"
LOGS = f"{RESULTS}/logs"
RUNTIME = f"{RESULTS}/runtime"
# Jobs read these beside the manifest, whose hashes stand for them: as inputs Snakemake would hash
# gigabytes for every output.
PARTS_OF = {
    name: sources.files(definition)
    for name, definition in config["dataset_definitions"].items()
}


wildcard_constraints:
    dataset=r"[A-Za-z0-9_]+",
    model=r"[A-Za-z0-9_]+-(flatten|gap|other)",
    seed=r"\d+",
    shard=r"\d+-\d+",


@functools.cache
def code_version(rule, metrics, methods, architecture):
    """Hash of all code behind a rule, and of what its script finds by name."""
    files = cams.files(methods) + [metrics_registry.code_file(name) for name in metrics]
    if architecture:
        files += networks.files(architecture, config["resources"])
    return provenance.code_version(SCRIPTS / f"{rule}.py", files)


def code(rule, metrics=lambda network: (), methods=lambda network: ()):
    """Hash of all code behind a job, a parameter of it: an edit reruns what used it.

    What the registries find by themselves is named, for the jobs on networks alone: the metrics, the map
    methods that they compute for a network, and the network's family.
    """

    def version(wildcards):
        if not hasattr(wildcards, "model"):
            return code_version(rule, (), (), getattr(wildcards, "architecture", None))
        network = PLAN.network(wildcards.dataset, wildcards.model)
        named = tuple(metrics(network)), tuple(methods(network))
        return code_version(rule, *named, network.architecture)

    return version


def chosen(*keys, **more):
    """The parts of the config that a job's result depends on."""
    return experiment.ordered({**{key: config[key] for key in keys}, **more})


# jobs ask for a GPU only where there is one, or a laptop would run them one by one
GPUS = int(devices.is_likely(config["device"]))


def growing(amount):
    """A resource that every further attempt gets more of."""
    return lambda wildcards, attempt: attempt * amount


def time_limit(kind):
    """Minutes of a job on a shard, from its cost."""

    def minutes(wildcards, attempt):
        start, stop = sharding.bounds(wildcards.shard)
        network = PLAN.network(wildcards.dataset, wildcards.model)
        seconds = costs.job_seconds(PLAN, network, kind, stop - start)
        return costs.limit_minutes(seconds, attempt)

    return minutes


def data_folder(dataset, seed):
    """The folder of a network's images."""
    return f"{RESULTS}/data/{axes.data_folder(config, dataset, seed)}"


def manifest_of(dataset, seed):
    """What the jobs of a network read its images by."""
    return f"{data_folder(dataset, seed)}/manifest.json"


def parts_of(dataset, seed):
    """The files beside the manifest: from object storage a job gets only what it declares."""
    if not ON_STORAGE:
        return []
    return [f"{data_folder(dataset, seed)}/{file}" for file in PARTS_OF[dataset]]


def manifest(wildcards):
    return manifest_of(wildcards.dataset, wildcards.seed)


def parts(wildcards):
    return parts_of(wildcards.dataset, wildcards.seed)


def manifests(models):
    """The manifests of all these models' images, each once."""
    return list(
        dict.fromkeys(manifest_of(dataset, seed) for dataset, _, seed in models)
    )


def head_of(model):
    return model.rsplit("-", 1)[1]


def methods_of(head):
    """The configured methods that can explain a network with this head, then the controls."""
    return cams.supported(cams.known([*config["methods"], *config["controls"]]), head)


def of_shard(wildcards, *keys):
    """Settings of a job on a shard of a data set's explained images."""
    return chosen(
        "seed",
        "device",
        "threads",
        "batch_size",
        *keys,
        explained_images=axes.explained_images(config, wildcards.dataset),
        explained_split=axes.explained_split(config, wildcards.dataset),
    )


def of_metric(metric):
    """Settings of a metric's jobs on shards: its evaluations among them."""

    def settings(wildcards):
        network = PLAN.network(wildcards.dataset, wildcards.model)
        return {**of_shard(wildcards), **PLAN.settings(metric, network)}

    return settings


def code_of_metric(metric):
    """Hash of the code of a metric's jobs, with that of the maps that they compute themselves."""
    return code(
        "score", lambda network: [metric], lambda network: PLAN.made(metric, network)
    )


def memory(metric):
    """Memory of a metric's jobs."""
    removes = metrics_registry.METRICS[metric].removes
    return growing(4000 + (config["aopc"]["memory_mb"] - 1000 if removes else 0))


def files_of(pattern, kind, model, **more):
    """All shards' files of one planned model (dataset, model, seed)."""
    dataset, name, seed = model
    return expand(
        pattern,
        dataset=dataset,
        model=name,
        seed=seed,
        shard=PLAN.shards(kind, PLAN.network(dataset, name)),
        **more,
    )


def map_files(model):
    return files_of(
        f"{MAPS}/{{method}}/{{shard}}.parquet",
        EXPLAIN,
        model,
        method=PLAN.network(*model[:2]).everything,
    )


def truth_files(pattern, model):
    """What jobs of contributions leave of a model; none where it is not asked for."""
    if not PLAN.estimands(PLAN.network(*model[:2])):
        return []
    return files_of(pattern, "truth", model)


def metrics_of(model):
    """The configured metrics that apply to a model (dataset, model, seed)."""
    return PLAN.metrics(PLAN.network(*model[:2]))


def metric_files(pattern, metric, model):
    """The files that a metric leaves of a model; none where it does not apply."""
    if metric not in metrics_of(model):
        return []
    return files_of(pattern, metric, model, metric=metric)


def score_files(model):
    return [
        file
        for metric in metrics_of(model)
        for file in metric_files(f"{METRIC_FOLDER}/{{shard}}.parquet", metric, model)
    ]


def is_whole(model):
    """Whether all maps, contributions and scores of a model exist."""
    truth = truth_files(f"{TRUTH}/{{shard}}.parquet", model)
    files = map_files(model) + truth + score_files(model)
    return all(os.path.exists(file) for file in files)


PLANNED = [
    (dataset, f"{architecture}-{head}", seed)
    for dataset, architecture, head, seed in axes.planned(config)
]
# the metrics of all data sets
MEASURED = axes.metrics(config)
FACT_FILES = [
    file
    for name in config["datasets"]
    for file in sources.fact_files(config["dataset_definitions"][name])
]
# With `incomplete: true` the aggregates take what is there, and the report says what is missing.
PRESENT = [model for model in PLANNED if not config["incomplete"] or is_whole(model)]
if not PRESENT:
    raise WorkflowError(
        f"incomplete: no model in {RESULTS} has all its maps and scores yet, so there is nothing "
        "to report; run the experiment first"
    )
# data sets with at least one such model: what the report is about
DATASETS = [
    name for name in config["datasets"] if any(model[0] == name for model in PRESENT)
]


def from_present(files, *arguments):
    """What a function of a model says for all models that are there."""
    return [file for model in PRESENT for file in files(*arguments, model)]


MAP_FILES = from_present(map_files)
