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
            definition=of_download(wildcards),
        ),
        facts=facts_code,
        code=code("download_images"),
    message:
        "Download {wildcards.dataset} (kept in {config[resources]})"
    script:
        "../scripts/download_images.py"


# prepare_planted: one folder for each training seed; the others: one for all networks
for name, folder, files in (
    ("prepare_data", "{dataset}", sources.FILES),
    ("prepare_findings", "{dataset}", sources.FINDING_FILES),
    ("prepare_planted", "{dataset}/seed{seed}", sources.PLANTED_FILES),
):

    rule:
        name:
            name
        input:
            downloaded,
        output:
            parts=[f"{RESULTS}/data/{folder}/{file}" for file in files],
            manifest=f"{RESULTS}/data/{folder}/manifest.json",
        log:
            f"{LOGS}/prepare_data/{folder}.log",
        benchmark:
            f"{RUNTIME}/prepare_data/{folder}.tsv"
        wildcard_constraints:
            dataset="|".join(
                name for name, parts_there in PARTS_OF.items() if parts_there == files
            ),
        conda:
            "../../envs/torch.yaml"
        params:
            settings=lambda wildcards: chosen(
                "seed",
                definition=axes.images_definition(config, wildcards.dataset),
                resources=config["resources"] if downloaded(wildcards) else "",
                training_seed=wildcards.get("seed"),
            ),
            files=own_files,
            source=source_code,
            facts=facts_code,
            code=code("prepare_data"),
        message:
            "Prepare the images of {wildcards.dataset}"
        script:
            "../scripts/prepare_data.py"
