"""Problems of a config beyond its schema: what its keys say together."""

from collections.abc import Iterable, Mapping
from typing import Any

from faithcam.core.errors import FaithcamError, likely, unknown
from faithcam.experiment.axes import heads_of, of_dataset, planned
from faithcam.experiment.dataset_problems import dataset_problems
from faithcam.experiment.evaluations import CANDIDATES, EXPLAIN, TRUTH
from faithcam.experiment.given_problems import given_problems
from faithcam.experiment.path_problems import folder_problems, weights_problems
from faithcam.maps import registry as cams
from faithcam.metrics import registry as measures
from faithcam.metrics.accuracy.estimands import estimands_of
from faithcam.metrics.networks import NetworkSpec
from faithcam.models import registry as models
from faithcam.models.architecture import path_name

POOLED = "all"  # in the column dataset of validity.parquet
# names of maps in earlier versions, and what they are called now
RENAMED_MAPS = {
    "hirescam_minus_template": "expected_hirescam",
    "gradcam_minus_template": "expected_gradcam",
}


def problems(config: Mapping[str, Any]) -> Iterable[str]:
    """Yield a sentence for each problem of a config that its schema allows."""
    if wrong_names := list(_unknown_names(config)):  # what else is wrong may follow from these
        yield from wrong_names
        return
    if both := [name for name in config["controls"] if name in config["methods"]]:
        yield f"controls: {both} are methods too; name them once, controls may be []"
    yield from folder_problems(config)
    if POOLED in config["dataset_definitions"]:
        yield (
            f"dataset_definitions.{POOLED}: in tables this name means every data set; choose "
            "another"
        )
    imputers, regions = (config["aopc"]["strict"][key] for key in ("imputers", "regions"))
    if imputers[0] == "rerendered":
        yield (
            "aopc.strict.imputers: rerendered found first, the primary setting, but few data sets "
            "have it; put noise, mean or blur first"
        )
    if "native" in regions[1:]:
        yield (
            f"aopc.strict.regions: {regions} found; put native first, the primary setting, since a "
            "px size equal to the native cell is skipped"
        )
    radii = list(_radius_problems(config["max_sensitivity"]))
    fitting = True
    for name in config["datasets"]:
        if name not in config["dataset_definitions"]:
            known = ", ".join(config["dataset_definitions"])
            hint = likely(name, config["dataset_definitions"])
            yield f"datasets: {name!r} is not defined; {hint}dataset_definitions has {known}"
            return
        wrong = [*radii, *dataset_problems(config, name)]
        fitting = fitting and not wrong
        # evaluations can be listed only where nothing that they follow from is wrong
        yield from wrong or _method_problems(config, name)
    yield from _shard_problems(config)
    yield from _truth_problems(config["truth"])
    for name in config["concordance"]["estimands"]:
        if name not in config["truth"]["estimands"]:
            known = ", ".join(config["truth"]["estimands"])
            yield f"concordance.estimands: {name} found, expected some of truth.estimands: {known}"
    yield from _control_problems(config)
    confirm = config["concordance"]["confirm"]
    for name in confirm:
        if name not in config["dataset_definitions"]:
            known = config["dataset_definitions"]
            yield f"concordance.confirm: {unknown(name, known)}"
    if confirm and not set(config["datasets"]) - set(confirm):
        yield "concordance.confirm: all data sets found; leave one to choose on"
    if fitting:
        yield from weights_problems(config)
        yield from given_problems(config)
    if fitting and config["training"]["pretrained"]:
        for name in dict.fromkeys(architecture for _, architecture, _, _ in planned(config)):
            if name in models.ARCHITECTURES and models.ARCHITECTURES[name].imagenet is None:
                yield f"training.pretrained: there are no ImageNet weights for {name}"


def _radius_problems(settings: Mapping[str, Any]) -> Iterable[str]:
    strict, thesis = settings["strict"], settings["thesis"]
    if strict["primary_radius"] not in strict["radii"]:
        yield (
            f"max_sensitivity.strict.primary_radius: {strict['primary_radius']} is not one of "
            f"radii {strict['radii']}"
        )
    if len(thesis["radii"]) != len(thesis["samples"]):
        yield (
            f"max_sensitivity.thesis.samples: {len(thesis['samples'])} numbers found, expected "
            f"{len(thesis['radii'])}, one per radius"
        )


def _truth_problems(settings: Mapping[str, Any]) -> Iterable[str]:
    permutations, block = settings["permutations"], settings["block"]
    if permutations % block:
        yield (
            f"truth.permutations: {permutations} found, expected a multiple of truth.block "
            f"({block}), e.g. {-(-permutations // block) * block}"
        )


def _shard_problems(config: Mapping[str, Any]) -> Iterable[str]:
    """Yield what is wrong with the sizes of jobs: they hold whole micro-batches."""
    kinds = ["default", EXPLAIN, TRUTH, CANDIDATES, *measures.METRICS]
    for kind, images in config["images_per_job"].items():
        if kind not in kinds:
            yield f"images_per_job: {unknown(kind, kinds)}"
        elif kind != TRUTH and images % config["batch_size"]:
            batch = config["batch_size"]
            yield (
                f"images_per_job.{kind}: {images} found, expected a multiple of batch_size "
                f"({batch}), e.g. {-(-images // batch) * batch}"
            )


def _control_problems(config: Mapping[str, Any]) -> Iterable[str]:
    """Yield which controls a plugin's metric lacks that is judged: the truth, and a random map.

    Where a metric makes its maps itself, that is the sham: random ones are no network's.
    """
    for metric in config["concordance"]["primary"]:
        declared = measures.METRICS.declared.get(metric)
        if declared is None or declared.plugin is None:
            continue
        wrong_map = "sham" if declared.value.maps == "made" else "random"
        for dataset in config["datasets"]:
            measured = of_dataset(config, dataset, "metrics")
            where = f"concordance.primary: {metric} is a plugin's metric and is judged beside"
            if metric in measured and wrong_map not in [*config["methods"], *config["controls"]]:
                yield f"{where} a map that says nothing; add {wrong_map} to methods or controls"
            if metric in measured and "truth_agreement" not in measured:
                yield (
                    f"{where} the truth, of which truth_agreement knows how near maps are; add it "
                    f"to metrics (data set {dataset})"
                )


def _unknown_names(config: Mapping[str, Any]) -> Iterable[str]:
    for key in ("methods", "controls"):
        for name in RENAMED_MAPS:
            if name in config[key]:
                new = RENAMED_MAPS[name]
                yield f"{key}: {name} is a name of earlier versions; write {new} instead"
                return
        try:
            cams.check(config[key], key, config["maps_from"])
        except FaithcamError as error:
            yield str(error)
    for name in config["architectures"]:  # also where every data set has its own
        try:
            models.find(name, config["resources"])
        except FaithcamError as error:
            yield str(error)
    for place, names in _metric_names(config).items():
        try:
            measures.check(names, place)
        except FaithcamError as error:
            yield str(error)


def _metric_names(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the lists of metrics in a config, by the key they stand in."""
    of_datasets = {
        f"dataset_definitions.{name}.metrics": definition["metrics"]
        for name, definition in config["dataset_definitions"].items()
        if "metrics" in definition
    }
    primary = {f"{key}.primary": config[key]["primary"] for key in ("concordance", "statistics")}
    return {"metrics": config["metrics"], **of_datasets, **primary}


def _method_problems(config: Mapping[str, Any], dataset: str) -> Iterable[str]:
    methods = config["methods"]
    architectures = of_dataset(config, dataset, "architectures")
    of_heads: dict[str, list[str]] = {}
    for architecture in architectures:
        for head in heads_of(config, dataset, architecture):
            of_heads.setdefault(head, []).append(path_name(architecture))
    for head, named in of_heads.items():
        usable = cams.supported(methods, head)
        if not usable:
            yield f"methods: none of {methods} can explain networks with head {head}"
            continue
        if head == "other" and config["precision"] == "bfloat16":
            yield f"precision: bfloat16 found, but networks with head other ({named}) need float32"
        for architecture in named:
            network = NetworkSpec.of(config, dataset, architecture, head)
            for metric in of_dataset(config, dataset, "metrics"):
                spec = measures.METRICS[metric]
                of_truth = "truth" in spec.needs
                if not spec.supports(network)[0] or (of_truth and network.twin):
                    continue
                if of_truth and not estimands_of(config, network):
                    yield (
                        f"truth.estimands: {config['truth']['estimands']} found, but {metric} "
                        f"needs one that the images of data set {dataset} allow, e.g. background"
                    )
                    continue
                if not spec.compared:
                    continue
                evaluations = measures.evaluations(config, metric, network)
                if not any({*usable} & {*evaluation.methods} for evaluation in evaluations):
                    yield (
                        f"methods: {usable} do not depend on the network, or need passes of their "
                        f"own for every map, so {metric} has nothing to measure with head {head}; "
                        "add gradcam or hirescam"
                    )
    if "feature_aopc" in of_dataset(config, dataset, "metrics"):
        if "hirescam" not in [*config["methods"], *config["controls"]]:
            yield "metrics: feature_aopc is computed from HiResCAM's maps; add hirescam to methods"
        if "strict" not in config["protocols"]:
            yield "metrics: feature_aopc belongs to the strict protocol; add strict to protocols"
