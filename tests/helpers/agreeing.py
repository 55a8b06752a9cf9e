"""Agreement of maps with the truth as the statistics hold it, network by network."""

import numpy as np
import pyarrow as pa

from faithcam.core.setting import Setting
from faithcam.statistics.tables import STATISTICS

ESTIMANDS = ("background", "grey")
MAPS = {"hirescam": 0.8, "gradcam": 0.6, "layercam": 0.7, "mean_truth_of_others": 0.3,
        "occlusion_background": 0.5, "occlusion_grey": 0.4, "sham": 0.1, "sobel": 0.05}  # fmt: skip
IMAGES = 12


def statistics(networks, maps=MAPS, estimands=ESTIMANDS, unresolved=0, dataset="phantom"):
    """Return rows of ``STATISTICS``: each map's mean agreement, HiResCAM - Grad-CAM.

    Args:
        networks: (architecture, seed, shift of all maps but Grad-CAM) of each.
        maps: mean agreement with the first estimand, by map; .1 less with each further one.
        estimands: of the truths.
        unresolved: images of each network without a resolved truth.
        dataset: its name.
    """
    rows = []
    for architecture, seed, shift in networks:
        for place, estimand in enumerate(estimands):
            values = {m: v - 0.1 * place + shift * (m != "gradcam") for m, v in maps.items()}
            known = {
                **dict.fromkeys(STATISTICS.names, np.nan),
                **{"dataset": dataset, "architecture": architecture, "head": "flatten"},
                **{"seed": str(seed), "protocol": "strict", "metric": "truth_agreement"},
                **{"level": "image", "n": IMAGES - unresolved, "test": "", "primary": False},
                "setting": str(Setting.of(estimand=estimand, measure="spearman")),
            }
            for method, value in values.items():
                mean = {"method_a": method, "method_b": "", "effect_name": "mean"}
                rows.append(known | mean | {"estimate": value})
                share = {"effect_name": "undefined share", "estimate": unresolved / IMAGES}
                rows.append(known | mean | share | {"n": IMAGES})
            pair = {"method_a": "hirescam", "method_b": "gradcam", "effect_name": "rank-biserial"}
            rows.append(known | pair | {"estimate": values["hirescam"] - values["gradcam"]})
    return pa.Table.from_pylist(rows, STATISTICS)


def settings(nested=False, dataset="phantom"):
    """Return the settings of a comparison: ``patch_small`` is a patch network."""
    return {
        "seed": 1,
        "statistics": {"confidence": 0.95},
        "data": {dataset: {"nested": nested}},
        "additive": [[dataset, "patch_small"]],
    }
