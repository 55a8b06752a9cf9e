# Needs the scores and the models. Makes the verdict on each metric, and all its specifications.


rule judge_metrics:
    input:
        scores=f"{RESULTS}/scores.parquet",
        evaluations=f"{RESULTS}/evaluations.parquet",
        models=f"{RESULTS}/models.parquet",
        part_shapley=rules.collect_part_shapley.output if PART_SHAPLEY_FILES else [],
    output:
        validity=f"{RESULTS}/validity.parquet",
        multiverse=f"{RESULTS}/multiverse.parquet",
    log:
        f"{LOGS}/judge_metrics.log",
    benchmark:
        f"{RUNTIME}/judge_metrics.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen(
            "protocols",
            "statistics",
            "validity",
            data=datasets.specs(config),
        ),
        code=code("judge_metrics"),
    message:
        "Judge the metrics by their controls"
    script:
        "../scripts/judge_metrics.py"
