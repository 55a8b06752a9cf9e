# Needs a definition in the config, and the network only for downloads. Makes the prepared data sets.


rule download_images:
    output:
        f"{DATA}/download.json",
    log:
        f"{LOGS}/download_images/{{dataset}}.log",
    retries: 2
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        settings=lambda wildcards: chosen(
            "resources",
            definition={
                key: config["dataset_definitions"][wildcards.dataset][key]
                for key in ("flag", "size")
            },
        ),
        code=code("download_images"),
    message:
        "Download {wildcards.dataset} (kept in {config[resources]})"
    script:
        "../scripts/download_images.py"


rule prepare_data:
    input:
        downloaded,
    output:
        images=f"{DATA}/images.npy",
        masks=f"{DATA}/masks.npy",
        table=f"{DATA}/table.parquet",
        manifest=f"{DATA}/manifest.json",
    log:
        f"{LOGS}/prepare_data/{{dataset}}.log",
    benchmark:
        f"{RUNTIME}/prepare_data/{{dataset}}.tsv"
    conda:
        "../../envs/torch.yaml"
    params:
        settings=lambda wildcards: chosen(
            "seed",
            "resources",
            definition={
                key: value
                for key, value in config["dataset_definitions"][
                    wildcards.dataset
                ].items()
                if key != "explained_images"
            },
        ),
        files=own_files,
        code=code("prepare_data"),
    message:
        "Prepare the images of {wildcards.dataset}"
    script:
        "../scripts/prepare_data.py"
