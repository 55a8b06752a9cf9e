import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import synthetic
from synthetic import one

from faithcam.metrics.tables import EVALUATIONS
from faithcam.report.answer import Answer, answer
from faithcam.report.claims import Counts, published_claims
from faithcam.results.declared import Evaluations
from faithcam.results.tables import CHECKS
from faithcam.statistics.compare import compute
from faithcam.statistics.tables import STATISTICS


@pytest.fixture(scope="module")
def run():
    return synthetic.run()


@pytest.fixture(scope="module")
def result(run):
    return compute(run.scores, run.models, run.evaluations, run.config)


def test_published_p_values_are_those_of_the_source(result):
    aopc, sensitivity, haas = published_claims(result)
    assert aopc.published.p("against") == pytest.approx(0.070, abs=5e-4)
    assert aopc.published.p("dropped") == pytest.approx(0.016, abs=5e-4)
    assert sensitivity.published.p("dropped") == pytest.approx(0.0078, abs=5e-5)
    assert haas.published == Counts(15, 1)
    assert aopc.here == Counts(6, 0)
    assert sensitivity.here == Counts(6, 0)
    assert haas.here.cases == 12


def text_of(config=synthetic.SMALL, **changes):
    run = synthetic.run(config=config, **changes)
    table = compute(run.scores, run.models, run.evaluations, run.config)
    return answer(table, run.models, run.checks, run.evaluations, run.config).text()


def test_answer_without_a_published_metric(run, result):
    config = synthetic.small(metrics=["complexity"])
    nothing = Evaluations(EVALUATIONS.empty_table())
    text = answer(result.slice(0, 0), run.models, run.checks, nothing, config).text()
    assert text.startswith("Asked: does a metric prefer HiResCAM")
    assert "none of the published metrics was computed" in text


def test_answer_when_hirescam_wins(run, result):
    text = answer(result, run.models, run.checks, run.evaluations, run.config).text()
    row = one(result, metric="aopc", primary=True)
    assert text.isascii()
    assert len(text.split("\n\n")) == 3  # asked, on phantom, what it rests on
    assert "AOPC and Max-Sensitivity favour HiResCAM; HAAS cannot tell them apart" in text
    assert "judged by 95 % interval and noise floor (HAAS: no noise floor): AOPC" in text
    assert text.count("no noise floor") == 2  # the short answer's and the one beside HAAS's numbers
    assert f"noise floor {row['floor']:.2g}, p = {row['p']:.2g}" in text
    assert f"{row['estimate']:+#.3g} (95 % interval {row['low']:+#.3g} to" in text
    assert "cannot reach a p below 0.031 (0.094 after Holm over 3 metrics)" in text
    assert "at least 7 networks" in text
    assert "none is significant at 0.05 after Holm" in text
    published = "In the published protocol, by interval: AOPC and Max-Sensitivity favour HiResCAM"
    assert published in text
    assert "AOPC is higher for HiResCAM in 6 of 6 networks" in text
    assert "12 of 12 planned networks are there, none was left out" in text
    assert "all 42 checks of 12 networks passed" in text
    assert "GAP twins: exactly zero difference" in text
    assert "because it is faithful, which a preference cannot tell" in text


def test_answer_without_any_noise_floor_does_not_claim_to_judge_by_it():
    text = text_of(config=synthetic.small(metrics=["haas"]))
    assert "judged by 95 % interval (HAAS: no noise floor): HAAS" in text
    assert "and noise floor" not in text


def test_answer_when_hirescam_loses():
    text = text_of(effect=-1.0)
    assert "AOPC and Max-Sensitivity favour Grad-CAM" in text
    assert "favour HiResCAM" not in text
    assert "AOPC is higher for HiResCAM in 0 of 6 networks" in text


def test_answer_says_when_the_protocols_disagree(run, result):
    columns = result.to_pydict()
    for i, protocol in enumerate(columns["protocol"]):
        if protocol == "thesis":
            columns["low"][i], columns["high"][i] = -columns["high"][i], -columns["low"][i]
            columns["estimate"][i] *= -1
    table = pa.table(columns, schema=STATISTICS)
    text = answer(table, run.models, run.checks, run.evaluations, run.config).text()
    assert "(HAAS: no noise floor): AOPC and Max-Sensitivity favour HiResCAM" in text
    assert "published protocol, by interval: AOPC and Max-Sensitivity favour Grad-CAM" in text


def test_answer_when_nothing_can_be_said():
    text = text_of(effect=0.0)
    assert "AOPC, Max-Sensitivity and HAAS cannot tell them apart" in text
    assert "none is significant" in text


def test_answer_when_the_difference_is_within_the_noise_floor(run, result):
    columns = result.to_pydict()
    for i, primary in enumerate(columns["primary"]):
        if primary and columns["metric"][i] == "aopc":
            columns["floor"][i] = 1.0
    table = pa.table(columns, schema=STATISTICS)
    text = answer(table, run.models, run.checks, run.evaluations, run.config).text()
    assert "AOPC differs by no more than the noise floor" in text


def test_answer_with_enough_networks_names_what_is_significant():
    text = text_of(config=synthetic.small(heads=["flatten"], seeds=[0, 1, 2, 3, 4]))
    assert "AOPC and Max-Sensitivity are significant at 0.05 after Holm" in text
    assert "the smallest p that the sign-flip test can reach is 0.002" in text
    assert "GAP twins: not run" in text


def test_answer_for_one_head_and_for_one_network():
    assert "no Flatten head was run" in text_of(config=synthetic.small(heads=["gap"]))
    single = synthetic.small(heads=["flatten"], seeds=[0], architectures=["vgg_small"])
    text = text_of(config=single)
    assert "cannot be judged from a single network or seed" in text
    assert "interval +" not in text
    assert "nan" not in text


def test_answer_names_missing_excluded_and_failing_networks(run, result):
    text = text_of(without=[("vgg_small", "gap", 2)], excluded=[("vgg_small", "flatten", 1)])
    assert "INCOMPLETE, missing: phantom/vgg_small-gap/seed2" in text
    assert "1 left out (phantom/vgg_small-flatten/seed1: balanced accuracy not above" in text
    assert "What helps where one is not above chance: more test images" in text
    failed = run.checks.to_pylist()
    failed[0]["passed"] = False
    checks = pa.Table.from_pylist(failed, schema=CHECKS)
    text = answer(result, run.models, checks, run.evaluations, run.config).text()
    assert "AXIOMS VIOLATED, trust nothing here: phantom/resnet_small-flatten/seed0" in text


def test_each_data_set_has_its_own_answer():
    text = text_of(config=synthetic.small(datasets=["phantom", "other"]))
    assert "Answer on phantom" in text
    assert "Answer on other" in text
    assert "images of phantom are simulated" in text


def test_statistics_and_answer_do_not_import_torch():
    code = "import sys, faithcam.report.answer; assert 'torch' not in sys.modules"
    folder = Path(__file__).parents[2] / "workflow" / "scripts"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)


def test_of_many_data_sets_the_paragraph_has_the_short_answers_only():
    actual = Answer(["Asked?"], {name: [f"On {name}.", "More."] for name in "abc"}, ["Basis."])
    assert actual.text() == "Asked?\n\nOn a. On b. On c.\n\nBasis."
    assert actual.sentences() == [
        "Asked?", "On a.", "More.", "On b.", "More.", "On c.", "More.", "Basis.",
    ]  # fmt: skip
    two = Answer(["Asked?"], {name: [f"On {name}.", "More."] for name in "ab"}, ["Basis."])
    assert two.text() == "Asked?\n\nOn a. More.\n\nOn b. More.\n\nBasis."
