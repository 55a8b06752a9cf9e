"""Agreement of maps with the truth as the statistics hold it, network by network."""

import numpy as np
import pyarrow as pa

from faithcam.core.setting import Setting
from faithcam.metrics.tables import SCORES
from faithcam.results import io as tables
from faithcam.statistics.tables import STATISTICS

ESTIMANDS = ("background", "grey")
MAPS = {"hirescam": 0.8, "gradcam": 0.6, "layercam": 0.7, "mean_truth_of_others": 0.3,
        "occlusion_background": 0.5, "occlusion_grey": 0.4, "sham": 0.1, "sobel": 0.05}  # fmt: skip
IMAGES = 12


def statistics(
    networks, maps=MAPS, estimands=ESTIMANDS, unresolved=0, dataset="phantom", head="flatten"
):
    """Return rows of ``STATISTICS``: each map's mean agreement, HiResCAM - Grad-CAM.

    Args:
        networks: (architecture, seed, shift of all maps but Grad-CAM) of each.
        maps: mean agreement with the first estimand, by map; .1 less with each further one.
        estimands: of the truths.
        unresolved: images of each network without a resolved truth.
        dataset: its name.
        head: of the networks; with GAP there is no difference.
    """
    rows = []
    for architecture, seed, shift in networks:
        for place, estimand in enumerate(estimands):
            values = {m: v - 0.1 * place + shift * (m != "gradcam") for m, v in maps.items()}
            known = {
                **dict.fromkeys(STATISTICS.names, np.nan),
                **{"dataset": dataset, "architecture": architecture, "head": head},
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
            if head != "gap":
                rows.append(known | pair | {"estimate": values["hirescam"] - values["gradcam"]})
    return pa.Table.from_pylist(rows, STATISTICS)


def one_network(path, images=12, estimands=ESTIMANDS, architecture="vgg_small", head="flatten"):
    """Write the scores of a network that is alone; return the statistics that they give.

    Each map's agreement is that of ``MAPS``, a tenth more for every odd image and less for the even
    ones; Grad-CAM's does not change.
    """
    known = {"dataset": "phantom", "architecture": architecture, "head": head, "seed": 0}
    known |= {"protocol": "strict", "metric": "truth_agreement", "label": 0, "predicted": 0}
    rows = [
        known
        | {"image_id": image, "correct": True, "status": "ok", "method": method}
        | {"setting": str(Setting.of(estimand=estimand, measure="spearman"))}
        | {"value": value - 0.1 * place + (method != "gradcam") * (0.1 if image % 2 else -0.1)}
        for image in range(images)
        for place, estimand in enumerate(estimands)
        for method, value in MAPS.items()
    ]
    tables.write(path, pa.Table.from_pylist(rows, SCORES), SCORES)
    return statistics([(architecture, 0, 0.0)], estimands=estimands, head=head)


def settings(nested=False, dataset="phantom"):
    """Return the settings of a comparison: ``patch_small`` is a patch network."""
    return {
        "seed": 1,
        "statistics": {"confidence": 0.95},
        "data": {dataset: {"nested": nested}},
        "additive": [[dataset, "patch_small"]],
    }
