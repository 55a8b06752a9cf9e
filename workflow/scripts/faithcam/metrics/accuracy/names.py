"""Names of rows and kinds that are no map method. Nothing here imports torch."""

OTHERS = "mean_truth_of_others"
SHIFTED = "hirescam_shifted"
OCCLUSION = "occlusion_"  # before an estimand
COMPLETENESS = "completeness"
DRAWS = 10  # of a reference that is drawn, for occlusion
