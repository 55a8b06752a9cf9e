"""Agreement with the truth and verdicts, made up, as the report gets them."""

import agreeing
import pyarrow as pa
import synthetic

from faithcam.report.first_screen import Truths
from faithcam.statistics import agreement
from faithcam.truth.tables import ADMISSION
from faithcam.validity.tables import CONCORDANCE, VERDICTS

MINUS, NONE = "\N{MINUS SIGN}", "\N{EN DASH}"
CONFIG = synthetic.small()
OVERLAPPING = [("vgg_small", seed, 0.01 * seed) for seed in range(3)]
PATCHES = [("patch_small", seed, 0.1) for seed in range(2)]
MAPS = agreeing.MAPS | {"expected_hirescam": 0.9}
VERDICT = {  # metric: (word, C, low and high of C - .6) with background, family by family
    "aopc": ("usable", (0.9, 0.25, 0.35), (0.8, 0.1, 0.3)),
    "haas": ("undecided", (0.65, -0.01, 0.11), (0.7, 0.0, 0.2)),
    "max_sensitivity": ("no better than blind", (0.5, -0.2, 0.0), (0.4, -0.3, -0.1)),
}


def agreed(networks=(*OVERLAPPING, *PATCHES), **changes):
    rows = agreeing.statistics(networks, MAPS, **changes)
    return agreement.compute(rows, agreeing.settings())


def verdicts(networks=10, recommended="aopc"):
    rows = []
    for metric, (word, *families) in VERDICT.items():
        row = {name: float("nan") for name in VERDICTS.names}
        row |= {"dataset": "phantom", "protocol": "strict", "metric": metric}
        row |= {"setting": synthetic.primary(config=CONFIG)[metric], "estimand": "background"}
        row |= {"word": word if networks >= 8 else "too few networks", "scope": "", "reason": ""}
        row |= {"networks": networks, "own_reference": False, "lowest": families[1][0]}
        row |= {"recommended": metric == recommended, "in_confidence_set": metric == recommended}
        for family, (c, low, high) in zip(("damaged", "methods"), families, strict=True):
            row |= {f"{family}_concordance": c, f"{family}_floor": 0.6}
            row |= {f"{family}_difference": c - 0.6, f"{family}_low": low, f"{family}_high": high}
        rows.append(row)
    return pa.Table.from_pylist(rows, VERDICTS)


def truths(**changes):
    given = {
        "agreement": agreed(),
        "concordance": CONCORDANCE.empty_table(),
        "validity": verdicts(),
        "admission": ADMISSION.empty_table(),
    } | changes
    return Truths.of(**given)
