"""Titles of figures in the report, in its order."""

FIGURES = {
    "metric_leaderboard": "Which metrics find the truth",
    "map_leaderboard": "Which map is nearest to the truth",
    "truth_examples": "Maps beside the truth",
    "concordance_matrix": "What metrics remove with",
    "concordance_by_gap": "Small and large differences",
    "overlap": "What receptive fields change",
    "concordance_cost": "What a metric costs",
    "agreement_cost": "What a map costs",
    "part_shapley": "What the parts contribute",
    "paired_differences": "HiResCAM against Grad-CAM, network by network",
    "examples": "Example maps",
    "completeness": "Completeness",
    "aopc_curves": "AOPC curves",
    "max_sensitivity": "Max-Sensitivity",
    "haas": "HAAS",
    "scoreboard": "All maps under all metrics",
    "sham": "Sham control",
    "dose_response": "Dose-response",
    "damage_ladder": "Damage ladders",
    "multiverse": "Multiverse",
}
