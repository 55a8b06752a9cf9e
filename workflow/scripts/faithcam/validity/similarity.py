"""Similarity of HiResCAM and other maps: what a preference between them can rest on."""

from faithcam.validity.asked import RESIDUAL, SPEARMAN, TOTAL
from faithcam.validity.case import Case, Measure, Measured
from faithcam.validity.frames import network_means, ok, wide


def to(method: str) -> Measure:
    """Return the measure: mean Spearman correlation of HiResCAM and another map."""

    def measure(case: Case) -> list[Measured]:
        rows = case.evidence.rows("similarity", settings=[SPEARMAN])
        scores = wide(ok(rows[rows["method"] == method]))
        if method not in scores:
            return []
        return [Measured(SPEARMAN, case.evidence.over_units(network_means(scores[method])))]

    return measure


def template_share(case: Case) -> list[Measured]:
    """Return the share of HiResCAM's variance that its image-independent template explains.

    1 - sum (HiResCAM - template)^2 / sum (HiResCAM - its image's mean)^2, over a network's images
    and cells; negative where the template is further from HiResCAM than its mean.
    """
    residual = wide(case.evidence.rows("similarity", settings=[RESIDUAL]))
    total = wide(case.evidence.rows("similarity", settings=[TOTAL]))
    if "template" not in residual:
        return []
    sums = [
        table.groupby(level="network").sum() for table in (residual["template"], total["hirescam"])
    ]
    return [Measured(RESIDUAL, case.evidence.over_units(1 - sums[0] / sums[1]))]
