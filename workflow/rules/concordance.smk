# Needs models and their truth. Makes every metric's scores of candidates, maps of known distance from the truth.

CONCORDANCE = f"{RESULTS}/concordance/{{metric}}/{{dataset}}/{{model}}/seed{{seed}}"


def candidate_files(model):
    """What all metrics say of the candidates of a model (dataset, model, seed)."""
    return [
        file
        for metric in PLAN.asked_about_candidates(PLAN.network(*model[:2]))
        for file in files_of(
            f"{CONCORDANCE}/{{shard}}.parquet",
            on_candidates(metric),
            model,
            metric=metric,
        )
    ]


def of_candidates(metric):
    """Settings of a metric's jobs on candidates."""

    def settings(wildcards):
        network = PLAN.network(wildcards.dataset, wildcards.model)
        return {**of_shard(wildcards), **PLAN.candidate_settings(metric, network)}

    return settings


for metric in metrics_registry.METRICS:
    if not metrics_registry.METRICS[metric].takes_candidates:
        continue

    rule:
        name:
            on_candidates(metric)
        input:
            manifest=manifest,
            parts=parts,
            weights=f"{MODEL}/weights.safetensors",
            predictions=f"{MODEL}/predictions.parquet",
            truth=truth_of_network,
        output:
            expand(
                f"{CONCORDANCE}/{{shard}}.parquet", metric=metric, allow_missing=True
            ),
        log:
            f"{LOGS}/{on_candidates(metric)}/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
        benchmark:
            f"{RUNTIME}/{on_candidates(metric)}/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: config["threads"]
        resources:
            gpu=GPUS,
            mem_mb=memory(metric),
            runtime=time_limit(on_candidates(metric)),
        params:
            settings=of_candidates(metric),
            code=code("score_candidates", metric, lambda network: ("hirescam",)),
        message:
            f"{metrics_registry.METRICS[metric].title} of candidates: {{wildcards.dataset}} {{wildcards.model}} seed {{wildcards.seed}}, images {{wildcards.shard}}"
        script:
            "../scripts/score_candidates.py"
