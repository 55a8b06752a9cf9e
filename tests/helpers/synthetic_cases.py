"""Files of a small experiment from which example cases can be collected."""

from types import SimpleNamespace

import numpy as np
import synthetic

from faithcam.data.store import Row, Source, write
from faithcam.maps.tables import MAPS
from faithcam.metrics.tables import SCORES
from faithcam.models.tables import PREDICTIONS
from faithcam.report import cases
from faithcam.results import io as tables
from faithcam.statistics.tables import STATISTICS
from faithcam.truth.tables import TRUTH

SIZE, CELLS, IMAGES = 64, 8, 20
WITH_TRUTH = 12
CLASSES = ("no finding", "nodule", "infiltrate")
METHODS = ("gradcam", "hirescam", "random", "sham")


def config(**changes):
    """Return the small config with settings of the report."""
    return synthetic.small(report={"cases": 6}) | changes


def collect(actual, settings):
    """Collect the cases of files that :func:`files` wrote."""
    evaluations = synthetic.evaluations(tables.read(actual.scores), config=settings)
    return cases.collect(actual, evaluations, settings)


def files(folder, datasets=("phantom",), models=("vgg_small-flatten",), seeds=(0, 1)):
    """Write data, predictions, maps, scores and statistics; return what collect_cases gets."""
    settings = config()
    output = [
        (protocol, metric, setting)
        for protocol in ("strict", "thesis")
        for metric, setting in synthetic.primary(protocol, settings).items()
    ]
    scores, means = ({n: [] for n in t.names} for t in (SCORES, STATISTICS))
    given = SimpleNamespace(predictions=[], manifests=[], maps=[], truths=[])
    for dataset in datasets:
        images, labels = _data(folder / "data" / dataset, dataset)
        for model in models:
            for seed in seeds:
                rng = np.random.default_rng([len(dataset), len(model), seed])
                predicted = np.where(np.arange(IMAGES) % 7 == 3, (labels + 1) % 3, labels)
                place = f"{dataset}/{model}/seed{seed}"
                given.manifests.append(str(folder / "data" / dataset / "manifest.json"))
                given.predictions.append(_predictions(folder / "models" / place, labels, predicted))
                given.maps += _maps(folder / "maps" / place, images, predicted, rng)
                given.truths.append(_truth(folder / "truth" / place, predicted, rng))
                key = _key(dataset, model, seed)
                for protocol, metric, text in output:
                    for method in METHODS:
                        values = rng.random(IMAGES)
                        common = {"protocol": protocol, "metric": metric, "setting": text}
                        _add(
                            scores, IMAGES, **key, **common, method=method,
                            image_id=range(IMAGES), label=labels, predicted=predicted,
                            correct=labels == predicted, value=values, status="ok",
                        )  # fmt: skip
                        nothing = dict.fromkeys(STATISTICS.names, np.nan)
                        _add(
                            means, 1,
                            **nothing
                            | key
                            | common
                            | {"seed": str(seed), "method_a": method, "method_b": ""}
                            | {"level": "image", "n": IMAGES, "estimate": float(values.mean())}
                            | {"test": "", "effect_name": "mean", "primary": False},
                        )  # fmt: skip
    given.scores, given.statistics = folder / "scores.parquet", folder / "statistics.parquet"
    tables.write(given.scores, scores, SCORES)
    tables.write(given.statistics, means, STATISTICS)
    return given


def _key(dataset, model, seed):
    architecture, head = model.rsplit("-", 1)
    return {"dataset": dataset, "architecture": architecture, "head": head, "seed": seed}


def _add(columns, count, **values):
    for name, value in values.items():
        columns[name] += list(value) if isinstance(value, range | np.ndarray) else [value] * count


def _data(folder, name):
    """Write a data set of bright spots, the lesions, on a soft background."""
    rng = np.random.default_rng(len(name))
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    labels = np.arange(IMAGES) % 3
    spots = np.hypot(
        y - rng.uniform(0.25, 0.75, (IMAGES, 1, 1)), x - rng.uniform(0.25, 0.75, (IMAGES, 1, 1))
    )
    masks = ((spots < 0.12) & (labels > 0)[:, None, None]).astype(np.uint8)
    body = 130 * np.exp(-(((x - 0.5) / 0.35) ** 4)) + 15 * np.sin(20 * y)
    images = np.clip(body + 80 * masks + rng.normal(20, 10, spots.shape), 0, 255).astype(np.uint8)
    rows = [Row("test", int(label), str(i), f"image{i}") for i, label in enumerate(labels)]
    chunks = iter([(images[..., None], masks)])
    write(name, "phantom", Source(CLASSES, SIZE, 1, rows, chunks), folder)
    return spots, labels


def _predictions(folder, labels, predicted):
    columns = {
        "image_id": range(IMAGES), "split": ["test"] * IMAGES, "label": labels,
        "weights_sha256": ["0" * 64] * IMAGES, "manifest_sha256": ["1" * 64] * IMAGES,
        "predicted": predicted, "probabilities": [np.float32([0.5, 0.3, 0.2])[np.argsort(
            np.arange(3) != guess)].tolist() for guess in predicted],
    }  # fmt: skip
    tables.write(folder / "predictions.parquet", columns, PREDICTIONS)
    return str(folder / "predictions.parquet")


def _truth(folder, predicted, rng):
    """Write what cells contribute in the first images, by two estimands; the file's path."""
    key = _key(*folder.parts[-3:-1], int(folder.name.removeprefix("seed")))
    rows = []
    for image in range(WITH_TRUTH):
        for estimand in ("blur", "background"):
            values = rng.normal(size=CELLS**2).tolist()
            rows.append(
                dict.fromkeys(TRUTH.names, 0)
                | key
                | {"image_id": image, "class": int(predicted[image]), "estimand": estimand}
                | {"height": CELLS, "width": CELLS, "correct": True, "resolved": True}
                | dict.fromkeys(("values", "first_half", "second_half"), values)
            )
    path = folder / "0-12.parquet"
    tables.write(path, {name: [row[name] for row in rows] for name in TRUTH.names}, TRUTH)
    return str(path)


def _maps(folder, spots, predicted, rng):
    """Write maps near the spots for HiResCAM, in two shards, of both classes and both scores."""
    key = _key(*folder.parts[-3:-1], int(folder.name.removeprefix("seed"))).values()
    step = SIZE // CELLS
    near = np.exp(-((spots[:, step // 2 :: step, step // 2 :: step] / 0.2) ** 2))
    actual = []
    for method in METHODS:
        weight = {"hirescam": 1.0, "gradcam": 0.6}.get(method, 0.0)
        noise = rng.normal(0, 0.25, near.shape)
        raw = (weight * near + noise).astype(np.float32)
        for start, stop in ((0, 12), (12, IMAGES)):
            columns = {name: [] for name in MAPS.names}
            for explained_class, explained_score in (
                ("predicted", "centred"),
                ("predicted", "logit"),
                ("label", "centred"),
            ):
                extra = 0 if (explained_class, explained_score) == ("predicted", "centred") else 100
                for i in range(start, stop):
                    row = (*key, method, i, explained_class, explained_score, predicted[i])
                    row += (CELLS, CELLS, 0.0, raw[i].ravel() + np.float32(extra))
                    for name, value in zip(columns, row, strict=True):
                        columns[name].append(value)
            tables.write(folder / method / f"{start}-{stop}.parquet", columns, MAPS)
            actual.append(str(folder / method / f"{start}-{stop}.parquet"))
    return actual
