# What the rules of one stage alone ask of a data set or a network, from data to report.
from faithcam.data import fingerprints
from faithcam.experiment import figures as drawn
from faithcam.maps.given import file_of
from faithcam.maps.registry import beside_truth, exemplary


def downloaded(wildcards):
    """Records of the downloads that a data set is made from."""
    definition = config["dataset_definitions"][wildcards.dataset]
    return [f"{DATA}/download.json"] if sources.is_downloaded(definition) else []


def of_download(wildcards):
    """What a download depends on."""
    definition = config["dataset_definitions"][wildcards.dataset]
    keys = ("source", "flag", "size") if "flag" in definition else ("source",)
    return {key: definition[key] for key in keys}


def facts_code(wildcards):
    """Hash of the files that state what a published data set holds; "" for other sources."""
    files = sources.fact_files(config["dataset_definitions"][wildcards.dataset])
    return provenance.code_version(files[0]) if files else ""


def source_code(wildcards):
    """Hash of the code that makes the images of a data set's source, of no other source's."""
    definition = config["dataset_definitions"][wildcards.dataset]
    source = sources.module_of(definition).replace(".", "/")
    return code(f"faithcam/data/{source}")(wildcards)


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


def of_training(wildcards):
    """Settings of a training; of a network of the user's own its name, too."""
    definition = config["dataset_definitions"][wildcards.dataset]
    own = PLAN.own(PLAN.network(wildcards.dataset, wildcards.model))
    weights = starting_weights(wildcards).get("trained")
    return chosen(
        *("seed", "device", "threads", "training"),
        control=definition.get("control", "none"),
        **({"network": own} if own else {}),
        **({"weights": content(weights)} if weights else {}),
    )


def content(path):
    """A hash of a user's file: one that is older than that it replaces is noticed, too."""
    try:
        return fingerprints.of_content(path)
    except FaithcamError as error:
        raise WorkflowError(str(error)) from None


def training_limit(wildcards, attempt):
    """Minutes of a training; it goes on from its last epoch if they do not suffice."""
    images = costs.split_images(config, wildcards.dataset)
    if images is None:  # known only once the user's images are prepared
        return min(attempt * 240, costs.LONGEST)
    network = PLAN.network(wildcards.dataset, wildcards.model)
    seconds = costs.training_seconds(PLAN, network, images)
    return costs.limit_minutes(seconds, attempt)


def given_maps(wildcards):
    """The user's file of a network's maps."""
    network = f"{wildcards.dataset}/{wildcards.model}/seed{wildcards.seed}"
    try:
        return str(file_of(config["maps_from"][wildcards.method], network))
    except FaithcamError as error:
        raise WorkflowError(f"maps_from: {error}") from None


def of_given(wildcards):
    """Settings of a job that takes in maps of a shard."""
    grids = PLAN.network(wildcards.dataset, wildcards.model).grids
    return {
        **of_shard(wildcards),
        "file": content(given_maps(wildcards)),
        "cells": list(grids.cells),
        "pixels": list(grids.pixels),
    }


def maps_of_shard(wildcards):
    """The maps that a metric's shard needs; their shards may be others than its own."""
    network = PLAN.network(wildcards.dataset, wildcards.model)
    shards = PLAN.shards(EXPLAIN, network)
    return expand(
        f"{MAPS}/{{method}}/{{shard}}.parquet",
        dataset=wildcards.dataset,
        model=wildcards.model,
        seed=wildcards.seed,
        method=network.everything,
        shard=[s for s in shards if sharding.overlap(s, wildcards.shard)],
    )


def of_truth(wildcards):
    """Settings of the jobs of what cells contribute."""
    network = PLAN.network(wildcards.dataset, wildcards.model)
    return {**of_shard(wildcards), **PLAN.truth_settings(network)}


def subgroups_asked(wildcards):
    """What a data set's definition asks of the user's CSV, and what is there now."""
    from faithcam.data import subgroups  # which reads with libraries that few runs need

    definition = config["dataset_definitions"][wildcards.dataset]
    columns = subgroups.read(Path(definition["path"]), definition["subgroups"])
    return {
        "definition": {key: definition[key] for key in ("path", "subgroups")},
        "fingerprint": subgroups.fingerprint(columns),
    }


# data set and architecture of the networks whose score is a sum over cells
ADDITIVE = [
    [network.dataset, network.architecture]
    for network in PLAN.networks
    if PLAN.is_additive(network)
]
# what no evaluation depends on
OPERATION = (
    "results resources plugins seed device precision threads batch_size images_per_job container "
    "incomplete training trained_weights maps_from concordance statistics report"
).split()


def of_evaluations():
    """The parts of the config that the list of all evaluations depends on."""
    keys = [key for key in config if key not in OPERATION]
    asked = {"evaluations": config["concordance"]["evaluations"]}
    # what was measured of the user's own networks is there
    own = ["resources"] * any(PLAN.own(network) for network in PLAN.networks)
    # networks of one kind are scored alike, whatever their training seeds
    return chosen(*keys, *own, seeds=[0], concordance=asked)


def code_of_evaluations():
    """Hash of the code that lists them: the specs of data sets, metrics, methods and networks."""
    files = [metrics_registry.spec_file(name) for name in MEASURED] + FACT_FILES
    files += cams.files([*config["methods"], *config["controls"]])
    for architecture in {network.architecture for network in PLAN.networks}:
        files += networks.files(architecture, config["resources"])
    return provenance.code_version(SCRIPTS / "declare_evaluations.py", files)


def maps_of(metric):
    """What a metric's jobs read of stored maps: nothing, where it makes its own."""
    stored = metrics_registry.METRICS[metric].maps == "stored"
    return maps_of_shard if stored else []


ON_CANDIDATES = (
    f"{RESULTS}/concordance/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.parquet"
)


def candidate_files(model):
    """What metrics say of the candidates of a model (dataset, model, seed); none without truth."""
    asked = PLAN.asked_of_candidates(PLAN.network(*model[:2]))
    return files_of(ON_CANDIDATES, CANDIDATES, model) if asked else []


def of_candidates(wildcards):
    """Settings of a job on candidates."""
    network = PLAN.network(wildcards.dataset, wildcards.model)
    return {**of_shard(wildcards), **PLAN.candidate_settings(network)}


def truth_of_network(wildcards):
    """The truth of all images of a network that have one."""
    model = (wildcards.dataset, wildcards.model, wildcards.seed)
    return truth_files(f"{TRUTH}/{{shard}}.parquet", model)


def truth_of(metric):
    """What a metric's jobs read of the truth: nothing, where it does not need it."""
    needed = "truth" in metrics_registry.METRICS[metric].needs
    return truth_of_network if needed else []


def figure(name, category):
    """A figure of one data set, with its caption for `snakemake --report`."""
    return report(
        f"{RESULTS}/figures/{name}-{{dataset}}.png",
        caption=f"../report/{name}.rst",
        category=category,
        labels={"data": "{dataset}", "figure": name.replace("_", " ")},
    )


def first_model(dataset):
    """A data set's first network, without a GAP head if there is one."""
    models = [model for model in PRESENT if model[0] == dataset]
    return drawn.first(models, lambda model: head_of(model[1]))


def maps_there(model):
    """The methods and controls of a model, and its head."""
    network = PLAN.network(*model[:2])
    return [*network.methods], [*network.controls], network.head


def example_maps(wildcards):
    """The maps to show of that network."""
    model = first_model(wildcards.dataset)
    return files_of(
        f"{MAPS}/{{method}}/{{shard}}.parquet",
        EXPLAIN,
        model,
        method=exemplary(*maps_there(model)),
    )


def first_with_truth(dataset):
    """A data set's first network with a truth, without a GAP head if there is one."""
    models = [
        model
        for model in PRESENT
        if model[0] == dataset and PLAN.estimands(PLAN.network(*model[:2]))
    ]
    return drawn.first(models, lambda model: head_of(model[1]))


def maps_beside_truth(wildcards):
    """The maps to show beside the truth of that network."""
    model = first_with_truth(wildcards.dataset)
    return files_of(
        f"{MAPS}/{{method}}/{{shard}}.parquet",
        EXPLAIN,
        model,
        method=beside_truth(*maps_there(model)),
    )
