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
        mem_mb=memory("aopc"),
        runtime=time_limit("aopc"),
    params:
        settings=of_metric("aopc"),
        code=code("aopc"),
    message:
        "AOPC of {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/aopc.py"


# every metric that makes scores and nothing else, by its name
for metric in STANDARD:

    rule:
        name:
            metric
        input:
            manifest=manifest,
            parts=parts,
            weights=f"{MODEL}/weights.safetensors",
            predictions=f"{MODEL}/predictions.parquet",
            maps=maps_of_shard if measures.METRICS[metric].maps == "stored" else [],
        output:
            scores=expand(
                f"{METRICS}/{{shard}}.parquet", metric=metric, allow_missing=True
            ),
        log:
            f"{LOGS}/{metric}/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
        benchmark:
            f"{RUNTIME}/{metric}/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: config["threads"]
        resources:
            gpu=GPUS,
            mem_mb=memory(metric),
            runtime=time_limit(metric),
        params:
            settings=of_metric(metric),
            code=code_of_metric(metric),
        message:
            f"{measures.METRICS[metric].title}: {{wildcards.dataset}} {{wildcards.model}} seed {{wildcards.seed}}, images {{wildcards.shard}}"
        script:
            "../scripts/score.py"


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
