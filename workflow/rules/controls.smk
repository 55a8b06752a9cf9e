# Needs maps and models. Makes scores whose answer is known, with what says it: gold, laws of patch nets.
from faithcam import judged

HAS_GOLD = any(judged.has_gold(config, dataset) for dataset in DATASETS)


rule agreement:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
        maps=maps_of_shard,
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="agreement", allow_missing=True
        ),
        gold=expand(
            f"{METRICS}/gold/{{shard}}.parquet", metric="agreement", allow_missing=True
        ),
    log:
        f"{LOGS}/agreement/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/agreement/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=memory("agreement"),
        runtime=time_limit("agreement"),
    params:
        settings=of_metric("agreement"),
        code=code("agreement"),
    message:
        "Rank agreement of maps with the parts' Shapley values: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/agreement.py"


rule patch_net:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="patch_net", allow_missing=True
        ),
        checks=expand(
            f"{METRICS}/checks/{{shard}}.parquet",
            metric="patch_net",
            allow_missing=True,
        ),
    log:
        f"{LOGS}/patch_net/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/patch_net/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=memory("patch_net"),
        runtime=time_limit("patch_net"),
    params:
        # always float32: the law is checked
        settings=lambda wildcards: of_shard(wildcards, "aopc"),
        code=code("patch_net"),
    message:
        "Patch net, where the best order is known: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/patch_net.py"


rule collect_gold:
    input:
        from_present(metric_files, f"{METRICS}/gold/{{shard}}.parquet", "agreement"),
    output:
        f"{RESULTS}/gold.parquet",
    log:
        f"{LOGS}/collect_gold.log",
    benchmark:
        f"{RUNTIME}/collect_gold.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("collect_gold"),
    message:
        "Collect what the parts of all images contribute"
    script:
        "../scripts/collect_gold.py"
