"""Tables of the controls: what parts contribute, and where maps lie."""

from itertools import product

import pandas as pd
import scipy.stats
from parts import SETTINGS, experiment_of
from synthetic import named

from faithcam.report import control_tables
from faithcam.report.table import number
from faithcam.statistics.parts import of_networks


def test_the_table_is_over_seeds_and_shows_the_shortcut():
    part_shapley, models = experiment_of()
    table = control_tables.gold_table(part_shapley, models, SETTINGS)
    rows = {tuple(row[:2]): row[2:] for row in table.rows}
    assert list(rows) == [(d, p) for d in ("always", "none") for p in ("lesion", "marker", "decoy")]
    sizes = of_networks(part_shapley, models)
    sizes = sizes[(sizes["dataset"] == "always") & (sizes["part"] == "marker")]
    seeds = sizes.groupby("seed")["size"].mean()
    low, high = scipy.stats.t.interval(0.9, 2, seeds.mean(), scipy.stats.sem(seeds))
    n, size, interval, mean, strongest = rows["always", "marker"]
    assert (n, size) == ("3", number(seeds.mean()))
    assert interval == f"{number(low)} to {number(high)}"
    assert (mean, strongest) == (f"+{size}", "100 %")
    assert rows["none", "lesion"][-1] == "100 %"
    assert rows["none", "decoy"][-1] == "0 %"


def localised(dataset, mask, kind, method, name, estimate, architecture="all"):
    known = {"dataset": dataset, "architecture": architecture, "head": "flatten", "level": "model"}
    known |= {"metric": "localisation", "setting": named(kind=kind, mask=mask), "n": 3}
    known |= {"method_a": method, "effect_name": name, "estimate": estimate}
    return known | {"low": estimate - 0.1, "high": estimate + 0.1}


def test_localisation_has_a_row_per_mask_and_map():
    rows = [
        localised(dataset, mask, kind, method, name, value + 0.01 * i)
        for dataset, mask in (("none", "lesion"), ("always", "lesion"), ("always", "marker"))
        for method, value in (("gradcam", 0.2), ("hirescam", 0.3))
        for i, (kind, name) in enumerate(
            product(("pointing", "mass", "rank"), ("mean", "empty mask share"))
        )
    ]
    rows += [localised("none", "lesion", "mass", "hirescam", "mean", 0.9, architecture="a")]
    frame = pd.DataFrame(rows)
    table = control_tables.localisation_table(frame, SETTINGS)
    assert [row[:2] for row in table.rows[::2]] == [
        ["always", "lesion"], ["always", "marker"], ["none", "lesion"]
    ]  # fmt: skip
    assert table.rows[0] == [
        *("always", "lesion", "Flatten", "HiResCAM", "3"),
        *("0.300 (0.200 to 0.400)", "0.320 (0.220 to 0.420)", "0.340 (0.240 to 0.440)", "35 %"),
    ]
