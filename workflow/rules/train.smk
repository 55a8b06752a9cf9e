# Needs the data. Makes one trained network per data set, architecture, head and seed.


rule download_weights:
    output:
        f"{RESULTS}/models/imagenet/{{architecture}}.json",
    log:
        f"{LOGS}/download_weights/{{architecture}}.log",
    retries: 2
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        settings=chosen("resources"),
        code=code("download_weights"),
    message:
        "Download ImageNet weights of {wildcards.architecture} (kept in {config[resources]})"
    script:
        "../scripts/download_weights.py"


rule train:
    input:
        unpack(starting_weights),
        manifest=manifest,
        parts=parts,
    output:
        weights=f"{MODEL}/weights.safetensors",
        history=f"{MODEL}/history.parquet",
        predictions=f"{MODEL}/predictions.parquet",
    log:
        f"{LOGS}/train/{{dataset}}/{{model}}/seed{{seed}}.log",
    benchmark:
        f"{RUNTIME}/train/{{dataset}}/{{model}}/seed{{seed}}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: config["threads"]
    resources:
        gpu=GPUS,
        mem_mb=growing(4000),
        runtime=training_limit,
    params:
        settings=of_training,
        code=code("train"),
    message:
        "Train {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/train.py"


rule evaluate_models:
    input:
        manifests=manifests(PRESENT),
        models=[
            file
            for dataset, model, seed in PRESENT
            for file in expand(
                f"{MODEL}/{{file}}",
                dataset=dataset,
                model=model,
                seed=seed,
                file=["weights.safetensors", "history.parquet", "predictions.parquet"],
            )
        ],
    output:
        f"{RESULTS}/models.parquet",
    log:
        f"{LOGS}/evaluate_models.log",
    benchmark:
        f"{RUNTIME}/evaluate_models.tsv"
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen("seed"),
        planned=[[*model] for model in PLANNED],
        present=[[*model] for model in PRESENT],
        exempt=[
            name
            for name in DATASETS
            if axes.is_exempt(config["dataset_definitions"][name])
        ],
        code=code("evaluate_models"),
    message:
        "Evaluate all models on their test images"
    script:
        "../scripts/evaluate_models.py"
