# Needs the tables. Makes figures, the provenance record, report.html and the answer in a paragraph.

from faithcam.models.architecture import path_name
from faithcam.models.own import facts_file

CAPTIONS = ROOT / "workflow" / "report"
# figures that are drawn of each data set
FIGURES = drawn.of_metrics(MEASURED)
CONTROLLED = [name for name in DATASETS if drawn.of_controls(config, name)]
CONTROL_FIGURES = [
    name
    for name in drawn.OF_CONTROLS
    if any(name in drawn.of_controls(config, dataset) for dataset in CONTROLLED)
]
FIGURE_FILES = [
    f"{RESULTS}/figures/{name}-{dataset}.png"
    for dataset in DATASETS
    for name in (
        *drawn.of_metrics(axes.of_dataset(config, dataset, "metrics")),
        *drawn.of_controls(config, dataset),
    )
]
MULTIVERSE_FILE = (
    [f"{RESULTS}/multiverse.parquet"] if "multiverse" in CONTROL_FIGURES else []
)
CAPTION_FILES = [CAPTIONS / f"{name}.rst" for name in FIGURES + CONTROL_FIGURES]
TRUTH_FIGURES = {dataset: drawn.of_truth(PLAN, dataset) for dataset in DATASETS}
WITH_TRUTH = [dataset for dataset in DATASETS if TRUTH_FIGURES[dataset]]
FIGURE_FILES += [
    f"{RESULTS}/figures/{name}-{dataset}.png"
    for dataset in WITH_TRUTH
    for name in (*TRUTH_FIGURES[dataset], "truth_examples")
]
OF_TRUTH = [
    name
    for name in drawn.OF_TRUTH
    if any(name in TRUTH_FIGURES[dataset] for dataset in WITH_TRUTH)
]
if WITH_TRUTH:
    CAPTION_FILES += [
        CAPTIONS / f"{name}.rst" for name in (*OF_TRUTH, "truth_examples")
    ]
if PART_SHAPLEY_FILES:
    FIGURE_FILES.append(f"{RESULTS}/figures/part_shapley-all.png")
    CAPTION_FILES.append(CAPTIONS / "part_shapley.rst")


rule draw_figures:
    input:
        evaluations=f"{RESULTS}/evaluations.parquet",
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
            "methods",
            "statistics",
            metrics=axes.of_dataset(config, wildcards.dataset, "metrics"),
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
        maps=example_maps,
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


if CONTROLLED:

    rule draw_controls:
        input:
            evaluations=f"{RESULTS}/evaluations.parquet",
            scores=f"{RESULTS}/scores.parquet",
            models=f"{RESULTS}/models.parquet",
            statistics=f"{RESULTS}/statistics.parquet",
            multiverse=MULTIVERSE_FILE,
        output:
            [figure(name, "Controls") for name in CONTROL_FIGURES],
        log:
            f"{LOGS}/draw_controls/{{dataset}}.log",
        benchmark:
            f"{RUNTIME}/draw_controls/{{dataset}}.tsv"
        wildcard_constraints:
            dataset="|".join(CONTROLLED),
        localrule: True
        conda:
            "../../envs/analysis.yaml"
        params:
            settings=chosen(
                "datasets", "metrics", "statistics", data=datasets.specs(config)
            ),
            dataset="{dataset}",
            code=code("draw_controls"),
        message:
            "Draw the controls of {wildcards.dataset}"
        script:
            "../scripts/draw_controls.py"


if WITH_TRUTH:

    rule draw_truth:
        input:
            evaluations=f"{RESULTS}/evaluations.parquet",
            agreement=f"{RESULTS}/agreement.parquet",
            statistics=f"{RESULTS}/statistics.parquet",
            concordance=f"{RESULTS}/concordance.parquet",
            validity=f"{RESULTS}/validity.parquet",
        output:
            [figure(name, "Truth") for name in OF_TRUTH],
        log:
            f"{LOGS}/draw_truth/{{dataset}}.log",
        benchmark:
            f"{RUNTIME}/draw_truth/{{dataset}}.tsv"
        wildcard_constraints:
            dataset="|".join(WITH_TRUTH),
        localrule: True
        conda:
            "../../envs/analysis.yaml"
        params:
            settings=lambda wildcards: chosen(
                "methods",
                "truth",
                "concordance",
                "statistics",
                data=datasets.specs(config),
                networks=costs.of_networks(PLAN, wildcards.dataset),
            ),
            code=code("draw_truth"),
        message:
            "Draw agreement and concordance with the truth of {wildcards.dataset}"
        script:
            "../scripts/draw_truth.py"

    rule draw_truth_examples:
        input:
            manifest=lambda wildcards: manifest_of(
                wildcards.dataset, first_with_truth(wildcards.dataset)[2]
            ),
            parts=lambda wildcards: parts_of(
                wildcards.dataset, first_with_truth(wildcards.dataset)[2]
            ),
            truth=lambda wildcards: truth_files(
                f"{TRUTH}/{{shard}}.parquet", first_with_truth(wildcards.dataset)
            ),
            maps=maps_beside_truth,
        output:
            figure("truth_examples", "Truth"),
        log:
            f"{LOGS}/draw_truth_examples/{{dataset}}.log",
        benchmark:
            f"{RUNTIME}/draw_truth_examples/{{dataset}}.tsv"
        wildcard_constraints:
            dataset="|".join(WITH_TRUTH),
        localrule: True
        conda:
            "../../envs/torch.yaml"
        params:
            estimand=lambda wildcards: PLAN.estimands(
                PLAN.network(*first_with_truth(wildcards.dataset)[:2])
            )[0],
            title=lambda wildcards: "{0}: {1}, seed {2}".format(
                *first_with_truth(wildcards.dataset)
            ),
            code=code("draw_truth_examples"),
        message:
            "Draw maps beside the truth of {wildcards.dataset}"
        script:
            "../scripts/draw_truth_examples.py"


rule draw_part_shapley:
    input:
        part_shapley=f"{RESULTS}/part_shapley.parquet",
        models=f"{RESULTS}/models.parquet",
    output:
        report(
            f"{RESULTS}/figures/part_shapley-all.png",
            caption="../report/part_shapley.rst",
            category="Controls",
            labels={"data": "all", "figure": "part_shapley"},
        ),
    log:
        f"{LOGS}/draw_part_shapley.log",
    benchmark:
        f"{RUNTIME}/draw_part_shapley.tsv"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=chosen("datasets", "statistics", data=datasets.specs(config)),
        code=code("draw_part_shapley"),
    message:
        "Draw what the parts of images contribute"
    script:
        "../scripts/draw_part_shapley.py"


# what was measured of the user's own networks: with it a run can be read where they are not
OWN_FACTS = {
    name: facts_file(name, config["resources"]).read_text(encoding="utf-8")
    for name in axes.own_networks(config)
}


rule record_provenance:
    input:
        # all tables that the report reads: a rerun of any refreshes the record
        tables=[
            f"{RESULTS}/{name}.parquet"
            for name in (
                *(
                    "models",
                    "checks",
                    "scores",
                    "statistics",
                    "subgroups",
                    "agreement",
                ),
                *("concordance", "validity", "truth_admission", "completeness"),
            )
        ]
        + MULTIVERSE_FILE
        + (PART_SHAPLEY_FILES and [f"{RESULTS}/part_shapley.parquet"]),
        manifests=manifests(PRESENT),
    output:
        f"{RESULTS}/provenance.json",
        [f"{RESULTS}/networks/{path_name(name)}.yaml" for name in OWN_FACTS],
    log:
        f"{LOGS}/record_provenance.log",
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        settings=chosen(*config),
        networks=datasets.plan(config)["networks"],
        own_facts=OWN_FACTS,
        plugins=lambda wildcards: provenance.own_plugins(),
        code=code("record_provenance"),
    message:
        "Write down what was run, with what and where"
    script:
        "../scripts/record_provenance.py"


rule collect_cases:
    input:
        evaluations=f"{RESULTS}/evaluations.parquet",
        scores=f"{RESULTS}/scores.parquet",
        statistics=f"{RESULTS}/statistics.parquet",
        predictions=[
            f"{MODEL}/predictions.parquet".format(dataset=d, model=m, seed=s)
            for d, m, s in PRESENT
        ],
        manifests=[manifest_of(dataset, seed) for dataset, _, seed in PRESENT],
        parts=[part for dataset, _, seed in PRESENT for part in parts_of(dataset, seed)],
        maps=MAP_FILES,
        truths=from_present(truth_files, f"{TRUTH}/{{shard}}.parquet"),
    output:
        f"{RESULTS}/cases.json",
    log:
        f"{LOGS}/collect_cases.log",
    benchmark:
        f"{RUNTIME}/collect_cases.tsv"
    localrule: True
    conda:
        "../../envs/torch.yaml"
    params:
        settings=chosen("report", metrics=MEASURED),
        code=code("collect_cases"),
    message:
        "Collect example cases for the report's browser"
    script:
        "../scripts/collect_cases.py"


rule write_report:
    input:
        evaluations=f"{RESULTS}/evaluations.parquet",
        statistics=f"{RESULTS}/statistics.parquet",
        subgroups=f"{RESULTS}/subgroups.parquet",
        models=f"{RESULTS}/models.parquet",
        checks=f"{RESULTS}/checks.parquet",
        completeness=f"{RESULTS}/completeness.parquet",
        provenance=f"{RESULTS}/provenance.json",
        figures=FIGURE_FILES,
        truths=[
            f"{RESULTS}/{name}.parquet"
            for name in ("agreement", "concordance", "validity", "truth_admission")
        ],
        multiverse=MULTIVERSE_FILE,
        part_shapley=rules.collect_part_shapley.output if PART_SHAPLEY_FILES else [],
        cases=rules.collect_cases.output if config["report"]["cases"] else [],
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
        settings=chosen(
            *config, data=datasets.specs(config), plan=datasets.plan(config)
        ),
        captions=CAPTIONS,
        # as inputs their absolute paths would be compared: a repository that moves would rerun this
        texts=provenance.texts_version(
            [
                *CAPTION_FILES,
                *(SCRIPTS / "faithcam" / "report" / "templates").iterdir(),
            ]
        ),
        # what published numbers are compared with
        code=provenance.code_version(SCRIPTS / "write_report.py", FACT_FILES),
    message:
        f"Write the report: {RESULTS}/report.html"
    script:
        "../scripts/write_report.py"
