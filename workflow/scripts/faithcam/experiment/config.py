"""Reading an experiment's configuration, and checking it before anything runs."""

import copy
import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from faithcam.core.errors import FaithcamError, likely, unknown
from faithcam.data import definitions as data
from faithcam.data import medmnist
from faithcam.maps import registry as cams
from faithcam.metrics import registry as measures
from faithcam.metrics.networks import NetworkSpec
from faithcam.metrics.regions import regions_of
from faithcam.metrics.specs.normalised_aopc import MOST_SEARCHED
from faithcam.models import registry as models
from faithcam.models.architecture import path_name

# keys of the experiment that a data set's definition can replace for its own networks
OVERRIDES = ("architectures", "heads", "seeds", "metrics", "explained_images")


def read(files: Sequence[Path | str]) -> dict[str, Any]:
    """Return the config that Snakemake makes of these files: each is merged over those before it.

    Dictionaries are merged key by key, anything else is replaced.

    Raises:
        FaithcamError: if a file is missing or is no YAML with keys at its top.
    """
    config: dict[str, Any] = {}
    for file in files:
        try:
            content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FaithcamError(f"{file}: no such config file; check CONFIG or the path") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise FaithcamError(f"{file}: cannot be read as YAML: {error}") from None
        if not isinstance(content, dict):
            raise FaithcamError(
                f"{file}: {type(content).__name__} found, expected keys and values, e.g. "
                "`results: results/mine`"
            )
        config = merged(config, content)
    return config


def merged(config: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with another merged over it, as Snakemake merges them."""
    result = dict(config)
    for key, value in over.items():
        if isinstance(value, Mapping):
            below = result.get(key)
            result[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def ordered(value: Any) -> Any:
    """Return a part of a config with sorted keys: their order depends on how files were given."""
    if isinstance(value, Mapping):
        return {key: ordered(value[key]) for key in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


def validate(config: Mapping[str, Any], schema_file: Path) -> None:
    """Check a merged config: types and ranges by the schema, then what keys say together.

    Raises:
        FaithcamError: naming every wrong key, what was found, what was expected.
    """
    known = schema(schema_file)
    for name in measures.METRICS:  # a metric of the user's own may have a section, too
        known["properties"].setdefault(name, {"type": "object"})
    errors = sorted(
        jsonschema.Draft202012Validator(known).iter_errors(dict(config)),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    if errors:
        raise FaithcamError("config: " + "\n  ".join(_explain(error) for error in errors))
    problems = list(dict.fromkeys(_problems(config)))
    if problems:
        raise FaithcamError("config: " + "\n  ".join(problems))


def schema(file: Path) -> dict[str, Any]:
    """Return the schema with every source of images: the file's, then the published collections."""
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    definition = found["properties"]["dataset_definitions"]["additionalProperties"]
    sources = definition["allOf"]
    for name, collection in data.COLLECTIONS.items():
        shape = copy.deepcopy(found["$defs"]["collection"])
        for split in collection.fixed:
            del shape["properties"][split]
        shape["properties"] |= collection.options
        sources.append({"if": {"properties": {"source": {"const": name}}}, "then": shape})
    names = [source["if"]["properties"]["source"]["const"] for source in sources]
    definition["properties"] = {"source": {"enum": names}}
    return found


def _explain(error: jsonschema.ValidationError) -> str:
    schema: Any = error.schema
    where = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = list(schema.get("properties", {}))
        found: Any = error.instance
        unknown = [key for key in found if key not in known]
        hints = []
        for key in unknown:
            close = difflib.get_close_matches(str(key), known, 1)
            hints.append(
                f"{where + '.' if where else ''}{key}: unknown key"
                + (
                    f"; did you mean {close[0]}?"
                    if close
                    else f"; known keys: {', '.join(map(str, known))}"
                )
            )
        return "\n  ".join(hints)
    if error.validator == "required":
        return f"{where or 'the file'}: {error.message}"
    if error.validator == "enum":
        allowed: Any = error.validator_value
        choices = ", ".join(str(value) for value in allowed)
        return f"{where}: {error.instance!r} found, expected one of: {choices}"
    if error.validator == "type" and schema["type"] == "array":
        return f"{where}: {error.instance!r} found, expected a list: [{error.instance}]"
    described = schema.get("description", "") if isinstance(schema, dict) else ""
    return f"{where}: {error.message}" + (f" ({described})" if described else "")


def _problems(config: Mapping[str, Any]) -> Iterable[str]:
    if unknown := list(_unknown_names(config)):  # what else is wrong may follow from these
        yield from unknown
        return
    if both := [name for name in config["controls"] if name in config["methods"]]:
        yield f"controls: {both} are methods too; name them once, controls may be []"
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
    for name in config["datasets"]:
        if name not in config["dataset_definitions"]:
            known = ", ".join(config["dataset_definitions"])
            hint = likely(name, config["dataset_definitions"])
            yield f"datasets: {name!r} is not defined; {hint}dataset_definitions has {known}"
            return
        wrong = [*radii, *_dataset_problems(config, name), *_task_problems(config, name)]
        # evaluations can be listed only where nothing that they follow from is wrong
        yield from wrong or _method_problems(config, name)
    yield from _shard_problems(config)
    networks = {f"{d}/{a}-{h}/seed{s}" for d, a, h, s in planned(config)}
    for name in config["trained_weights"]:
        if name not in networks:
            close = difflib.get_close_matches(name, sorted(networks), 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield f"trained_weights: {name} is no model of this experiment{hint}"
        elif not Path(config["trained_weights"][name]).is_file():
            yield f"trained_weights: {config['trained_weights'][name]} does not exist ({name})"
    if config["training"]["pretrained"]:
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


def _shard_problems(config: Mapping[str, Any]) -> Iterable[str]:
    """Yield what is wrong with the sizes of jobs: they hold whole micro-batches."""
    for kind, images in config["images_per_job"].items():
        if kind not in ("default", "explain", *measures.METRICS):
            yield f"images_per_job: {unknown(kind, ['default', 'explain', *measures.METRICS])}"
        elif images % config["batch_size"]:
            batch = config["batch_size"]
            yield (
                f"images_per_job.{kind}: {images} found, expected a multiple of batch_size "
                f"({batch}), e.g. {-(-images // batch) * batch}"
            )


def _unknown_names(config: Mapping[str, Any]) -> Iterable[str]:
    for key in ("methods", "controls"):
        try:
            cams.check(config[key], key)
        except FaithcamError as error:
            yield str(error)
    for place, names in _metric_names(config).items():
        try:
            measures.check(names, place)
        except FaithcamError as error:
            yield str(error)


def _metric_names(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the lists of metrics in a config, by the key they stand in."""
    own = {
        f"dataset_definitions.{name}.metrics": definition["metrics"]
        for name, definition in config["dataset_definitions"].items()
        if "metrics" in definition
    }
    return {"metrics": config["metrics"], **own}


def _method_problems(config: Mapping[str, Any], dataset: str) -> Iterable[str]:
    methods = config["methods"]
    for head in own(config, dataset, "heads"):
        usable = cams.supported(methods, head)
        if not usable:
            yield f"methods: none of {methods} can explain networks with head {head}"
            continue
        for architecture in map(path_name, own(config, dataset, "architectures")):
            network = NetworkSpec.of(config, dataset, architecture, head)
            for metric in own(config, dataset, "metrics"):
                facts = measures.METRICS[metric]
                if not (facts.compared and facts.supports(network)[0]):
                    continue
                asked = measures.evaluations(config, metric, network)
                if not any({*usable} & {*evaluation.methods} for evaluation in asked):
                    yield (
                        f"methods: {usable} do not depend on the network, or need passes of their "
                        f"own for every map, so {metric} has nothing to measure with head {head}; "
                        "add gradcam or hirescam"
                    )
    if "feature_aopc" in own(config, dataset, "metrics"):
        if "hirescam" not in [*config["methods"], *config["controls"]]:
            yield "metrics: feature_aopc is computed from HiResCAM's maps; add hirescam to methods"
        if "strict" not in config["protocols"]:
            yield "metrics: feature_aopc belongs to the strict protocol; add strict to protocols"


def _dataset_problems(config: Mapping[str, Any], name: str) -> Iterable[str]:
    definition = config["dataset_definitions"][name]
    problem = ""
    if definition["source"] == "medmnist":
        try:
            medmnist.check(definition["flag"], definition["size"])
        except FaithcamError as error:
            problem = str(error)
            yield f"dataset_definitions.{name}.flag: {problem}"
    for key in {"folder": ("path",), "medmnist": ("masks",)}.get(definition["source"], ()):
        if definition.get(key) and not Path(definition[key]).exists():
            yield f"dataset_definitions.{name}.{key}: {definition[key]} does not exist"
    size = definition["size"]
    for architecture in own(config, name, "architectures"):
        try:
            models.check(architecture, size)
        except FaithcamError as error:
            yield f"{error} (data set {name})"
    yield from _volume_problems(config, name)
    own_region = config["normalised_aopc"]["region"]
    for key, listed in (
        ("aopc.thesis.regions", config["aopc"]["thesis"]["regions"]),
        ("aopc.strict.regions", config["aopc"]["strict"]["regions"]),
        ("multiverse.regions", config["multiverse"]["regions"]),
        ("normalised_aopc.region", [own_region]),
    ):
        large = sorted({r for r in listed if r != "native" and r > size})
        if large:
            yield f"{key}: {large} px found, larger than the {size} px images of data set {name}"
    found = regions_of(size, own_region)
    if "normalised_aopc" in own(config, name, "metrics") and found > MOST_SEARCHED:
        yield (
            f"normalised_aopc.region: {own_region} px found, {found} regions of the {size} px "
            f"images of data set {name}, expected at most {MOST_SEARCHED}; use larger regions"
        )
    count, split = explained_images(config, name), explained_split(config, name)
    if definition["source"] == "folder":
        images = _images_of_folder(config, name)
    else:  # the splits of patients are known only once they are prepared
        known_now = not problem and data.is_exact(definition)
        images = data.split_images(definition) if known_now else None
    if images and count > images[split]:
        known = f"{images[split]} {split} images"
        yield f"explained_images: {count} found, but data set {name} has {known}"


def _images_of_folder(config: Mapping[str, Any], name: str) -> dict[str, int] | None:
    """Return a folder's images by split; None if it cannot be read, which preparing it says."""
    from faithcam.data.sources import folder

    try:
        return folder.split_images(name, config["dataset_definitions"][name], config["seed"])
    except (FaithcamError, OSError):
        return None


def _volume_problems(config: Mapping[str, Any], name: str) -> Iterable[str]:
    """Yield the networks for volumes of a data set of images, and the other way round."""
    volumes = bool(data.slices(config["dataset_definitions"][name]))
    for architecture in own(config, name, "architectures"):
        known = models.ARCHITECTURES.get(path_name(architecture))
        if known and known.volumes != volumes:
            fitting = [a for a, other in models.ARCHITECTURES.items() if other.volumes == volumes]
            yield (
                f"architectures: {architecture} takes {('images', 'volumes')[known.volumes]}, but "
                f"data set {name} has {('images', 'volumes')[volumes]}; choose from "
                f"{', '.join(fitting)}, e.g. in dataset_definitions.{name}.architectures"
            )
    for key in ("methods", "controls"):
        flat = [m for m in config[key] if not cams.METHODS[m].volumes]
        if volumes and flat:
            yield f"{key}: {flat} have no maps of volumes, but data set {name} has volumes"


def _task_problems(config: Mapping[str, Any], name: str) -> Iterable[str]:
    """Yield what is wrong with a phantom's task or a data set's control."""
    definition, where = config["dataset_definitions"][name], f"dataset_definitions.{name}"
    task = definition.get("task")
    if task == "shortcut" and "rho" not in definition:
        yield f"{where}.rho: missing; a shortcut needs it: 0 (no shortcut) to 1 (always)"
    if task != "shortcut" and "rho" in definition:
        yield f"{where}.rho: found with task {task or 'none'}; only task: shortcut has a marker"
    if task == "position" and "vertical" in config["training"]["flips"]:
        yield (
            f"training.flips: vertical found, but it exchanges upper and lower, classes of data "
            f"set {name}; use [horizontal]"
        )
    if definition.get("control") == "untrained":
        for network in config["trained_weights"]:
            if network.startswith(f"{name}/"):
                yield f"trained_weights: {network} is of a data set with control: untrained"


def own(config: Mapping[str, Any], dataset: str, key: str) -> Any:
    """Return a setting of a data set: its own in dataset_definitions, or the experiment's.

    Args:
        config: the experiment's.
        dataset: a key of ``dataset_definitions``.
        key: one of OVERRIDES.
    """
    return config["dataset_definitions"][dataset].get(key, config[key])


def planned(config: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Return (data set, architecture, head, training seed) of every network of the experiment.

    Architectures have the names that are parts of paths.
    """
    return [
        (dataset, path_name(architecture), head, seed)
        for dataset in config["datasets"]
        for architecture in own(config, dataset, "architectures")
        for head in own(config, dataset, "heads")
        for seed in own(config, dataset, "seeds")
    ]


def metrics(config: Mapping[str, Any]) -> list[str]:
    """Return the metrics of all data sets, each once: the experiment's first."""
    used = {metric for name in config["datasets"] for metric in own(config, name, "metrics")}
    return [name for name in config["metrics"] if name in used] + sorted(
        used - {*config["metrics"]}
    )


def unused_metrics(config: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each metric that applies to no network of the experiment, and why."""
    reasons: dict[str, set[str]] = {}
    used = set()
    for dataset, architecture, head, _ in planned(config):
        network = NetworkSpec.of(config, dataset, architecture, head)
        for name in own(config, dataset, "metrics"):
            able, reason = measures.METRICS[name].supports(network)
            if able:
                used.add(name)
            reasons.setdefault(name, set()).add(reason)
    return [
        f"{name} is left out: it {' and '.join(sorted(found))}"
        for name, found in reasons.items()
        if name not in used
    ]


def explained_images(config: Mapping[str, Any], dataset: str) -> int:
    """Return how many images of a data set are explained: its own number, or the experiment's."""
    return int(own(config, dataset, "explained_images"))


def explained_split(config: Mapping[str, Any], dataset: str) -> str:
    """Return whose images are explained: test, or val."""
    return str(config["dataset_definitions"][dataset].get("explained_split", "test"))


def images_definition(config: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """Return what a data set's images depend on in its definition."""
    definition = config["dataset_definitions"][dataset]
    others = (*OVERRIDES, "explained_split")
    return {key: value for key, value in definition.items() if key not in others}


def data_folder(config: Mapping[str, Any], dataset: str, seed: int | str) -> str:
    """Return the folder of a network's images below ``results/data``."""
    if data.is_planted(config["dataset_definitions"][dataset]):
        return f"{dataset}/seed{seed}"
    return dataset


def is_exempt(definition: Mapping[str, Any]) -> bool:
    """Return whether a data set's networks need no accuracy: they are controls, or misled."""
    return definition.get("task") == "shortcut" or definition.get("control", "none") != "none"
