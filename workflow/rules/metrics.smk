# Needs maps and models. Makes tables of scores per metric, model and shard, then one of all.


rule declare_evaluations:
    output:
        f"{RESULTS}/evaluations.parquet",
    log:
        f"{LOGS}/declare_evaluations.log",
    benchmark:
        f"{RUNTIME}/declare_evaluations.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=of_evaluations(),
        code=code_of_evaluations(),
    message:
        "Declare everything that is scored"
    script:
        "../scripts/declare_evaluations.py"


# every metric, by its name
for metric in metrics_registry.METRICS:

    rule:
        name:
            metric
        input:
            manifest=manifest,
            parts=parts,
            weights=f"{MODEL}/weights.safetensors",
            predictions=f"{MODEL}/predictions.parquet",
            maps=maps_of(metric),
            truth=truth_of(metric),
        output:
            scores=expand(
                f"{METRIC_FOLDER}/{{shard}}.parquet", metric=metric, allow_missing=True
            ),
            tables=expand(
                f"{METRIC_FOLDER}/{{table}}/{{shard}}.parquet",
                metric=metric,
                table=metrics_registry.METRICS[metric].tables,
                allow_missing=True,
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
            f"{metrics_registry.METRICS[metric].title}: {{wildcards.dataset}} {{wildcards.model}} seed {{wildcards.seed}}, images {{wildcards.shard}}"
        script:
            "../scripts/score.py"


rule collect_scores:
    input:
        scores=from_present(score_files),
        evaluations=f"{RESULTS}/evaluations.parquet",
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
        from_present(metric_files, f"{METRIC_FOLDER}/curves/{{shard}}.parquet", "aopc"),
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


PART_SHAPLEY_FILES = from_present(
    metric_files, f"{METRIC_FOLDER}/part_shapley/{{shard}}.parquet", "agreement"
)


rule collect_part_shapley:
    input:
        PART_SHAPLEY_FILES,
    output:
        f"{RESULTS}/part_shapley.parquet",
    log:
        f"{LOGS}/collect_part_shapley.log",
    benchmark:
        f"{RUNTIME}/collect_part_shapley.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("collect_part_shapley"),
    message:
        "Collect what the parts of all images contribute"
    script:
        "../scripts/collect_part_shapley.py"
