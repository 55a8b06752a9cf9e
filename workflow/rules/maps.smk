# Needs the data and the trained models. Makes every method's raw maps; all laws are checked first.

for head in dict.fromkeys(head_of(model) for _, model, _ in PLANNED):

    rule:
        name:
            f"explain_{head}"
        input:
            manifest=manifest,
            parts=parts,
            weights=f"{MODEL}/weights.safetensors",
            predictions=f"{MODEL}/predictions.parquet",
        output:
            maps=expand(
                f"{MAPS}/{{method}}/{{shard}}.parquet",
                method=methods_of(head),
                allow_missing=True,
            ),
            checks=f"{MAPS}/checks/{{shard}}.parquet",
        log:
            f"{LOGS}/explain/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
        benchmark:
            f"{RUNTIME}/explain/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
        wildcard_constraints:
            model=f"[A-Za-z0-9_]+-{head}",
        conda:
            "../../envs/torch.yaml"
        threads: config["threads"]
        resources:
            gpu=GPUS,
            mem_mb=growing(4000),
            runtime=time_limit("explain"),
        params:
            settings=lambda wildcards: {
                **of_shard(wildcards),
                "methods": methods_of(head_of(wildcards.model)),
            },
            code=code("explain", methods=lambda network: network.everything),
        message:
            "Explain {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
        script:
            "../scripts/explain.py"


if config["maps_from"]:

    rule import_maps:
        input:
            manifest=manifest,
            parts=parts,
            weights=f"{MODEL}/weights.safetensors",
            predictions=f"{MODEL}/predictions.parquet",
            given=given_maps,
        output:
            f"{MAPS}/{{method}}/{{shard}}.parquet",
        log:
            f"{LOGS}/import_maps/{{method}}/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
        benchmark:
            f"{RUNTIME}/import_maps/{{method}}/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
        wildcard_constraints:
            method="|".join(config["maps_from"]),
        conda:
            "../../envs/torch.yaml"
        threads: config["threads"]
        resources:
            mem_mb=growing(4000),
        params:
            settings=of_given,
            code=code("import_maps"),
        message:
            "Take in {wildcards.method} of {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
        script:
            "../scripts/import_maps.py"


rule collect_checks:
    input:
        from_present(files_of, f"{MAPS}/checks/{{shard}}.parquet", "explain"),
        [
            from_present(
                metric_files, f"{METRIC_FOLDER}/checks/{{shard}}.parquet", metric
            )
            for metric, spec in metrics_registry.METRICS.items()
            if "checks" in spec.tables
        ],
        from_present(truth_files, f"{TRUTH}/checks/{{shard}}.parquet"),
    output:
        f"{RESULTS}/checks.parquet",
    log:
        f"{LOGS}/collect_checks.log",
    benchmark:
        f"{RUNTIME}/collect_checks.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("collect_checks"),
    message:
        "Collect the outcomes of all checks"
    script:
        "../scripts/collect_checks.py"


rule collect_completeness:
    input:
        MAP_FILES,
    output:
        f"{RESULTS}/completeness.parquet",
    log:
        f"{LOGS}/collect_completeness.log",
    benchmark:
        f"{RUNTIME}/collect_completeness.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("collect_completeness"),
    message:
        "Set the sum of every map beside the score it explains"
    script:
        "../scripts/collect_completeness.py"
