# Needs the data and the trained models. Makes every method's raw maps; all laws are checked first.

for head in config["heads"]:

    rule:
        name:
            f"explain_{head}"
        message:
            "Explain {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
        input:
            manifest=f"{DATA}/manifest.json",
            weights=f"{MODEL}/weights.safetensors",
            predictions=f"{MODEL}/predictions.parquet",
        output:
            maps=expand(
                f"{MAPS}/{{method}}/{{shard}}.parquet", method=methods_of(head), allow_missing=True
            ),
            checks=f"{MAPS}/checks/{{shard}}.parquet",
        params:
            settings=lambda wildcards: {
                **of_shard(wildcards),
                "methods": methods_of(head_of(wildcards.model)),
            },
            code=code("explain"),
        wildcard_constraints:
            model=f"[A-Za-z0-9_]+-{head}",
        threads: config["threads"]
        resources:
            gpu=GPUS,
            mem_mb=4000,
        log:
            f"{LOGS}/explain/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
        benchmark:
            f"{RUNTIME}/explain/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
        conda:
            "../../envs/torch.yaml"
        script:
            "../scripts/explain.py"


rule collect_checks:
    message:
        "Collect the outcomes of all checks"
    input:
        from_present(f"{MAPS}/checks/{{shard}}.parquet"),
        (
            from_present(f"{METRICS}/checks/{{shard}}.parquet", metric="aopc")
            if "aopc" in config["metrics"]
            else []
        ),
    output:
        f"{RESULTS}/checks.parquet",
    params:
        code=code("collect_checks"),
    log:
        f"{LOGS}/collect_checks.log",
    benchmark:
        f"{RUNTIME}/collect_checks.tsv"
    conda:
        "../../envs/analysis.yaml"
    script:
        "../scripts/collect_checks.py"
