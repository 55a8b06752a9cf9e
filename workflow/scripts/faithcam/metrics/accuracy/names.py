"""Names of rows and kinds that are no map method. Nothing here imports torch."""

OTHERS = "mean_truth_of_others"
SHIFTED = {  # maps read at the centres of receptive fields, and what they are made of
    f"{method}_shifted": method
    for method in ("hirescam", "gradcam", "expected_hirescam", "expected_gradcam")
}
OCCLUSION = "occlusion_"  # before an estimand
COMPLETENESS = "completeness"
DRAWS = 10  # of a reference that is drawn, for occlusion
