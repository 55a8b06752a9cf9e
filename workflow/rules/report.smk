# Needs the tables. Makes figures, the provenance record, report.html and the answer in a paragraph.

CAPTIONS = Path(workflow.basedir) / "workflow" / "report"


rule draw_figures:
    input:
        curves=f"{RESULTS}/curves.parquet",
        completeness=f"{RESULTS}/completeness.parquet",
        models=f"{RESULTS}/models.parquet",
        statistics=f"{RESULTS}/statistics.parquet",
    output:
        [figure(name, "Metrics") for name in FIGURES if name != "examples"],
    log:
        f"{LOGS}/draw_figures/{{dataset}}.log",
    benchmark:
        f"{RUNTIME}/draw_figures/{{dataset}}.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=lambda wildcards: chosen(
            "aopc",
            "max_sensitivity",
            "protocols",
            "statistics",
            metrics=experiment.own(config, wildcards.dataset, "metrics"),
        ),
        code=code("draw_figures"),
    message:
        "Draw the figures of {wildcards.dataset}"
    script:
        "../scripts/draw_figures.py"


rule draw_examples:
    input:
        manifest=lambda wildcards: manifest_of(
            wildcards.dataset, first_model(wildcards.dataset)[2]
        ),
        parts=lambda wildcards: parts_of(
            wildcards.dataset, first_model(wildcards.dataset)[2]
        ),
        maps=lambda wildcards: map_files(first_model(wildcards.dataset)),
    output:
        figure("examples", "Maps"),
    log:
        f"{LOGS}/draw_examples/{{dataset}}.log",
    benchmark:
        f"{RUNTIME}/draw_examples/{{dataset}}.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        title=lambda wildcards: "{0}: {1}, seed {2}".format(
            *first_model(wildcards.dataset)
        ),
        code=code("draw_examples"),
    message:
        "Draw example maps of {wildcards.dataset}"
    script:
        "../scripts/draw_examples.py"


rule record_provenance:
    input:
        # the tables, too: a rerun of anything refreshes the record
        tables=[f"{RESULTS}/{name}.parquet" for name in ("models", "checks", "scores")],
        manifests=manifests(PRESENT),
    output:
        f"{RESULTS}/provenance.json",
    log:
        f"{LOGS}/record_provenance.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        settings=chosen(*config),
        code=code("record_provenance"),
    message:
        "Write down what was run, with what and where"
    script:
        "../scripts/record_provenance.py"


rule write_report:
    input:
        statistics=f"{RESULTS}/statistics.parquet",
        models=f"{RESULTS}/models.parquet",
        checks=f"{RESULTS}/checks.parquet",
        provenance=f"{RESULTS}/provenance.json",
        figures=[
            f"{RESULTS}/figures/{name}-{dataset}.png"
            for dataset in DATASETS
            for name in figures_of(experiment.own(config, dataset, "metrics"))
        ],
    output:
        report=report(
            f"{RESULTS}/report.html",
            caption="../report/workflow.rst",
            category="Report",
            labels={"data": "all", "figure": "answer, figures and tables on one page"},
        ),
        answer=f"{RESULTS}/answer.txt",
    log:
        f"{LOGS}/write_report.log",
    benchmark:
        f"{RUNTIME}/write_report.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen(*config),
        captions=CAPTIONS,
        # as inputs their absolute paths would be compared: a repository that moves would rerun this
        texts=provenance.texts_version(
            [
                *(CAPTIONS / f"{name}.rst" for name in FIGURES),
                SCRIPTS / "faithcam" / "report.html.j2",
            ]
        ),
        code=code("write_report"),
    message:
        f"Write the report: {RESULTS}/report.html"
    script:
        "../scripts/write_report.py"
