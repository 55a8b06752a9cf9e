# Needs the scores and the models. Makes paired differences over models, tests, intervals, floors.


rule compare_methods:
    input:
        scores=f"{RESULTS}/scores.parquet",
        models=f"{RESULTS}/models.parquet",
    output:
        f"{RESULTS}/statistics.parquet",
    log:
        f"{LOGS}/compare_methods.log",
    benchmark:
        f"{RUNTIME}/compare_methods.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen("seed", "statistics", "aopc", "max_sensitivity"),
        code=code("compare_methods"),
    message:
        "Test the paired differences between methods"
    script:
        "../scripts/compare_methods.py"
