# Needs the scores and the models. Makes the verdict on each metric, and the difference of the two maps in all its
# specifications.


rule compare_specifications:
    input:
        scores=f"{RESULTS}/scores.parquet",
        evaluations=f"{RESULTS}/evaluations.parquet",
        models=f"{RESULTS}/models.parquet",
    output:
        f"{RESULTS}/multiverse.parquet",
    log:
        f"{LOGS}/compare_specifications.log",
    benchmark:
        f"{RUNTIME}/compare_specifications.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen("statistics", data=datasets.specs(config)),
        code=code("compare_specifications"),
    message:
        "Compare the two maps in all specifications"
    script:
        "../scripts/compare_specifications.py"


rule judge_metrics:
    input:
        scores=f"{RESULTS}/scores.parquet",
        candidates=from_present(candidate_files),
        evaluations=f"{RESULTS}/evaluations.parquet",
        models=f"{RESULTS}/models.parquet",
        images=rules.compare_methods.input.images,
    output:
        concordance=f"{RESULTS}/concordance.parquet",
        validity=f"{RESULTS}/validity.parquet",
    log:
        f"{LOGS}/judge_metrics.log",
    benchmark:
        f"{RUNTIME}/judge_metrics.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen(
            "seed", "statistics", "concordance", data=datasets.specs(config)
        ),
        code=code("judge_metrics"),
    message:
        "Judge the metrics by their concordance with the truth"
    script:
        "../scripts/judge_metrics.py"
