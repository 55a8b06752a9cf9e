# faithcam: do the metrics of explainable AI reward a faithful explanation?
#
#   data -> models -> maps, truth -> metrics, concordance -> statistics, validity -> report
#
# results/data/{dataset}/                                       images, masks, table, manifest
# results/data/{dataset}/seed{seed}/                            the same where each seed has its own
# results/models/{dataset}/{architecture}-{head}/seed{seed}/    weights, history, predictions
# results/maps/{dataset}/{model}/seed{seed}/{method}/{shard}.parquet
# results/truth/{dataset}/{model}/seed{seed}/{shard}.parquet
# results/metrics/{metric}/{dataset}/{model}/seed{seed}/{shard}.parquet
# results/concordance/{dataset}/{model}/seed{seed}/{shard}.parquet
# results/networks/{architecture}.yaml                          facts of networks of your own
# results/*.parquet, figures/*.png, report.html, provenance.json
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "workflow/rules/internals.smk"
include: "workflow/rules/start.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"


if config["container"]:

    container: config["container"]


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/maps.smk"
include: "workflow/rules/truth.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/concordance.smk"
include: "workflow/rules/statistics.smk"
include: "workflow/rules/validity.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/targets.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,


rule all:
    default_target: True
    input:
        rules.collect_truth.output,
        rules.judge_metrics.output,
        rules.compare_specifications.output,
        rules.write_report.output,
