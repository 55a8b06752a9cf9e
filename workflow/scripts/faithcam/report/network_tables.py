"""The report's tables of data sets, networks, axiom checks and blank maps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from faithcam.figures.style import HEADS, look, percent
from faithcam.report.basis_sentences import missed
from faithcam.report.table import NONE, Table, number
from faithcam.report.wording import named_rows, network, planned_networks
from faithcam.results.declared import Evaluations
from faithcam.statistics.settings import MAPS, MODEL, where


def networks(models: pa.Table, settings: Mapping[str, Any]) -> Table:
    """Return every planned network: accuracy, and whether it is in the summaries."""
    table = Table(
        "Networks",
        ["network", "in the summaries"],
        ["train", "val", "test", "accuracy", "balanced accuracy", "95 % interval", "AUC", "ECE",
         "spatial share"],
        (
            "On the test split. A network whose balanced accuracy is not above chance (lower end "
            "of its interval) is kept out of all summaries. ECE: expected calibration error. "
            "Spatial share: of the energy of the linear layer's weights, what is lost when they "
            "are averaged over the cells; 0 with GAP."
        ),
    )  # fmt: skip
    rows, planned = dict(named_rows(models)), planned_networks(settings)
    for name in [*planned, *sorted(set(rows) - set(planned))]:
        row = rows.get(name)
        if row is None:
            table.add(name, "MISSING", *[NONE] * 9)
            continue
        low, high = row["balanced_accuracy_low"], row["balanced_accuracy_high"]
        table.add(
            name, "yes" if row["included"] else f"no: {row['reason']}", row["train_images"],
            row["val_images"], row["test_images"], number(row["accuracy"]),
            number(row["balanced_accuracy"]), f"{number(low)} to {number(high)}",
            number(row["auc"]), number(row["calibration_error"], 2),
            number(row["spatial_share"], 2),
        )  # fmt: skip
    return table


def completeness(table: pa.Table) -> Table:
    """Return how far the maps of networks with head other are from adding up to the score."""
    made = Table(
        "Completeness where it is not proven",
        ["network", "map"],
        ["maps", "sum misses the score by"],
        (
            "Networks with a head other than Flatten or GAP and one linear layer (head other): "
            "completeness is not proven there, but measured. Median over the explained images of "
            "|sum of the map - score| / |score|, the score being the predicted class's logit less "
            "what the head says where all activations are 0. The truth judges these maps like all "
            "others."
        ),
    )
    frame = table.to_pandas()
    for key, maps in frame.groupby([*MODEL, "method"]):
        *name, method = key
        miss = missed(maps)
        made.add(
            network(*name),
            look(str(method)).name,
            len(maps),
            NONE if miss is None else percent(miss),
        )
    return made


def checks(checks: pa.Table) -> Table:
    """Return the axiom checks by law."""
    table = Table(
        "Axiom checks",
        ["law", "tolerance", "passed"],
        ["networks", "maps checked", "worst error / tolerance"],
        (
            "The algebra of the maps, in float32, on every explained image of every network; the "
            "law of SRG on the first micro-batch, as far as its maps have no tied cells."
        ),
    )
    frame = checks.to_pandas()
    for (law, tolerance), rows in frame.groupby(["check", "tolerance"]):
        failed = rows[~rows["passed"]]
        names = ", ".join(network(*row) for row in failed[MODEL].to_numpy())
        table.add(
            law, tolerance, f"NO: {names}" if names else "yes", len(rows), rows["images"].sum(),
            number(rows["worst"].max(), 2),
        )  # fmt: skip
    return table


def blanks(frame: pd.DataFrame, evaluations: Evaluations, settings: Mapping[str, Any]) -> Table:
    """Return the shares of blank and undefined maps."""
    published = evaluations.published(settings["plan"]["metrics"])
    shares = frame[frame["method_a"].isin(MAPS) & frame["metric"].isin(published)]
    blank = where(shares, effect_name="blank share")
    undefined = where(shares, effect_name="undefined share")
    metrics = [name for name in published if name in set(blank["metric"])]
    table = Table(
        "Blank and undefined maps",
        ["data set", "protocol", "head", "map"],
        [*(evaluations.title(name) for name in metrics), "worst network", "undefined"],
        (
            "Shares of blank maps among the explained images, mean over networks, largest over the "
            "protocol's settings. Blank: zero everywhere (thesis: after ReLU). thesis keeps blank "
            "maps in its means, strict drops the image for both maps of a pair. Undefined: no "
            "score exists."
        ),
    )
    keys = ["dataset", "protocol", "head", "method_a"]
    means = where(blank, level="model", architecture="all").groupby([*keys, "metric"])["estimate"]
    worst = where(blank, level="image").groupby(keys)["estimate"].max()
    none = where(undefined, level="model", architecture="all").groupby(keys)["estimate"].max()
    wide = means.max().unstack().reindex(columns=metrics)
    for key, values in zip(wide.index, wide.to_numpy(), strict=True):
        dataset, protocol, head, method = key
        cells = [NONE if np.isnan(value) else percent(value) for value in values]
        cells += [percent(worst[key]), percent(none[key])]
        table.add(dataset, protocol, HEADS[head], look(method).name, *cells)
    return table


def data(manifests: Mapping[str, Any]) -> Table:
    """Return splits and classes of each data set."""
    table = Table(
        "Data",
        ["data set", "source", "classes", "split"],
        ["size", "images", "per class"],
    )
    for name, manifest in manifests.items():
        for split, counts in manifest["splits"].items():
            channels = {1: "grey", 3: "colour"}.get(manifest["channels"], manifest["channels"])
            table.add(
                name, manifest["source"], ", ".join(manifest["classes"]), split,
                f"{manifest['size']} px, {channels}", counts["images"],
                " / ".join(map(str, counts["per_class"])),
            )  # fmt: skip
    return table


def sources(provenance: Mapping[str, Any]) -> Table | None:
    """Return what was merged from whom; None of a run that was not merged.

    Args:
        provenance: what was run; ``sources`` are the runs that were merged.
    """
    if "sources" not in provenance:
        return None
    table = Table(
        "Merged from",
        ["run", "data sets", "processor", "commit", "sha256"],
        ["networks"],
        (
            "The sha256 is of the hashes of all files that were taken from a run; provenance.json "
            "lists them. A network that several runs have, with the same numbers, counts once."
        ),
    )
    for source in provenance["sources"]:
        names = sorted({name.split("/")[0] for name in source["networks"]})
        commit = str(source["commit"] or NONE)[:12]
        if source["uncommitted_changes"]:
            commit += ", changed"
        where = source["processor"] if source["gpu"] == "none" else source["gpu"]
        table.add(
            source["name"], ", ".join(names), where, commit, source["sha256"][:12],
            len(source["networks"]),
        )  # fmt: skip
    return table
