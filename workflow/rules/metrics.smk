# Needs maps and models. Makes one table of scores per metric, model and shard, then one of all.


rule aopc:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
        maps=maps_of_shard,
    output:
        scores=expand(f"{METRICS}/{{shard}}.parquet", metric="aopc", allow_missing=True),
        curves=expand(
            f"{METRICS}/curves/{{shard}}.parquet", metric="aopc", allow_missing=True
        ),
        checks=expand(
            f"{METRICS}/checks/{{shard}}.parquet", metric="aopc", allow_missing=True
        ),
    log:
        f"{LOGS}/aopc/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/aopc/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(3000 + config["aopc"]["memory_mb"]),
        runtime=time_limit("aopc"),
    params:
        settings=lambda wildcards: {
            **of_shard(wildcards, "precision", "protocols", "aopc"),
            "methods": methods_of(head_of(wildcards.model)),
            "controls": controls_of(head_of(wildcards.model)),
        },
        code=code("aopc"),
    message:
        "AOPC of {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/aopc.py"


rule max_sensitivity:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet",
            metric="max_sensitivity",
            allow_missing=True,
        ),
    log:
        f"{LOGS}/max_sensitivity/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/max_sensitivity/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=time_limit("max_sensitivity"),
    params:
        settings=lambda wildcards: {
            **of_shard(wildcards, "precision", "protocols", "max_sensitivity"),
            "methods": from_model(methods_of(head_of(wildcards.model))),
            "controls": controls_of(head_of(wildcards.model)),
        },
        code=code("max_sensitivity"),
    message:
        "Max-Sensitivity of {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/max_sensitivity.py"


rule haas:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
        maps=maps_of_shard,
    output:
        scores=expand(f"{METRICS}/{{shard}}.parquet", metric="haas", allow_missing=True),
    log:
        f"{LOGS}/haas/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/haas/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=time_limit("haas"),
    params:
        settings=lambda wildcards: {
            **of_shard(wildcards, "precision", "protocols", "haas"),
            "methods": methods_of(head_of(wildcards.model)),
            "controls": controls_of(head_of(wildcards.model)),
        },
        code=code("haas"),
    message:
        "HAAS of {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/haas.py"


rule feature_aopc:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
        maps=maps_of_shard,
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="feature_aopc", allow_missing=True
        ),
    log:
        f"{LOGS}/feature_aopc/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/feature_aopc/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(3000),
        runtime=time_limit("feature_aopc"),
    params:
        settings=lambda wildcards: {
            **of_shard(wildcards),
            "methods": methods_of(head_of(wildcards.model)),
        },
        code=code("feature_aopc"),
    message:
        "Feature-space AOPC of {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/feature_aopc.py"


rule collect_scores:
    input:
        from_present(score_files),
    output:
        f"{RESULTS}/scores.parquet",
    log:
        f"{LOGS}/collect_scores.log",
    benchmark:
        f"{RUNTIME}/collect_scores.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        unscored=[
            name
            for name in DATASETS
            if not any(metrics_of(model) for model in PRESENT if model[0] == name)
        ],
        code=code("collect_scores"),
    message:
        "Collect all scores in one table"
    script:
        "../scripts/collect_scores.py"


rule collect_curves:
    input:
        from_present(metric_files, f"{METRICS}/curves/{{shard}}.parquet", "aopc"),
    output:
        f"{RESULTS}/curves.parquet",
    log:
        f"{LOGS}/collect_curves.log",
    benchmark:
        f"{RUNTIME}/collect_curves.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("collect_curves"),
    message:
        "Average the AOPC curves of every model"
    script:
        "../scripts/collect_curves.py"
