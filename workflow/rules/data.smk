# Needs a definition in the config, and the network only for downloads. Makes the prepared data sets.
from faithcam.data import medmnist, prepare


def downloaded(wildcards):
    """Records of the downloads that a data set is made from."""
    definition = config["dataset_definitions"][wildcards.dataset]
    return [f"{DATA}/download.json"] if definition["source"] == "medmnist" else []


rule download_images:
    message:
        "Download {wildcards.dataset} (kept in {config[resources]})"
    output:
        f"{DATA}/download.json",
    params:
        settings=lambda wildcards: chosen(
            "resources", definition=config["dataset_definitions"][wildcards.dataset]
        ),
        code=code("download_images"),
    localrule: True
    retries: 2
    log:
        f"{LOGS}/download_images/{{dataset}}.log",
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/download_images.py"


rule prepare_data:
    message:
        "Prepare the images of {wildcards.dataset}"
    input:
        downloaded,
    output:
        images=f"{DATA}/images.npy",
        masks=f"{DATA}/masks.npy",
        table=f"{DATA}/table.parquet",
        manifest=f"{DATA}/manifest.json",
    params:
        settings=lambda wildcards: chosen(
            "seed",
            "resources",
            definition=config["dataset_definitions"][wildcards.dataset],
        ),
        files=lambda wildcards: prepare.fingerprint(
            config["dataset_definitions"][wildcards.dataset]
        ),
        code=code("prepare_data"),
    log:
        f"{LOGS}/prepare_data/{{dataset}}.log",
    benchmark:
        f"{RUNTIME}/prepare_data/{{dataset}}.tsv"
    conda:
        "../../envs/torch.yaml"
    script:
        "../scripts/prepare_data.py"
