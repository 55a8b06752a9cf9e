"""Scores of a known truth: metrics that reward faithfulness, smoothness, or nothing at all."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from synthetic import named

from faithcam.core.setting import Setting
from faithcam.experiment import config as experiment
from faithcam.experiment import datasets
from faithcam.experiment.evaluations import Plan
from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.validity import asked

ROOT = Path(__file__).parents[2]
PLANTED = {"source": "phantom", "task": "lesion", "size": 64}
PLANTED |= {"train": 30, "val": 30, "test": 30}
CONFIG = experiment.merged(
    experiment.read([ROOT / "config.yaml"]),
    {
        "datasets": ["lesion", "real", "untrained"],
        "dataset_definitions": {
            "lesion": PLANTED,
            "real": {"source": "folder", "size": 64, "channels": 1},
            "untrained": PLANTED | {"control": "untrained"},
        },
        "metrics": [
            *("aopc", "max_sensitivity", "haas", "feature_aopc", "agreement", "similarity"),
            *("dose_response", "damage_ladder", "convergence", "multiverse", "localisation"),
            "patch_net",
        ],
        "architectures": ["resnet_small", "vgg_small", "patch_small"],
        "heads": ["flatten", "gap"],
    },
)
CONFIG["data"] = datasets.specs(CONFIG)
EVALUATIONS = Evaluations(Plan(CONFIG).table())
# how faithful and how smooth each map is
METHODS = {
    "hirescam": (1.0, 0.3),
    "gradcam": (0.8, 0.5),
    "sham": (0.3, 0.9),
    "sham_permuted": (0.2, 0.6),
    "completed_gradcam": (0.8, 0.5),
    "other_image": (0.2, 0.8),
    "spectrum_random": (0.1, 0.3),
    "random": (0.0, 0.0),
    "centre": (0.2, 1.0),
    "sobel": (0.2, 0.4),
    "intensity": (0.2, 0.6),
    "inverse": (-0.5, 0.3),
    "template": (0.5, 0.9),
    "expected_hirescam": (0.9, 0.2),
    "expected_gradcam": (0.7, 0.3),
    "hirescam_as_smooth_as_gradcam": (0.95, 0.5),
    "gradcam_as_smooth_as_hirescam": (0.75, 0.3),
}
METRICS = ("aopc", "max_sensitivity", "haas")
RERENDERED = str(asked.rerendered(EVALUATIONS.primary("strict", "lesion")["aopc"]))


def judged_settings(protocol="strict", dataset="lesion"):
    """Return the setting that each metric is judged in, as text."""
    exempt = CONFIG["data"][dataset]["exempt"]
    actual = asked.judged(EVALUATIONS, protocol, dataset, exempt=exempt)
    return {metric: str(actual[metric]) for metric in METRICS}


def of_gauge(setting, protocol):
    """Return a truth's setting for the maps that a protocol explains, as text."""
    return str(asked.of_gauge(Setting.parse(setting), protocol))


SIGN = {"aopc": 1, "max_sensitivity": -1, "haas": 1}


class Scores:
    """Rows of scores.parquet, added for all images of a network at once."""

    def __init__(self):
        self._columns = {name: [] for name in SCORES.names}
        self._networks = []

    def network(self, dataset, architecture, head, seed, correct, exempt=False, included=True):
        """Begin a network; ``correct``: which of its images it classifies correctly."""
        keys = (dataset, architecture, head, seed)
        self._known = dict(zip(tables.IDENTITY, keys, strict=True))
        self._correct = np.asarray(correct, bool)
        self._networks.append(self._known | {"included": included, "exempt": exempt})

    def add(self, metric, setting, method, values, status="ok", protocol="strict"):
        """Add a score per image; the first images if there are fewer values."""
        n = len(values)
        known = self._known | {"protocol": protocol, "metric": metric, "setting": setting}
        for name, value in (known | {"method": method}).items():
            self._columns[name] += [value] * n
        self._columns["image_id"] += range(n)
        self._columns["label"] += [0] * n
        self._columns["predicted"] += (~self._correct[:n]).astype(int).tolist()
        self._columns["correct"] += self._correct[:n].tolist()
        self._columns["value"] += np.asarray(values, float).tolist()
        self._columns["status"] += [status] * n if isinstance(status, str) else list(status)

    def write(self, path):
        """Write scores.parquet; return its path and the table of networks."""
        table = pa.table(self._columns, schema=SCORES)
        tables.write(path, tables.concatenate([table], SCORES, SCORES_KEY), SCORES)
        return path, pa.Table.from_pylist(self._networks)


def value(kind, faithful, smooth):
    """Return what a kind of metric says of maps this faithful and this smooth."""
    return {"faithful": faithful, "smooth": smooth, "deaf": 0 * faithful}[kind]


def experiment_of(path, kinds, datasets=("lesion",), seeds=4, images=40, similarity=0.2, draws=10):
    """Write an experiment's scores; return (path, models).

    Args:
        path: of scores.parquet.
        kinds: what each metric rewards: faithful, smooth or deaf.
        datasets: names in ``CONFIG``.
        seeds: number of networks per data set.
        images: per network.
        similarity: of HiResCAM and its sham.
        draws: of the damage ladders.
    """
    scores = Scores()
    for d, dataset in enumerate(datasets):
        truth = "task" in CONFIG["dataset_definitions"][dataset]
        for seed in range(seeds):
            rng = np.random.default_rng([d, seed])
            correct = np.arange(images) % 10 != 9
            faithful = {m: f + rng.normal(0, 0.3, images) for m, (f, _) in METHODS.items()}
            faithful["completed_gradcam"] = faithful["gradcam"]
            smooth = {m: s + rng.normal(0, 0.1, images) for m, (_, s) in METHODS.items()}
            smooth["completed_gradcam"] = smooth["gradcam"]
            scores.network(dataset, "vgg_small", "flatten", seed, correct)
            _judged(scores, kinds, faithful, smooth, rng)
            _truths(scores, faithful, rng, truth)
            for m in ("hirescam", "gradcam", "sham"):
                _dose(scores, kinds, m, similarity, images)
            _ladders(scores, kinds, rng, truth, draws)
            _convergence(scores, kinds, rng)
            _multiverse(scores, kinds, rng, images)
            scores.network(dataset, "vgg_small", "gap", seed, correct)
            for protocol in ("thesis", "strict"):
                for metric, setting in judged_settings(protocol).items():
                    for method in ("hirescam", "gradcam"):
                        scores.add(metric, setting, method, faithful["sobel"], protocol=protocol)
    return scores.write(path)


def _judged(scores, kinds, faithful, smooth, rng):
    images = len(faithful["hirescam"])
    for protocol in ("thesis", "strict"):
        for metric, setting in judged_settings(protocol).items():
            for text in {setting: 0, setting.replace("replicate=0", "replicate=1"): 1}:
                noise = rng.normal(0, 0.02, images)  # the same for all methods
                for m in METHODS:
                    actual = SIGN[metric] * value(kinds[metric], faithful[m], smooth[m])
                    scores.add(metric, text, m, actual + noise, protocol=protocol)
    blank = "explained_class=predicted;outcome=kept"
    scores.add("haas", blank, "null_blank", np.ones(images))


def _truths(scores, faithful, rng, truth):
    images = len(faithful["hirescam"])
    for m, (mean, _) in METHODS.items():
        feature = 1 - (1 - mean) * rng.uniform(0.8, 1.2, images)
        scores.add("feature_aopc", "order=morf", m, feature)
        if truth:
            for protocol in ("thesis", "strict"):
                noise = rng.normal(0, 0.02, images)
                setting = of_gauge(RERENDERED, protocol)
                scores.add("aopc", setting, m, faithful[m] + noise)
                for replicate in (0, 1):
                    noise = rng.normal(0, 0.02, images)
                    setting = of_gauge(f"replicate={replicate}", protocol)
                    scores.add("agreement", setting, m, faithful[m] + noise)
    for imputer in ("noise", "mean"):
        for m, share in {"oracle": 1.0, "hirescam": 0.8, "gradcam": 0.6, "sham": 0.4}.items():
            text = named(imputer=imputer, output="logit")
            scores.add("patch_net", text, m, np.full(images, share))


def _dose(scores, kinds, method, similarity, images):
    for t in (0.0, 0.5, 1.0):
        for metric in METRICS:
            faithful = {"hirescam": 0.4, "sham": -0.3, "gradcam": 0.0}[method] * t
            smooth = {"hirescam": 0.1, "sham": 0.3, "gradcam": 0.0}[method] * t
            actual = SIGN[metric] * value(kinds[metric], faithful, smooth)
            setting = named(metric=metric, t=t)
            scores.add("dose_response", setting, method, np.full(images, 1 + actual))
        feature = 1 + t**2 * (method == "hirescam")
        setting = named(metric="feature_aopc", t=t)
        scores.add("dose_response", setting, method, np.full(images, feature))
        if method != "gradcam":
            for kind, most in (("rank", 1.0), ("norm", 0.8)):
                setting = named(kind=kind, metric="dose", t=t)
                scores.add("dose_response", setting, method, np.full(images, most * t))
    if method == "sham":
        scores.add("similarity", "kind=spearman", method, np.full(images, similarity))
    share = {"hirescam": 0.0, "gradcam": 0.3, "sham": 0.2}[method]
    setting = named(kind="share", metric="dead_zone")
    scores.add("dose_response", setting, method, np.full(images, share))


def _ladders(scores, kinds, rng, truth, draws):
    for ladder in ("noise", "shift", "inversion"):
        for step, draw in [(0, 0), *((s, d) for s in (1, 2) for d in range(draws))]:
            kept = -step + rng.normal(0, 0.3, 4)
            for metric in (*METRICS, "feature_aopc", *(["rerendered"] if truth else [])):
                kind, sign = kinds.get(metric, "faithful"), SIGN.get(metric, 1)
                actual = sign * (value(kind, kept, -kept) + rng.normal(0, 0.1, 4))
                text = named(draw=draw, ladder=ladder, metric=metric, step=step)
                scores.add("damage_ladder", text, "hirescam", actual)


def _convergence(scores, kinds, rng):
    lasting = {m: rng.normal(METHODS[m][0], 0.3, 16) for m in ("hirescam", "gradcam")}
    for m, own in lasting.items():
        own = own if kinds["aopc"] != "deaf" else 0 * own
        for draw in range(20):
            text = named(draw=draw, metric="aopc")
            scores.add("convergence", text, m, own + rng.normal(0, 0.5, 16))
        for block in (0, 1):
            for samples in (5, 10, 20):
                text = named(block=block, metric="max_sensitivity", samples=samples)
                scores.add("convergence", text, m, rng.normal(0, 0.05, 16) - lasting[m])


def _multiverse(scores, kinds, rng, images):
    sign = {"faithful": 1, "smooth": -1, "deaf": 0}[kinds["aopc"]]
    for imputer, streams in (("noise", (0, 1)), ("mean", (0,))):
        for replicate in streams:
            for view in ("signed", "scaled"):
                text = named(
                    grid="native", imputer=imputer, offset="none", replicate=replicate,
                    explained_score="centred", view=view,
                )  # fmt: skip
                for m, gain in (("hirescam", 0.2), ("gradcam", 0.0)):
                    actual = sign * gain + rng.normal(0, 0.05, images)
                    scores.add("multiverse", text, m, actual)
            text = named(imputer=imputer, output="range", replicate=replicate)
            scores.add("multiverse", text, "hirescam", np.full(images, 0.5))
