"""The table of lines of code: what is counted, that ours run, and that the page has it."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import lines_of_code
from lines_of_code import JOBS, PACKAGES

import faithcam

ROOT = Path(__file__).parents[2]


def counted(images):
    """Return something.

    Args:
        images: of a job.
    """
    import torch

    # a comment is none
    for image in images:  # 1

        def larger(other, image=image):  # 2
            return max(other, image)  # 3

    return larger(  # 4
        torch.zeros(2),  # 5
    )  # 6


def test_lines_are_counted_as_they_are_formatted():
    assert lines_of_code.lines(counted) == 6


def pinned():
    pins = (ROOT / "requirements-peers.txt").read_text()
    return {
        name: re.search(rf"^{index}==(.*)$", pins, re.M)[1] if index else faithcam.__version__
        for name, (_, _, index) in PACKAGES.items()
    }


def test_the_page_has_the_table_and_ours_are_never_more():
    table = lines_of_code.table(pinned(), lambda job, package: None)
    assert f"<!-- lines: make lines -->\n\n{table}\n" in (ROOT / "docs" / "parity.md").read_text()
    for row in table.splitlines()[2:]:
        _, own, *others = row.strip("| ").split(" | ")
        assert all(each == "none" or int(own) <= int(each) for each in others), row


@pytest.mark.parametrize("job", JOBS)
def test_our_code_of_every_job_runs(job):
    if job == "timm" and importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    made = lines_of_code.done(job, "faithcam")
    if isinstance(made, pd.DataFrame):
        assert made["value"].notna().all()
        assert {*made["image"]} == {0, 1}
    elif isinstance(made, np.ndarray):
        assert made.shape == (64, 64, 3)
    else:
        maps = list(made.values()) if isinstance(made, dict) else made
        assert len(maps) == (3 if job == "multi_label" else 1)
        assert all(len(each) == 2 and each.isfinite().all() for each in maps)
