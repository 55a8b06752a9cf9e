"""The declared controls, and what each predicts of a metric of faithfulness."""

from faithcam.results.declared import PROTOCOLS
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
            ("agreement", preferences.agreement, "gold"),
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
    Control(
        "feature_space",
        POSITIVE,
        laws.feature_space,
        "no order of cells beats HiResCAM's in feature space, in any image",
        outcomes.exact,
        1e-6,
        metrics=AOPC,
        protocols=STRICT,
    ),
    Control(
        "feature_dose",
        POSITIVE,
        laws.feature_dose,
        "in feature space D(0) = 0, D(t) convex and monotone, in every image",
        outcomes.exact,
        1e-5,
        metrics=AOPC,
        protocols=STRICT,
    ),
    Control(
        "completed_ranks",
        POSITIVE,
        laws.completed_ranks,
        "completed Grad-CAM has Grad-CAM's ranks: the same score, but for a few rounded cells",
        outcomes.exact,
        # float32: in up to 1 of 500 maps of 14 x 14 cells the added constant swaps or ties two
        0.02,
        metrics=AOPC,
        protocols=STRICT,
    ),
    Control(
        "dead_zone",
        POSITIVE,
        laws.dead_zone,
        "HiResCAM is 0 in cells whose weights are 0",
        outcomes.exact,
        metrics=AOPC,
        protocols=STRICT,
    ),
    Control(
        "patch_net",
        POSITIVE,
        laws.patch_net,
        "no order of cells beats HR(x) - HR(r) on a patch net, in any image",
        outcomes.exact,
        1e-4,
        metrics=AOPC,
        protocols=STRICT,
    ),
    # --- descriptive ---
    Control("preference", DESCRIPTIVE, difference("hirescam", "gradcam")),
    *(
        Control(name, DESCRIPTIVE, difference("hirescam", name), metrics=(metric,))
        for metric, name in BY_CONSTRUCTION
    ),
    Control("sham_similarity", DESCRIPTIVE, similarity.to("sham")),
    # which of the two the image's parts speak for: a truth, so a metric cannot fail by it
    Control(
        "perfect_imputer_sham",
        DESCRIPTIVE,
        preferences.perfect_imputer_sham,
        metrics=AOPC,
        protocols=STRICT,
    ),
    Control(
        "template_share", DESCRIPTIVE, similarity.template_share, metrics=AOPC, protocols=STRICT
    ),
    Control("agreement_auc", DESCRIPTIVE, preferences.agreement_auc),
    *(
        Control(name, DESCRIPTIVE, preferences.agreement_where(consistent=consistent))
        for name, consistent in (("agreement_consistent", True), ("agreement_inconsistent", False))
    ),
    Control(
        "gold_inconsistent",
        DESCRIPTIVE,
        preferences.gold_inconsistent,
        metrics=AOPC,
        protocols=STRICT,
    ),
    Control("tau", DESCRIPTIVE, preferences.tau),
    Control(
        "gradcam_as_smooth_as_hirescam",
        DESCRIPTIVE,
        difference("hirescam", "gradcam_as_smooth_as_hirescam"),
    ),
    Control(
        "minus_template",
        DESCRIPTIVE,
        difference("hirescam_minus_template", "gradcam_minus_template"),
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
    Control(
        "dead_zone_gradcam", DESCRIPTIVE, laws.dead_zone_gradcam, metrics=AOPC, protocols=STRICT
    ),
    *(
        Control(
            f"patch_net_{method}",
            DESCRIPTIVE,
            laws.patch_net_share(method),
            metrics=AOPC,
            protocols=STRICT,
        )
        for method in ("hirescam", "gradcam", "sham")
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
