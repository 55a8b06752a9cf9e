# Needs maps and models. Makes scores whose answer is known: gold, ladders, doses, specifications.


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
        mem_mb=growing(4000),
        runtime=time_limit("agreement"),
    params:
        settings=lambda wildcards: {
            **of_shard(wildcards, "precision"),
            "methods": methods_of(head_of(wildcards.model)),
        },
        code=code("agreement"),
    message:
        "Rank agreement of maps with the parts' Shapley values: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/agreement.py"


rule localisation:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
        maps=maps_of_shard,
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="localisation", allow_missing=True
        ),
    log:
        f"{LOGS}/localisation/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/localisation/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=time_limit("localisation"),
    params:
        settings=lambda wildcards: {
            **of_shard(wildcards, "precision"),
            "methods": methods_of(head_of(wildcards.model)),
        },
        code=code("localisation"),
    message:
        "Localisation: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/localisation.py"


rule similarity:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
        maps=maps_of_shard,
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="similarity", allow_missing=True
        ),
    log:
        f"{LOGS}/similarity/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/similarity/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=time_limit("similarity"),
    params:
        settings=lambda wildcards: {
            **of_shard(wildcards, "precision"),
            "methods": methods_of(head_of(wildcards.model)),
        },
        code=code("similarity"),
    message:
        "Likeness of HiResCAM and the other maps: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/similarity.py"


rule dose_response:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="dose_response", allow_missing=True
        ),
    log:
        f"{LOGS}/dose_response/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/dose_response/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(3000 + config["aopc"]["memory_mb"]),
        runtime=time_limit("dose_response"),
    params:
        settings=lambda wildcards: of_shard(
            wildcards, "precision", "max_sensitivity", "aopc", "dose_response"
        ),
        code=code("dose_response"),
    message:
        "Dose-response of interpolated heads: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/dose_response.py"


rule damage_ladder:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="damage_ladder", allow_missing=True
        ),
    log:
        f"{LOGS}/damage_ladder/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/damage_ladder/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(3000 + config["aopc"]["memory_mb"]),
        runtime=time_limit("damage_ladder"),
    params:
        settings=lambda wildcards: of_shard(
            wildcards, "precision", "max_sensitivity", "aopc", "damage_ladder"
        ),
        code=code("damage_ladder"),
    message:
        "Damage ladders: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/damage_ladder.py"


rule convergence:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="convergence", allow_missing=True
        ),
    log:
        f"{LOGS}/convergence/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/convergence/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(3000 + config["aopc"]["memory_mb"]),
        runtime=time_limit("convergence"),
    params:
        settings=lambda wildcards: of_shard(
            wildcards, "precision", "max_sensitivity", "aopc", "convergence"
        ),
        code=code("convergence", "gradcam", "hirescam", "sham"),
    message:
        "Convergence over draws and samples: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/convergence.py"


rule multiverse:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
    output:
        scores=expand(
            f"{METRICS}/{{shard}}.parquet", metric="multiverse", allow_missing=True
        ),
    log:
        f"{LOGS}/multiverse/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/multiverse/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(3000 + config["aopc"]["memory_mb"]),
        runtime=time_limit("multiverse"),
    params:
        settings=lambda wildcards: of_shard(
            wildcards, "precision", "aopc", "multiverse"
        ),
        code=code("multiverse", "gradcam", "hirescam"),
    message:
        "AOPC in all declared specifications: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/multiverse.py"


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
        mem_mb=growing(3000 + config["aopc"]["memory_mb"]),
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
