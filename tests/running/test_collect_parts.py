"""Shapley values of parts: collected once, and only where parts are known."""

import numpy as np
import pyarrow as pa
import pytest
from parts import DECOYS, shapley_of

from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.metrics.tables import PART_SHAPLEY, PART_SHAPLEY_KEY
from faithcam.results import io as tables
from faithcam.running import collect, plan


def test_shards_are_collected_once(tmp_path):
    part_shapley = shapley_of({"lesion": np.arange(4.0)}, np.zeros((2, 4, DECOYS)))
    for name, ids in (("b", {0, 1}), ("a", {2, 3})):
        part = part_shapley.filter(pa.compute.field("image_id").isin(list(ids)))
        tables.write(tmp_path / name, part, PART_SHAPLEY)
    files = [str(tmp_path / name) for name in "ab"]
    table = collect.part_shapley(files)
    whole = tables.concatenate([part_shapley], PART_SHAPLEY, PART_SHAPLEY_KEY).to_pandas()
    assert table.to_pandas().equals(whole)
    assert collect.part_shapley(files[::-1]).to_pandas().equals(whole)
    with pytest.raises(ValueError, match="two rows"):
        collect.part_shapley([*files, files[0]])


def test_they_are_collected_only_where_parts_are_known():
    def rules(**over):
        base = experiment.read([plan.SCHEMA.resolve().parents[2] / "config.yaml"])
        return {job.rule for job in plan.jobs(Plan(experiment.merged(base, over)))}

    wanted = {"datasets": ["phantom_lesion"], "metrics": ["aopc", "agreement"]}
    assert {"collect_part_shapley", "draw_part_shapley"} <= rules(**wanted)
    for less in ({"datasets": ["phantom"]}, {"metrics": ["aopc"]}):
        assert "collect_part_shapley" not in rules(**wanted | less)
