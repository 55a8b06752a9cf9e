# The stages, each a target without wildcards:  snakemake metrics


localrules:
    data,
    models,
    maps,
    truth,
    metrics,
    concordance,
    statistics,
    validity,
    report,


rule data:
    input:
        manifests(PLANNED),


rule models:
    input:
        f"{RESULTS}/models.parquet",


rule maps:
    input:
        MAP_FILES,
        f"{RESULTS}/checks.parquet",


rule truth:
    input:
        f"{RESULTS}/truth.parquet",
        f"{RESULTS}/truth_admission.parquet",


rule metrics:
    input:
        f"{RESULTS}/scores.parquet",
        f"{RESULTS}/curves.parquet",


rule concordance:
    input:
        from_present(candidate_files),


rule statistics:
    input:
        f"{RESULTS}/statistics.parquet",
        f"{RESULTS}/subgroups.parquet",
        f"{RESULTS}/agreement.parquet",


rule validity:
    input:
        f"{RESULTS}/validity.parquet",
        f"{RESULTS}/multiverse.parquet",


rule report:
    input:
        f"{RESULTS}/report.html",
