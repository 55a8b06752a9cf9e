# What all rules share: the checked config, the paths, the grid of models, the shards.
import contextlib
import functools
import io
import os
import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from snakemake.cli import parse_args
from snakemake.exceptions import WorkflowError

from faithcam import config as experiment
from faithcam import costs, devices, judged, placement, provenance, sharding
from faithcam.cams import registry as cams
from faithcam.cams.registry import exemplary, from_model, supported
from faithcam.data import definitions as sources
from faithcam.data import prepare
from faithcam.errors import FaithcamError
from faithcam.metrics import registry as measures
from faithcam.models import registry as networks


def command_line():
    """Snakemake's arguments with the profiles'; what was not given is None.

    The executor of a run is known nowhere else while rules are read. Programs that start Snakemake
    by its API decide for themselves where it runs.
    """
    if Path(sys.argv[0]).name not in ("snakemake", "__main__.py"):
        return parse_args(["--executor", "local"])[1]
    # profiles are found from where Snakemake was started, whatever --directory says
    with contextlib.chdir(workflow.rundir), contextlib.redirect_stderr(io.StringIO()):
        return parse_args(sys.argv[1:])[1]


try:
    experiment.validate(
        config, Path(workflow.basedir) / "workflow" / "schemas" / "config.schema.yaml"
    )
    if workflow.is_main_process:
        options = command_line()
        placement.check_profile(
            options.workflow_profile, Path(workflow.rundir), Path(workflow.basedir)
        )
        placement.check_device(options.executor, config["device"])
        # here, one job per GPU at once; on a cluster the scheduler knows better
        if (
            options.executor in (None, "local")
            and "gpu" not in workflow.global_resources
        ):
            workflow.register_resource("gpu", max(1, len(devices.visible_gpus())))
except FaithcamError as error:
    raise WorkflowError(str(error)) from None


onstart:
    try:
        placement.check_local(options.executor)
        if options.executor == "slurm":
            placement.check_status_command(options.slurm_status_command)
    except FaithcamError as error:
        raise WorkflowError(str(error)) from None
    placement.note_run(Path(".snakemake"), options.executor)
    for text in experiment.unused_metrics(config):
        print(f"Note: {text}", file=sys.stderr)
    # With a limit on its rate Snakemake (9.27) looks for jobs once more per timespan for every job that
    # has finished: after a thousand jobs, a thousand times a second. So its default, 100/1s, goes.
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    if Path(RESULTS, "report.html").exists():
        print(f"Report: {Path(RESULTS, 'report.html').resolve()}", file=sys.stderr)


RESULTS = config["results"]
DATA = f"{RESULTS}/data/{{dataset}}"
MODEL = f"{RESULTS}/models/{{dataset}}/{{model}}/seed{{seed}}"
MAPS = f"{RESULTS}/maps/{{dataset}}/{{model}}/seed{{seed}}"
METRICS = f"{RESULTS}/metrics/{{metric}}/{{dataset}}/{{model}}/seed{{seed}}"
LOGS = f"{RESULTS}/logs"
RUNTIME = f"{RESULTS}/runtime"
# Jobs read these beside the manifest, whose hashes stand for them: as inputs Snakemake would hash
# gigabytes for every output.
PARTS_OF = {
    name: sources.files(definition)
    for name, definition in config["dataset_definitions"].items()
}
PER_SEED = [
    name
    for name, definition in config["dataset_definitions"].items()
    if experiment.is_drawn_per_seed(definition)
]


wildcard_constraints:
    dataset=r"[A-Za-z0-9_]+",
    model=r"[A-Za-z0-9_]+-(flatten|gap)",
    seed=r"\d+",
    shard=r"\d+-\d+",


@functools.cache
def code_version(rule, metric, methods, architecture):
    """Hash of all code behind a rule, and of what its script finds by name."""
    files = cams.files(methods)
    if metric:
        files.append(measures.file(metric))
    if architecture:
        files += networks.files(architecture)
    return provenance.code_version(SCRIPTS / f"{rule}.py", files)


def code(rule, metric=None, methods=lambda model: ()):
    """Hash of all code behind a job, a parameter of it: an edit reruns what used it.

    What the registries find by themselves is named: the metric, the map methods that it computes for a
    model, and, for the jobs on its networks alone, a network's family.
    """

    def version(wildcards):
        model = getattr(wildcards, "model", None)
        architecture = getattr(wildcards, "architecture", None)
        if model and not architecture:
            architecture = model.rsplit("-", 1)[0]
        return code_version(rule, metric, tuple(methods(model)), architecture)

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
        model = costs.Model.of(wildcards.dataset, wildcards.model)
        seconds = costs.shard_seconds(config, model, kind, stop - start)
        return costs.limit_minutes(seconds, attempt)

    return minutes


def training_limit(wildcards, attempt):
    """Minutes of a training; it goes on from its last epoch if they do not suffice."""
    images = costs.split_images(config, wildcards.dataset)
    if images is None:  # known only once the user's images are prepared
        return min(attempt * 240, costs.LONGEST)
    model = costs.Model.of(wildcards.dataset, wildcards.model)
    return costs.limit_minutes(costs.train_seconds(config, model, images), attempt)


def data_folder(dataset, seed):
    """The folder of a network's images."""
    return f"{RESULTS}/data/{experiment.data_folder(config, dataset, seed)}"


def manifest_of(dataset, seed):
    """What the jobs of a network read its images by."""
    return f"{data_folder(dataset, seed)}/manifest.json"


def parts_of(dataset, seed):
    """The files beside the manifest: from object storage a job gets only what it declares."""
    if not workflow.storage_settings.default_storage_provider:
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
    return supported(config["methods"], head) + controls_of(head)


def controls_of(head):
    """The configured controls for a network with this head: scored in primary settings alone."""
    return supported(config["controls"], head)


def of_shard(wildcards, *keys):
    """Settings of a job on a shard of a data set's explained images."""
    return chosen(
        "seed",
        "device",
        "threads",
        "batch_size",
        *keys,
        explained_images=experiment.explained_images(config, wildcards.dataset),
        explained_split=experiment.explained_split(config, wildcards.dataset),
    )


# metrics whose jobs make scores and nothing else
STANDARD = [name for name, facts in measures.METRICS.items() if not facts.outputs]
# the metrics of all data sets, what is known of them, and the config that this depends on
MEASURED = experiment.metrics(config)
FACTS = measures.facts(config, MEASURED)
SECTIONS = sorted(
    {"aopc", "max_sensitivity"}
    .union(*({name, *measures.METRICS[name].needs} for name in MEASURED))
    .intersection(config)
)


def scored_by(metric, model):
    """The methods that a metric's jobs score, controls too."""
    methods = methods_of(head_of(model))
    maps = measures.METRICS[metric].maps
    if maps == "own":
        return from_model(methods)
    return [] if maps == "none" else methods


def of_metric(metric):
    """Settings of a metric's jobs on shards."""
    facts = measures.METRICS[metric]
    own = [metric] if metric in config else []

    def settings(wildcards):
        scored = scored_by(metric, wildcards.model)
        controls = controls_of(head_of(wildcards.model))
        return {
            **of_shard(wildcards, "precision", *own, *facts.needs),
            "methods": scored,
            "controls": [name for name in controls if name in scored],
        }

    return settings


def code_of_metric(metric):
    """Hash of the code of a metric's jobs, with that of the maps that they compute themselves."""
    facts = measures.METRICS[metric]

    def computed(model):
        own = scored_by(metric, model) if facts.maps in ("own", "networks") else []
        return [*facts.computes, *own]

    return code("score", metric, computed)


def memory(metric):
    """Memory of a metric's jobs."""
    kept = config["aopc"]["memory_mb"] - 1000 if measures.METRICS[metric].windows else 0
    return growing(4000 + kept)


@functools.cache
def shards_of(kind, dataset, model):
    """The shards of a network's jobs of one kind: explain or a metric."""
    return costs.shards(config, costs.Model.of(dataset, model), kind)


def files_of(pattern, kind, model, **more):
    """All shards' files of one planned model (dataset, model, seed)."""
    dataset, name, seed = model
    return expand(
        pattern,
        dataset=dataset,
        model=name,
        seed=seed,
        shard=shards_of(kind, dataset, name),
        **more,
    )


def map_files(model):
    return files_of(
        f"{MAPS}/{{method}}/{{shard}}.parquet",
        "explain",
        model,
        method=methods_of(head_of(model[1])),
    )


def maps_of_shard(wildcards):
    """The maps that a metric's shard needs; their shards may be others than its own."""
    shards = shards_of("explain", wildcards.dataset, wildcards.model)
    return expand(
        f"{MAPS}/{{method}}/{{shard}}.parquet",
        dataset=wildcards.dataset,
        model=wildcards.model,
        seed=wildcards.seed,
        method=methods_of(head_of(wildcards.model)),
        shard=[s for s in shards if sharding.overlap(s, wildcards.shard)],
    )


def metrics_of(model):
    """The configured metrics that apply to a model (dataset, model, seed)."""
    dataset, name, _ = model
    return measures.supported(config, dataset, *name.rsplit("-", 1))


def metric_files(pattern, metric, model):
    """The files that a metric leaves of a model; none where it does not apply."""
    if metric not in metrics_of(model):
        return []
    return files_of(pattern, metric, model, metric=metric)


def score_files(model):
    return [
        file
        for metric in metrics_of(model)
        for file in metric_files(f"{METRICS}/{{shard}}.parquet", metric, model)
    ]


def is_whole(model):
    """Whether all maps and scores of a model exist."""
    return all(os.path.exists(file) for file in map_files(model) + score_files(model))


PLANNED = [
    (dataset, f"{architecture}-{head}", seed)
    for dataset, architecture, head, seed in experiment.planned(config)
]
HEADS = list(dict.fromkeys(head_of(model) for _, model, _ in PLANNED))
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


def downloaded(wildcards):
    """Records of the downloads that a data set is made from."""
    definition = config["dataset_definitions"][wildcards.dataset]
    return [f"{DATA}/download.json"] if sources.is_downloaded(definition) else []


def of_download(wildcards):
    """What a download depends on."""
    definition = config["dataset_definitions"][wildcards.dataset]
    keys = ("source", "flag", "size") if "flag" in definition else ("source",)
    return {key: definition[key] for key in keys}


def collection_code(wildcards):
    """Hash of the one file that describes a published collection; "" for other sources."""
    source = config["dataset_definitions"][wildcards.dataset]["source"]
    if source not in sources.COLLECTIONS:
        return ""
    return code(f"faithcam/data/collections/{source}")(wildcards)


def source_code(wildcards):
    """Hash of the code that makes the images of a data set's source, of no other source's."""
    definition = config["dataset_definitions"][wildcards.dataset]
    return code(f"faithcam/data/{sources.module_of(definition)}")(wildcards)


def own_files(wildcards):
    """A hash that changes when the user's own files do."""
    try:
        return prepare.fingerprint(
            config["dataset_definitions"][wildcards.dataset], config["resources"]
        )
    except FaithcamError as error:
        raise WorkflowError(f"data set {wildcards.dataset}: {error}") from None


def starting_weights(wildcards):
    """The file a model starts from: the user's own, the ImageNet download's record, or none."""
    own = config["trained_weights"].get(
        f"{wildcards.dataset}/{wildcards.model}/seed{wildcards.seed}"
    )
    if own:
        return {"trained": own}
    if config["training"]["pretrained"]:
        architecture = wildcards.model.rsplit("-", 1)[0]
        return {"imagenet": f"{RESULTS}/models/imagenet/{architecture}.json"}
    return {}


def figure(name, category):
    """A figure of one data set, with its caption for `snakemake --report`."""
    return report(
        f"{RESULTS}/figures/{name}-{{dataset}}.png",
        caption=f"../report/{name}.rst",
        category=category,
        labels={"data": "{dataset}", "figure": name.replace("_", " ")},
    )


def figures_of(metrics):
    """The figures of a data set with these metrics."""
    own = {
        "aopc": "aopc_curves",
        "max_sensitivity": "max_sensitivity",
        "haas": "haas",
    }
    shown = [own[metric] for metric in metrics if metric in own]
    paired = ["paired_differences"] if shown else []
    return ["examples", "completeness", *paired, *shown, "scoreboard"]


FIGURES = figures_of(MEASURED)


JUDGED = [name for name in DATASETS if judged.is_judged(config, name)]
VALIDITY_FIGURES = [
    name
    for name in ("decision", "sham", *judged.OF_METRICS)
    if any(name in judged.figures(config, dataset) for dataset in JUDGED)
]
CONTROL_FIGURES = [
    f"{RESULTS}/figures/{name}-{dataset}.png"
    for dataset in JUDGED
    for name in judged.figures(config, dataset)
] + [f"{RESULTS}/figures/decision-all.png"] * (len(JUDGED) > 1)
# what the parts of images contribute, where that is asked for
GOLD = [f"{RESULTS}/gold.parquet"] * any(
    judged.has_gold(config, dataset) for dataset in DATASETS
)
GOLD_FIGURE = [f"{RESULTS}/figures/gold-all.png"] * bool(GOLD)


def first_model(dataset):
    """A data set's first network, with a Flatten head if there is one."""
    models = [model for model in PRESENT if model[0] == dataset]
    return next(
        (model for model in models if head_of(model[1]) == "flatten"), models[0]
    )


def example_maps(wildcards):
    """The maps to show of that network."""
    model = first_model(wildcards.dataset)
    return files_of(
        f"{MAPS}/{{method}}/{{shard}}.parquet",
        "explain",
        model,
        method=exemplary(config["methods"], config["controls"], head_of(model[1])),
    )
