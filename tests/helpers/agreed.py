"""Scores of agreement with the truth, and what figures are told of the networks."""

import pyarrow as pa
from concordant import truth

from faithcam.core.setting import Setting
from faithcam.metrics.tables import SCORES

ESTIMANDS = ["background", "grey"]
METHODS = ["hirescam", "gradcam", "expected_hirescam", "occlusion_grey", "mean_truth_of_others"]
NETWORKS = [("vgg_small", 0), ("vgg_small", 1), ("vgg_small", 2), ("patch_small", 0)]
PASSES = {"hirescam": 1.0, "gradcam": 1.0, "expected_hirescam": 1.0, "occlusion_grey": 65.0}
FACTS = {
    "vgg_small": {"additive": False, "passes": PASSES, "truth": 5000.0},
    "patch_small": {"additive": True, "passes": PASSES | {"gradcam": 3.0}, "truth": 100.0},
}


def value(estimand, method, place, image):
    """Return a score that tells where it stands."""
    known = METHODS.index(method) / 10 + 0.03 * place + 0.01 * image
    return 0.9 - known if estimand == "background" else known


def rows():
    """Return rows of agreement, and some that no mean may hold: each would move it far."""
    made = []
    for place, (architecture, seed) in enumerate(NETWORKS):
        network = {"dataset": "real", "architecture": architecture, "head": "flatten"}
        known = network | {"seed": seed, "protocol": "strict", "metric": "truth_agreement"}
        known |= {"label": 0, "predicted": 0, "correct": True, "status": "ok"}
        for estimand in ESTIMANDS:
            setting = Setting.of(estimand=estimand, measure="spearman")
            wrong = [setting.replace(measure="pearson"), truth(estimand)]
            for method in METHODS:
                known |= {"method": method}
                for image in range(3):
                    score = known | {
                        "image_id": image,
                        "value": value(estimand, method, place, image),
                    }
                    made.append(score | {"setting": str(setting)})
                    made += [score | {"setting": str(other), "value": -9.0} for other in wrong]
                score = score | {"setting": str(setting), "value": -9.0}
                made.append(score | {"image_id": 3, "correct": False})
                made.append(score | {"image_id": 4, "status": "undefined"})
    return made


def scores(made=None):
    return pa.Table.from_pylist(rows() if made is None else made, schema=SCORES)


def models(excluded=()):
    return pa.Table.from_pylist(
        [
            {"dataset": "real", "architecture": a, "head": "flatten", "seed": seed}
            | {"included": (a, seed) not in excluded, "exempt": False}
            for a, seed in NETWORKS
        ]
    )
