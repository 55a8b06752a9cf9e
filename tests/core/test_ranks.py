"""Ranks of cells and Spearman's correlation, against SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from faithcam.core.ranks import ranks, spearman


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=12), st.integers(0, 1000))
def test_ranks_and_spearman_agree_with_scipy(cells, seed):
    a = torch.tensor(cells, dtype=torch.float32)[None, None]
    b = torch.from_numpy(np.random.default_rng(seed).random((1, 1, len(cells))).astype("f4"))
    assert ranks(a)[0].tolist() == stats.rankdata(cells).tolist()
    if len(set(cells)) > 1:
        expected = stats.spearmanr(cells, b[0, 0]).statistic
        assert spearman(ranks(a), ranks(b))[0] == pytest.approx(expected)
    else:
        assert spearman(ranks(a), ranks(b)).isnan().all()


def test_a_map_that_is_not_finite_has_no_ranks():
    assert ranks(torch.tensor([[1.0, torch.inf], [2.0, 1.0]])).isnan().all(1).tolist() == [
        True,
        False,
    ]
