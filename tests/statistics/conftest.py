"""A whole run of made-up scores, and what is computed of it."""

import pytest
import synthetic

from faithcam.statistics.compare import compute


@pytest.fixture(scope="module")
def run():
    return synthetic.run(config=synthetic.SMALL)


@pytest.fixture(scope="module")
def result(run):
    return compute(run.scores, run.models, run.evaluations, run.config)
