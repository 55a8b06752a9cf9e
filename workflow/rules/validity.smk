# Needs the scores and the models. Makes the difference of the two maps in all specifications of the metrics.


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
