"""The declared controls, and what each predicts of a metric of faithfulness."""

from faithcam.results.declared import PROTOCOLS
from faithcam.statistics.settings import PAIR
from faithcam.validity import dose, ladder, laws, outcomes, preferences, reliability, similarity
from faithcam.validity.conditions import advantage_to_lose, enough_draws, sham_is_worse, unlike
from faithcam.validity.control import CONTROL, DESCRIPTIVE, POSITIVE, REQUIRED, Control
from faithcam.validity.preferences import difference

STRICT = (PROTOCOLS[1],)
AOPC, HAAS = ("aopc",), ("haas",)
NOISY = ("aopc", "max_sensitivity")

# maps that are known to be wrong about the network, and what each of them keeps
WRONG = {
    "other_image": "the map of another image",
    "spectrum_random": "HiResCAM's spectrum, random signs",
    "random": "random numbers",
    "centre": "a Gaussian in the centre",
    "sobel": "edges of the image",
    "intensity": "brightness of the image",
    "inverse": "HiResCAM upside down",
    "completed_gradcam": "Grad-CAM + gap / Z: completeness is not enough",
    "template": "sum_k W_ck E[A_k], the same for all images of a class",
}

# the relative sensitivity of these is HiResCAM's own, or 0, whatever the network: no discovery
BY_CONSTRUCTION = [("max_sensitivity", name) for name in ("inverse", "spectrum_random", "template")]

CONTROLS: tuple[Control, ...] = (
    # --- required ---
    Control(
        "sham",
        REQUIRED,
        difference("hirescam", "sham"),
        "HiResCAM - sham > 0: which weight belongs to which cell matters",
        outcomes.positive_not_equal,
        "margins",
        condition=unlike("sham"),
    ),
    Control(
        "sham_not_over_gradcam",
        REQUIRED,
        difference("sham", "gradcam"),
        "sham - Grad-CAM <= 0: a wrong map is not preferred for its statistics",
        outcomes.not_positive,
        "margins",
        condition=sham_is_worse,
    ),
    *(
        Control(
            name,
            REQUIRED,
            measure,
            f"sign of HiResCAM - Grad-CAM as {truth}'s: balanced agreement > 0.5",
            outcomes.exceeds,
            "agreement_above",
            margin,
            metrics=metrics,
        )
        for name, measure, truth in (
            ("agreement", preferences.agreement, "part_shapley"),
            ("perfect_imputer", preferences.perfect_imputer, "the perfect imputer"),
        )
        # an image's HAAS is 0 or 1: most pairs tie, and no HAAS could be much above 0.5
        for metrics, margin in (((*AOPC, "max_sensitivity"), "agreement_margin"), (HAAS, 0.0))
    ),
    # --- controls ---
    Control(
        "sham_permuted",
        CONTROL,
        difference("hirescam", "sham_permuted"),
        "HiResCAM - sham with permuted cells > 0",
        outcomes.positive_not_equal,
        "margins",
        condition=unlike("sham_permuted"),
    ),
    *(
        Control(
            name,
            CONTROL,
            difference("hirescam", name),
            f"HiResCAM - {name} > 0 ({meaning})",
            outcomes.positive,
            but_not=tuple(metric for metric, other in BY_CONSTRUCTION if other == name),
            condition=unlike(name),
        )
        for name, meaning in WRONG.items()
    ),
    Control(
        "smoothness",
        CONTROL,
        difference("hirescam_as_smooth_as_gradcam", "gradcam"),
        "HiResCAM, as smooth as Grad-CAM, - Grad-CAM > 0: the advantage is not its roughness",
        outcomes.positive_not_equal,
        "margins",
        condition=advantage_to_lose,
    ),
    *(
        Control(
            f"damage_{name}",
            CONTROL,
            ladder.damage(name),
            "Spearman(metric, damage) < 0: the more damage, the lower the score",
            outcomes.negative,
            metrics=AOPC,
            protocols=STRICT,
            condition=enough_draws(name),
        )
        for name in ladder.LADDERS
    ),
    Control(
        "dose",
        CONTROL,
        dose.sham_slopes,
        "slope of HiResCAM - Grad-CAM over the dose, minus the sham's at equal dose, > 0",
        outcomes.positive,
        metrics=tuple(dose.KINDS),
        protocols=STRICT,
    ),
    # --- positive controls: the code, the truths ---
    Control(
        "gap_twin",
        POSITIVE,
        laws.gap_twins,
        "with GAP both maps are the same, and so is every score: 0 differ",
        outcomes.exact,
    ),
    Control(
        "haas_blank",
        POSITIVE,
        laws.haas_blank,
        "a blank map leaves the image as it is: 0 predictions change",
        outcomes.exact,
        metrics=HAAS,
        protocols=STRICT,
    ),
    *(
        Control(name, POSITIVE, measure, text, outcomes.exact, most, metrics=AOPC, protocols=STRICT)
        for name, measure, text, most in (
            (
                "feature_space",
                laws.feature_space,
                "no order of cells beats HiResCAM's in feature space, in any image",
                1e-6,
            ),
            (
                "feature_dose",
                laws.feature_dose,
                "in feature space D(0) = 0, D(t) convex and monotone, in every image",
                1e-5,
            ),
            (
                "completed_ranks",
                laws.completed_ranks,
                "completed Grad-CAM has Grad-CAM's ranks: the same score, but for a few rounded "
                "cells",
                # float32: in up to 1 of 500 maps of 14 x 14 cells the added constant swaps or
                # ties two
                0.02,
            ),
            ("dead_zone", laws.dead_zone, "HiResCAM is 0 in cells whose weights are 0", 0.0),
            (
                "patch_net",
                laws.patch_net,
                "no order of cells beats HR(x) - HR(r) on a patch net, in any image",
                1e-4,
            ),
        )
    ),
    # --- descriptive ---
    Control("preference", DESCRIPTIVE, difference("hirescam", "gradcam")),
    *(
        Control(name, DESCRIPTIVE, difference("hirescam", name), metrics=(metric,))
        for metric, name in BY_CONSTRUCTION
    ),
    *(
        Control(name, DESCRIPTIVE, measure)
        for name, measure in (
            ("sham_similarity", similarity.to("sham")),
            ("agreement_auc", preferences.agreement_auc),
            ("agreement_consistent", preferences.agreement_where(consistent=True)),
            ("agreement_inconsistent", preferences.agreement_where(consistent=False)),
            ("tau", preferences.tau),
            (
                "gradcam_as_smooth_as_hirescam",
                difference("hirescam", "gradcam_as_smooth_as_hirescam"),
            ),
            ("minus_template", difference("expected_hirescam", "expected_gradcam")),
        )
    ),
    *(
        Control(name, DESCRIPTIVE, measure, metrics=AOPC, protocols=STRICT)
        for name, measure in (
            # which of the two the image's parts speak for: a truth, so a metric cannot fail by it
            ("perfect_imputer_sham", preferences.perfect_imputer_sham),
            ("template_share", similarity.template_share),
            ("part_shapley_inconsistent", preferences.part_shapley_inconsistent),
            ("dead_zone_gradcam", laws.dead_zone_gradcam),
            *((f"patch_net_{name}", laws.patch_net_share(name)) for name in (*PAIR, "sham")),
        )
    ),
    *(
        Control(
            f"damage_{name}",
            DESCRIPTIVE,
            ladder.damage(name),
            metrics=("max_sensitivity", "haas"),
            protocols=STRICT,
        )
        for name in ladder.LADDERS
    ),
    # noise hides faithfulness, it does not replace it: an unreliable metric needs more draws
    Control(
        "reliability",
        DESCRIPTIVE,
        reliability.reliability,
        "ICC(1,k) of HiResCAM - Grad-CAM over k draws above the threshold",
        outcomes.exceeds,
        "reliability_above",
        metrics=NOISY,
        protocols=STRICT,
    ),
    Control("split_half", DESCRIPTIVE, reliability.halves, metrics=NOISY, protocols=STRICT),
    Control("convergence", DESCRIPTIVE, reliability.convergence, metrics=NOISY, protocols=STRICT),
)
