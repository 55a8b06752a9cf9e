

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
