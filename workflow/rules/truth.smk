# Needs the data and the trained models. Makes what each cell contributes to the explained score.


rule compute_truth:
    input:
        manifest=manifest,
        parts=parts,
        weights=f"{MODEL}/weights.safetensors",
        predictions=f"{MODEL}/predictions.parquet",
    output:
        truth=f"{TRUTH}/{{shard}}.parquet",
        checks=f"{TRUTH}/checks/{{shard}}.parquet",
        admission=f"{TRUTH}/admission/{{shard}}.parquet",
    log:
        f"{LOGS}/truth/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.log",
    benchmark:
        f"{RUNTIME}/truth/{{dataset}}/{{model}}/seed{{seed}}/{{shard}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(4000 + config["aopc"]["memory_mb"] - 1000),
        runtime=time_limit("truth"),
    params:
        settings=of_truth,
        code=code("compute_truth"),
    message:
        "Contributions of cells: {wildcards.dataset} {wildcards.model} seed {wildcards.seed}, images {wildcards.shard}"
    script:
        "../scripts/compute_truth.py"


rule collect_truth:
    input:
        truth=from_present(truth_files, f"{TRUTH}/{{shard}}.parquet"),
        admission=from_present(truth_files, f"{TRUTH}/admission/{{shard}}.parquet"),
    output:
        truth=f"{RESULTS}/truth.parquet",
        admission=f"{RESULTS}/truth_admission.parquet",
    log:
        f"{LOGS}/collect_truth.log",
    benchmark:
        f"{RUNTIME}/collect_truth.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("collect_truth"),
    message:
        "Collect what cells contribute"
    script:
        "../scripts/collect_truth.py"
