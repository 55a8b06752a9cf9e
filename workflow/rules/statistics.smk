# Needs the scores, the models and the images' groups. Makes paired differences over models, tests, intervals, floors, power, and maps' agreement with the truth.


rule compare_methods:
    input:
        scores=f"{RESULTS}/scores.parquet",
        evaluations=f"{RESULTS}/evaluations.parquet",
        models=f"{RESULTS}/models.parquet",
        # where images are the same for all networks: which of them are one patient's
        images=[
            f"{RESULTS}/data/{name}/table.parquet"
            for name in DATASETS
            if not sources.is_planted(config["dataset_definitions"][name])
        ],
    output:
        f"{RESULTS}/statistics.parquet",
    log:
        f"{LOGS}/compare_methods.log",
    benchmark:
        f"{RUNTIME}/compare_methods.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen(
            "seed",
            "statistics",
            data=datasets.specs(config),
        ),
        code=code("compare_methods"),
    message:
        "Test the paired differences between methods"
    script:
        "../scripts/compare_methods.py"


rule list_subgroups:
    input:
        images=f"{DATA}/table.parquet",
    output:
        f"{DATA}/subgroups.parquet",
    log:
        f"{LOGS}/list_subgroups/{{dataset}}.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=subgroups_asked,
        code=code("list_subgroups"),
    message:
        "List the groups that images of {wildcards.dataset} are in"
    script:
        "../scripts/list_subgroups.py"


rule compare_subgroups:
    input:
        scores=f"{RESULTS}/scores.parquet",
        evaluations=f"{RESULTS}/evaluations.parquet",
        models=f"{RESULTS}/models.parquet",
        groups=[
            f"{RESULTS}/data/{name}/subgroups.parquet"
            for name in DATASETS
            if "subgroups" in config["dataset_definitions"][name]
        ],
    output:
        f"{RESULTS}/subgroups.parquet",
    log:
        f"{LOGS}/compare_subgroups.log",
    benchmark:
        f"{RUNTIME}/compare_subgroups.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen("statistics", data=datasets.specs(config), additive=ADDITIVE),
        code=code("compare_subgroups"),
    message:
        "Compare the two maps within groups of images"
    script:
        "../scripts/compare_subgroups.py"


rule compare_maps:
    input:
        statistics=f"{RESULTS}/statistics.parquet",
        scores=f"{RESULTS}/scores.parquet",
        images=rules.compare_methods.input.images,
    output:
        f"{RESULTS}/agreement.parquet",
    log:
        f"{LOGS}/compare_maps.log",
    benchmark:
        f"{RUNTIME}/compare_maps.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen(
            "seed",
            "statistics",
            data=datasets.specs(config),
            additive=ADDITIVE,
        ),
        code=code("compare_maps"),
    message:
        "Compare maps with the truth"
    script:
        "../scripts/compare_maps.py"
