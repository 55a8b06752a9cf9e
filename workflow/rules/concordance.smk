# Needs models and their truth. Makes all metrics' scores of candidates, maps of known distance from the truth.


rule score_candidates:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
        truth=truth_of_network,
    output:
        ON_CANDIDATES,
    log:
        f"{LOGS}/{CANDIDATES}/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/{CANDIDATES}/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(4000 + config["aopc"]["memory_mb"] - 1000),
        runtime=time_limit(CANDIDATES),
    params:
        settings=of_candidates,
        code=code(
            "score_candidates", PLAN.asked_of_candidates, lambda network: ("hirescam",)
        ),
    message:
        "All metrics on candidates: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/score_candidates.py"
