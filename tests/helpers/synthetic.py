"""Tables as the stages before the statistics write them, with a known effect in them."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa

from faithcam.core.setting import Setting
from faithcam.experiment import datasets
from faithcam.maps.tables import COMPLETENESS
from faithcam.metrics import registry
from faithcam.metrics.tables import CURVES, EVALUATIONS, SCORES
from faithcam.models.tables import MODELS
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.results.tables import CHECKS

CONFIG = {
    "seed": 1,
    "explained_images": 24,
    "datasets": ["phantom"],
    "dataset_definitions": {"phantom": {"source": "phantom"}, "other": {"source": "folder"}},
    "architectures": ["resnet_small", "vgg_small"],
    "heads": ["flatten", "gap"],
    "seeds": [0, 1, 2],
    "gap_twins": "all",
    "methods": ["cam", "gradcam", "hirescam", "random"],
    "metrics": ["aopc", "max_sensitivity", "haas"],
    "protocols": ["thesis", "strict"],
    "aopc": {
        "thesis": {"regions": [16, 8]},
        "strict": {
            "regions": ["native", 16],
            "imputers": ["noise"],
            "draws": 1,
            "fractions": [0.1, 0.5],
        },
    },
    "max_sensitivity": {
        "thesis": {"radii": [0.1, 0.2, 0.4], "samples": [8, 8, 12]},
        "strict": {"radii": [0.1, 0.2, 0.4], "samples": 10, "primary_radius": 0.2},
    },
    "haas": {"strict": {"constant": 0.5}},
    "concordance": {"confirm": []},
    "statistics": {
        "confidence": 0.95,
        "resamples": 200,
        "primary": ["aopc", "max_sensitivity", "haas"],
    },
}

SMALL = CONFIG | {
    "explained_images": 16,
    "aopc": {
        "thesis": {"regions": [16]},
        "strict": {"regions": ["native"], "imputers": ["noise"], "draws": 1, "fractions": []},
    },
    "max_sensitivity": {
        "thesis": {"radii": [0.2], "samples": [8]},
        "strict": {"radii": [0.2], "samples": 10, "primary_radius": 0.2},
    },
}


@dataclass
class Run:
    """Everything that an experiment leaves for the statistics, and its config."""

    scores: pa.Table
    models: pa.Table
    checks: pa.Table
    curves: pa.Table
    config: dict
    evaluations: Evaluations


def named(**values):
    """Return the setting with these values, as it stands in tables."""
    return str(Setting.of(**values))


def known(config):
    """Return a config with what the rules pass beside it: facts of data sets, and the plan."""
    return config | {"data": datasets.specs(config), "plan": datasets.plan(config)}


def small(**changes):
    """Return the config with few settings, top-level keys replaced."""
    return known(SMALL | changes)


def primary(protocol="strict", config=CONFIG):
    """Return the primary setting of each published metric, as text."""
    aopc, sens = config["aopc"], config["max_sensitivity"]
    if protocol == "thesis":
        noise = {"draws": 1, "imputer": "noise", "order": "morf", "output": "probability"}
        radius = sens["strict"]["primary_radius"]
        samples = dict(zip(sens["thesis"]["radii"], sens["thesis"]["samples"], strict=True))
        actual = {
            "aopc": Setting.of(**noise, region=aopc["thesis"]["regions"][0]),
            "max_sensitivity": Setting.of(
                radius=radius, samples=samples[radius], version="absolute"
            ),
            "haas": Setting.parse("explained_class=label"),
        }
    else:
        strict = aopc["strict"]
        kind = {"imputer": strict["imputers"][0], "order": "morf", "output": "probability"}
        of_radius = {"radius": sens["strict"]["primary_radius"], "version": "relative"}
        actual = {
            "aopc": Setting.of(
                **kind, draws=strict["draws"], region=strict["regions"][0], replicate=0
            ),
            "max_sensitivity": Setting.of(
                **of_radius, samples=sens["strict"]["samples"], replicate=0
            ),
            "haas": Setting.parse("explained_class=predicted"),
        }
    return {metric: str(setting) for metric, setting in actual.items()}


KEY = ["dataset", "architecture", "head", "protocol", "metric", "setting"]


def evaluations(*scores, config=CONFIG, chosen=()):
    """Return what declares some scores, see :func:`evaluation_table`."""
    return Evaluations(evaluation_table(*scores, config=config, chosen=chosen))


def evaluation_table(*scores, config=CONFIG, chosen=()):
    """Return the rows that declare some scores: the config's primary settings, facts, replicates.

    Args:
        scores: tables with the columns of scores that name an evaluation, and ``method``.
        config: that the published metrics' primary settings are of.
        chosen: (protocol, metric, setting) of further primary ones.
    """
    known = {
        *chosen,
        *((p, m, s) for p in ("thesis", "strict") for m, s in primary(p, config).items()),
    }
    actual = {}
    for table in scores:
        names = table.select([*KEY, "method"]).to_pandas().drop_duplicates()
        for *key, method in names.itertuples(index=False, name=None):
            actual.setdefault(tuple(key), []).append(method)
    return pa.Table.from_pylist(
        [_declared(key, methods, known) for key, methods in actual.items()],
        EVALUATIONS,
    )


def _declared(key, methods, known):
    row, setting = dict(zip(KEY, key, strict=True)), Setting.parse(key[-1])
    spec = registry.METRICS[row["metric"]]
    role, first = "variant", ""
    if setting.get("replicate") == "1":
        role, first = "replicate", str(setting.replace(replicate=0))
    elif setting.get("output") == "tied_share" or setting.get("version") == "flips":
        role = "fact"
    elif key[3:] in known:
        role = "primary"
    lower = setting.get("order") == "lerf" or setting.get("metric") == "max_sensitivity"
    return row | {
        "role": role,
        "judged": role == "primary" and row["protocol"] == "strict",
        "replicate_of": first,
        "methods": methods,
        "passes": 1.0,
        "title": spec.title,
        "larger_is_better": spec.larger_is_better != lower,
        "lowest": spec.range[0],
        "highest": spec.range[1],
        "reference": setting.get("imputer", spec.reference),
        "needs_masks": "masks" in spec.needs,
        **{
            name: getattr(spec, name)
            for name in ("compared", "published", "binary", "all_images", "drawn_per_network")
        },
    }


def _maps(head, methods):
    return [m for m in methods if m != "cam" or head == "gap"]


def _settings(config):
    """Yield (protocol, metric, setting, extra methods, whether image-free maps are scored)."""
    aopc, sens = config["aopc"], config["max_sensitivity"]
    for region in aopc["thesis"]["regions"]:
        text = named(draws=1, imputer="noise", order="morf", output="probability", region=region)
        yield "thesis", "aopc", text, [], True
    strict = aopc["strict"]
    for i, (imputer, region, output, order, fraction) in enumerate(
        product(
            strict["imputers"],
            strict["regions"],
            ["probability", "logit"],
            ["morf", "lerf", "srg"],
            [None, *strict["fractions"]],
        )
    ):
        pairs = {
            "draws": strict["draws"],
            "imputer": imputer,
            "order": order,
            "output": output,
            "region": region,
        }
        if fraction:
            pairs["fraction"] = fraction
        extra = ["random_order"] if order == "morf" else []
        for replicate in (0, 1) if i == 0 else (0,):
            yield "strict", "aopc", named(**pairs, replicate=replicate), extra, True
    for region in strict["regions"]:
        yield "strict", "aopc", named(output="tied_share", region=region), [], True
    for radius, samples in zip(sens["thesis"]["radii"], sens["thesis"]["samples"], strict=True):
        text = named(radius=radius, samples=samples, version="absolute")
        yield "thesis", "max_sensitivity", text, [], False
    strict = sens["strict"]
    for radius, version in product(strict["radii"], ["absolute", "relative", "rank", "flips"]):
        for replicate in (0, 1) if radius == strict["primary_radius"] else (0,):
            text = named(
                radius=radius, samples=strict["samples"], replicate=replicate, version=version
            )
            only = ["prediction"] if version == "flips" else []
            yield "strict", "max_sensitivity", text, only, False
    yield "thesis", "haas", "explained_class=label", [], True
    yield "strict", "haas", "explained_class=label", [], True
    nulls = ["null_blank", "null_constant", "null_shuffled"]
    yield "strict", "haas", "explained_class=predicted", nulls, True
    yield "strict", "haas", "explained_class=predicted;outcome=kept", nulls, True


QUALITY = {
    "hirescam": 0.0,
    "gradcam": 0.0,
    "cam": 0.0,
    "sobel": -0.05,
    "centre": -0.06,
    "random": -0.1,
    "random_order": -0.11,
}


def run(effect=1.0, noise=1.0, excluded=(), without=(), seed=0, config=CONFIG):
    """Return a whole synthetic experiment.

    Args:
        effect: how much better HiResCAM does on Flatten heads (0: not at all, negative: worse).
        noise: size of the noise streams.
        excluded: (architecture, head, seed) of models that are no better than chance.
        without: (architecture, head, seed) of models that are missing.
        seed: seed of the numbers.
        config: the experiment.
    """
    columns = {name: [] for name in SCORES.names}
    models, checks, curves = [], [], []
    images = np.arange(config["explained_images"]) * 3 + 1
    n = len(images)
    for d, dataset in enumerate(config["datasets"]):
        labels = np.random.default_rng([seed, d]).integers(0, 3, n)
        for a, architecture in enumerate(config["architectures"]):
            for head, training in product(config["heads"], config["seeds"]):
                key = (architecture, head, training)
                if key in without:
                    continue
                rng = np.random.default_rng([seed, d, a, head == "gap", training])
                advantage = 0.0 if head == "gap" else effect * rng.normal(1, 0.35)
                correct = rng.random(n) < 0.92
                predicted = np.where(correct, labels, (labels + 1) % 3)
                drop = rng.beta(4, 3, n) * (0.8 + 0.1 * a)
                frail = rng.gamma(6, 1 / 6, n)
                blank = rng.random(n) < 0.06
                name = dict(zip(SCORES.names[:4], (dataset, *key), strict=True))
                for protocol, metric, setting, extra, image_free in _settings(config):
                    if protocol not in config["protocols"] or metric not in config["metrics"]:
                        continue
                    pairs = Setting.parse(setting)
                    maps = _maps(head, config["methods"])
                    if not image_free:
                        maps = [m for m in maps if m in ("cam", "gradcam", "hirescam")]
                    if extra == ["prediction"]:
                        maps = []
                    replicate = np.random.default_rng(
                        [seed, d, a, training, pairs.get("replicate") == "1"]
                    )
                    shared = replicate.normal(0, 0.01 * noise, n)
                    of_hires = replicate.normal(0, 0.012 * noise, n)
                    accident = replicate.random(n)
                    for method in maps + extra:
                        hires = method == "hirescam" and head == "flatten"
                        status = np.full(n, "ok", object)
                        if pairs.get("output") == "tied_share":
                            value = np.full(n, 0.02)
                        elif metric == "aopc":
                            base = drop + QUALITY[method]
                            value = base + shared + hires * (0.02 * advantage + of_hires)
                            if pairs["order"] == "lerf":
                                value = 0.45 * base - hires * 0.02 * advantage
                            if pairs["order"] == "srg":
                                value = 0.55 * base + hires * 0.04 * advantage
                            value = value * (6 if pairs["output"] == "logit" else 1)
                            value = value * (float(pairs.get("fraction", 1)) ** 0.7)
                        elif metric == "max_sensitivity":
                            radius = float(pairs["radius"])
                            scale = {"absolute": 30.0, "relative": 1.0, "rank": 0.5, "flips": 0.2}
                            value = scale[pairs["version"]] * radius**0.8 * frail
                            value = value * (1 - hires * 0.15 * advantage)
                            value = (
                                value
                                * (1 + shared + hires * of_hires)
                                * (13 if method == "cam" else 1)
                            )
                        else:
                            keep = {"random": 0.9, "null_constant": 0.93}.get(method, 0.97)
                            keep -= 0.03 * advantage * (method == "gradcam" and head == "flatten")
                            value = (correct & (accident < keep)).astype(float)
                            if method == "null_blank":
                                value = correct.astype(float)
                        if protocol == "thesis" and method in ("cam", "gradcam", "hirescam"):
                            relu_blank = blank & ((method == "hirescam") | (head == "gap"))
                            status[relu_blank] = "blank_map"
                        if metric == "max_sensitivity" and pairs["version"] == "rank":
                            status[0], value = (
                                "undefined",
                                np.where(np.arange(n) == 0, np.nan, value),
                            )
                        fixed = name | {
                            "protocol": protocol,
                            "metric": metric,
                            "setting": setting,
                            "method": method,
                        }
                        for column, item in fixed.items():
                            columns[column].append(np.full(n, item))
                        for column, item in {
                            "image_id": images,
                            "label": labels,
                            "predicted": predicted,
                            "correct": correct,
                            "value": value,
                            "status": status,
                        }.items():
                            columns[column].append(item)
                        if (
                            metric == "aopc"
                            and pairs.get("order") == "morf"
                            and "fraction" not in pairs
                            and pairs.get("replicate") != "1"
                        ):
                            steps = 64 if pairs["region"] == "native" else 16
                            share = np.arange(steps + 1) / steps
                            height = float(np.mean(value[correct])) * 1.15
                            rate = 9 if hires else 8 + 30 * QUALITY[method]
                            mean = height * (1 - np.exp(-rate * share))
                            curves += [
                                fixed | {"step": k, "mean": m, "images": int(correct.sum())}
                                for k, m in enumerate(mean)
                            ]
                accuracy = float(np.clip(0.93 + rng.normal(0, 0.01), 0, 1))
                ok = key not in excluded
                models.append(
                    name
                    | {
                        "train_images": 900,
                        "val_images": 240,
                        "test_images": 300,
                        "accuracy": accuracy if ok else 0.4,
                        "balanced_accuracy": accuracy - 0.01 if ok else 0.33,
                        "balanced_accuracy_low": accuracy - 0.04 if ok else 0.29,
                        "balanced_accuracy_high": accuracy + 0.02 if ok else 0.37,
                        "auc": 0.985 if ok else 0.51,
                        "calibration_error": 0.03,
                        "recall": [accuracy] * 3,
                        "best_epoch": 12,
                        "included": ok,
                        "reason": "" if ok else "balanced accuracy not above chance (1/3)",
                        "exempt": False,
                        "weights_sha256": "0123456789abcdef" * 4,
                    }
                )
                laws = {
                    "flatten": ["completeness_logit", "completeness_centred", "removal"],
                    "gap": ["twins", "twins_cam"],
                }[head] + ["autograd"]
                checks += [
                    name
                    | {
                        "check": law,
                        "images": n,
                        "worst": float(rng.uniform(0.01, 0.2)),
                        "tolerance": "1e-5 sum|W_c A| + 1e-4",
                        "passed": True,
                    }
                    for law in laws
                ]
    order = [*SCORES.names[:9]]
    scores = pa.table(
        {name: np.concatenate(parts) for name, parts in columns.items()}, schema=SCORES
    )
    return Run(
        tables.concatenate([scores], SCORES, order),
        pa.Table.from_pylist(models, schema=MODELS),
        pa.Table.from_pylist(checks, schema=CHECKS),
        pa.Table.from_pylist(curves, schema=CURVES),
        known(config),
        evaluations(scores, config=config),
    )


def completeness(images=24, config=CONFIG):
    """Return sums of maps and class scores: HiResCAM is complete, Grad-CAM with GAP only."""
    columns = {name: [] for name in COMPLETENESS.names}
    rng = np.random.default_rng(0)
    for dataset, a, head, seed in product(
        config["datasets"], config["architectures"], config["heads"], config["seeds"]
    ):
        score = rng.normal(5, 1.5, images)
        for method in ("gradcam", "hirescam"):
            lost = rng.normal(2, 1, images) * (head == "flatten" and method == "gradcam")
            rows = (
                [dataset] * images, [a] * images, [head] * images, [seed] * images,
                [method] * images, range(images), [0] * images, score - lost, score,
            )  # fmt: skip
            for name, values in zip(columns, rows, strict=True):
                columns[name] += list(values)
    return pa.table(columns, schema=COMPLETENESS)


def examples(count=4, size=64, cells=8, methods=("gradcam", "hirescam", "random")):
    """Return the arguments of figures.examples.draw but title and path."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:size, :size] / size
    images, masks = [], []
    maps = {name: [] for name in methods}
    for i in range(count):
        a, b = rng.uniform(0.25, 0.75, 2)
        distance = np.hypot(y - a, x - b)
        masks.append((distance < 0.12) & (i % 3 != 2))
        body = 150 * np.exp(-(((x - 0.5) / 0.35) ** 4)) + 20 * np.sin(20 * y)
        images.append(np.clip(body + 70 * masks[-1] + rng.normal(20, 12, x.shape), 0, 255))
        grid = (np.arange(cells) + 0.5) / cells
        near = np.exp(-((grid[:, None] - a) ** 2 + (grid - b) ** 2) / 0.02)
        for name in methods:
            noise = rng.normal(0, 0.3, (cells, cells))
            raw = rng.random((cells, cells)) if name == "random" else near + noise
            maps[name].append(raw * (0.02 if name == "gradcam" else 1))
    return {
        "images": np.array(images).astype(np.uint8)[..., None],
        "masks": np.array(masks).astype(np.uint8),
        "maps": {name: np.array(m, np.float32) for name, m in maps.items()},
        "classes": ["no finding", "nodule", "infiltrate"],
        "predicted": [1, 2, 0, 1][:count],
        "labels": [1, 1, 0, 1][:count],
    }


def provenance(config=CONFIG):
    """Return a record of what was run, with a leak in the first data set."""
    manifest = {
        "name": "phantom",
        "source": "phantom",
        "classes": ["no finding", "nodule", "infiltrate"],
        "size": 64,
        "channels": 1,
        "images": 1440,
        "splits": {
            "train": {"images": 900, "per_class": [300, 300, 300]},
            "val": {"images": 240, "per_class": [80, 80, 80]},
            "test": {"images": 300, "per_class": [100, 100, 100]},
        },
        "leaks": [
            {
                **{"a": "train[115]", "a_split": "train", "a_label": 0},
                **{"b": "test[76]", "b_split": "test", "b_label": 1},
            }
        ],
    }
    return {
        "config": config,
        "data": {name: manifest | {"name": name} for name in config["datasets"]},
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "uncommitted_changes": False,
        "python": "3.11.7",
        "libraries": {"torch": "2.13.0", "numpy": "2.4.6", "scipy": "1.17.1"},
        "platform": "Linux",
        "host": "secret-host",
        "cores": 2,
    }


def rows(table, **wanted):
    """Return the rows of a table with these values, sorted by seed."""
    chosen = [r for r in table.to_pylist() if all(r[k] == v for k, v in wanted.items())]
    return sorted(chosen, key=lambda r: r["seed"])


def one(table, **wanted):
    """Return the only row of a table with these values."""
    actual = rows(table, **wanted)
    assert len(actual) == 1, actual
    return actual[0]
