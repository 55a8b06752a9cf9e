"""What an experiment scores is declared once: in specs, in a table, and to jobs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from shards import CONFIG, make_shard, network_of, planted_shard, scored_by, stored

from faithcam.core.errors import FaithcamError
from faithcam.core.setting import Setting
from faithcam.experiment import axes, figures
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.metrics import registry
from faithcam.metrics.evaluation import Evaluation, Passes, both_draws, grouped, methods_of
from faithcam.metrics.faithfulness import patch_net
from faithcam.metrics.registry import METRICS
from faithcam.metrics.spec import Metric
from faithcam.metrics.tables import EVALUATIONS, EVALUATIONS_KEY
from faithcam.results import io as tables
from faithcam.results.declared import Evaluations
from faithcam.results.laws import Check
from faithcam.validity.measured import is_judged
from faithcam.validity.verdict import METHODS as METHODS_ALONE

ROOT = Path(__file__).parents[2]
METHODS, CONTROLS = ["gradcam", "hirescam", "random", "centre"], ["sham", "template", "constant"]
OVER = {
    "datasets": ["phantom", "phantom_shortcut", "ct"],
    "dataset_definitions": {"ct": {"architectures": ["axial_small"], "heads": ["flatten"]}},
    "architectures": ["vgg_small", "patch_small"],
    "methods": ["gradcam", "hirescam"],
    "controls": ["sham"],
    "metrics": list(METRICS),
}


@pytest.fixture(scope="module")
def plan():
    return Plan(experiment.merged(experiment.read([ROOT / "config.yaml"]), OVER))


def pairs(plan):
    """Yield every network, metric and the evaluations."""
    for network in plan.networks:
        for metric in plan.metrics(network):
            yield network, metric, plan.evaluations(metric, network)


# --- what specs declare ---------------------------------------------------------------------------


def test_the_experiment_has_every_metric(plan):
    assert {metric for _, metric, _ in pairs(plan)} == set(METRICS)


def test_one_evaluation_at_most_is_primary_in_each_protocol(plan):
    for network, metric, asked in pairs(plan):
        for protocol in plan.config["protocols"]:
            primary = [e for e in asked if (e.protocol, e.role) == (protocol, "primary")]
            wanted = METRICS[metric].compared and (
                protocol == "strict" or METRICS[metric].published
            )
            assert len(primary) == wanted, (network, metric, protocol)


def test_replicates_repeat_a_declared_evaluation_under_other_noise(plan):
    for _, metric, asked in pairs(plan):
        known = {(e.protocol, e.setting): e for e in asked}
        for evaluation in asked:
            assert (evaluation.role == "replicate") == (evaluation.replicate_of is not None)
            if evaluation.replicate_of is not None:
                first = known[evaluation.protocol, evaluation.replicate_of]
                assert first.role != "replicate", metric
                assert evaluation.setting == first.setting.replace(replicate=1)
                assert set(evaluation.methods) <= set(first.methods)
                assert evaluation.reversed == first.reversed


def test_every_evaluation_has_methods_each_once_and_of_a_known_protocol(plan):
    for _, metric, asked in pairs(plan):
        for evaluation in asked:
            assert evaluation.methods, metric
            assert len(set(evaluation.methods)) == len(evaluation.methods)
            assert set(evaluation.curves) <= set(evaluation.methods)
            assert evaluation.protocol in ("thesis", "strict")
            assert Setting.parse(str(evaluation.setting)) == evaluation.setting


@pytest.mark.parametrize(
    ("metric", "head"),
    [(name, head) for name, spec in METRICS.items() for head in spec.heads if head != "other"],
)
def test_a_job_writes_the_rows_that_are_declared_and_no_other(tmp_path, monkeypatch, metric, head):
    # the network's cells see more than their own pixels, which breaks the law of patch nets
    monkeypatch.setattr(
        patch_net, "Check", lambda name, errors, what: Check(name, 0 * errors, what)
    )
    for make in (planted_shard, make_shard):
        shard = make(head=head, start=8)
        network = network_of(shard, METHODS, CONTROLS)
        if not METRICS[metric].supports(network)[0] and not METRICS[metric].architectures:
            continue
        files = stored(shard, network, tmp_path)
        scores = scored_by(shard, metric, files, network)["scores"]
        names = ("metric", "protocol", "setting", "method", "image_id")
        rows = list(zip(*(scores[name].to_pylist() for name in names), strict=True))
        assert sorted(rows) == sorted(
            (metric, evaluation.protocol, str(evaluation.setting), method, image)
            for evaluation in registry.evaluations(CONFIG, metric, network)
            for method in evaluation.methods
            for image in (8, 9)
        )


def test_curves_are_kept_of_the_methods_that_are_declared(tmp_path):
    shard = make_shard(start=8)
    network = network_of(shard, METHODS, CONTROLS)
    curves = scored_by(shard, "aopc", stored(shard, network, tmp_path), network)["curves"]
    names = ("protocol", "setting", "method")
    assert set(zip(*(curves[name].to_pylist() for name in names), strict=True)) == {
        (evaluation.protocol, str(evaluation.setting), method)
        for evaluation in registry.evaluations(CONFIG, "aopc", network)
        for method in evaluation.curves
    }


def declaring(monkeypatch, *evaluations):
    metric = Metric("Mine", True, "me", (0, 1), lambda config, network: evaluations)
    monkeypatch.setitem(METRICS, "mine", metric)
    return registry.evaluations({}, "mine", None)


def test_a_spec_that_declares_twice_or_for_another_is_named(monkeypatch):
    one = Evaluation("mine", "strict", Setting.of(a=1), ("hirescam",))
    two = Evaluation("mine", "thesis", Setting.of(a=1), ("hirescam",))
    assert declaring(monkeypatch, one, two) == [one, two]
    with pytest.raises(FaithcamError, match=r"evaluation mine, strict, a=1: declared twice"):
        declaring(monkeypatch, one, two, Evaluation("mine", "strict", one.setting, ("gradcam",)))
    other = Evaluation("haas", "strict", Setting(), ())
    with pytest.raises(FaithcamError, match=r"evaluation haas, strict, : of another metric"):
        declaring(monkeypatch, one, other)


# --- the evaluation itself ------------------------------------------------------------------------


def test_what_a_job_gets_is_plain_and_comes_back_but_for_what_it_needs_not(plan):
    for _, metric, asked in pairs(plan):
        for evaluation in asked:
            plain = evaluation.plain()
            assert {type(value) for value in plain.values()} == {str, list}
            again = Evaluation.of(metric, plain)
            for name in ("metric", "protocol", "setting", "methods", "role", "curves"):
                assert getattr(again, name) == getattr(evaluation, name)
            assert again.plain() == plain


def test_evaluations_are_grouped_by_parts_of_their_settings():
    def evaluation(protocol, **parts):
        return Evaluation("mine", protocol, Setting.of(**parts), ("b", "a"))

    one, two = evaluation("strict", region=8, order="morf"), evaluation("strict", region=8)
    three = evaluation("thesis", order="morf")
    asked = [one, two, three]
    assert grouped(asked, "region") == {("8",): [one, two], ("",): [three]}
    assert grouped(asked, "order", protocol="strict") == {("morf",): [one], ("",): [two]}
    assert methods_of([one, two, three]) == ["b", "a"]


def test_noise_has_a_first_draw_and_a_second_that_replicates_it():
    drawn, other = Setting.of(a=1, replicate=0), Setting.of(a=1, replicate=1)
    evaluation = Evaluation("mine", "strict", Setting.of(a=1), ("b",), "primary", reversed=True)
    first, second = both_draws(evaluation, lambda replicate: (Passes((replicate,), 2),))
    assert first == replace(evaluation, setting=drawn, passes=(Passes((0,), 2),))
    assert second == replace(
        first, setting=other, role="replicate", replicate_of=drawn, passes=(Passes((1,), 2),)
    )


# --- controls -------------------------------------------------------------------------------------

PRIMARY_ALONE = {  # the strict settings in which controls are scored where those alone are judged
    "aopc": lambda s: (
        (s["order"], s["region"]) == ("morf", "native")
        and s["imputer"] in ("noise", "rerendered")
        and not {"fraction", "explained_score"} & {*s}
    ),
    "road": lambda s: s["order"] == "morf",
    "haas": lambda s: s["explained_class"] == "predicted" and "explained_score" not in s,
    "max_sensitivity": lambda s: s["radius"] == "0.1" and "explained_score" not in s,
    "mprt": lambda s: s["stage"] == "mean",
    "smooth_mprt": lambda s: s["stage"] == "mean",
}


def with_controls(plan, evaluations):
    strict = {"imputers": ["noise", "mean", "rerendered"]}
    over = {"controls": ["sham", "centre"], "aopc": {"strict": strict}}
    over |= {"concordance": {"evaluations": evaluations}}
    return Plan(experiment.merged(plan.config, over))


def test_controls_are_in_every_judged_evaluation_where_all_are(plan):
    every = with_controls(plan, "all")
    declared = [d for d in Evaluations(every.table()) if is_judged(d, METHODS_ALONE)]
    first = [d for d in declared if d.metric != "aopc" or d.setting["region"] == "native"]
    for d in first:
        network = every.network(d.dataset, f"{d.architecture}-{d.head}")
        noisy = d.metric in ("max_sensitivity", "average_sensitivity", "smooth_mprt")
        controls = network.made(network.controls) if noisy else network.controls
        assert {*controls} <= {*d.methods}, (d.metric, d.setting)
    orders = {(d.setting["order"], d.setting["imputer"]) for d in first if d.metric == "aopc"}
    assert orders == {
        (o, i) for o in ("morf", "lerf", "srg") for i in ("noise", "mean", "rerendered")
    }


def test_controls_are_in_few_settings_where_the_primary_ones_are_judged(plan):
    one, every = (with_controls(plan, which) for which in ("primary", "all"))
    for (_, metric, few), (_, _, more) in zip(pairs(one), pairs(every), strict=True):
        for a, b in zip(few, more, strict=True):
            assert replace(a, methods=(), passes=()) == replace(b, methods=(), passes=())
            assert {*a.methods} <= {*b.methods}
            if metric in PRIMARY_ALONE and a.protocol == "strict" and "sham" in b.methods:
                assert ("sham" in a.methods) == PRIMARY_ALONE[metric](a.setting), a.setting


def test_a_data_set_says_itself_whether_all_are_judged(plan):
    one, every = (with_controls(plan, which) for which in ("primary", "all"))
    name = plan.networks[0].dataset
    for experiment_, own, alike in ((one, "all", every), (every, "primary", one)):
        over = {"dataset_definitions": {name: {"evaluations": own}}}
        mixed = Plan(experiment.merged(experiment_.config, over))
        for network in mixed.networks:
            expected = alike if network.dataset == name else experiment_
            for metric in mixed.metrics(network):
                for part in ("evaluations", "evaluations_of_candidates"):
                    found = getattr(mixed, part)(metric, network)
                    assert found == getattr(expected, part)(metric, network), (metric, part)
    assert {n.dataset for n in plan.networks} > {name}


# --- the table ------------------------------------------------------------------------------------


def test_the_table_is_what_is_declared_and_comes_back(plan, tmp_path):
    tables.write(tmp_path / "e.parquet", plan.table(), EVALUATIONS)
    read = Evaluations(tables.read(tmp_path / "e.parquet"))
    rows = {(r.dataset, r.architecture, r.head, r.metric, r.protocol, r.setting): r for r in read}
    declared = [(n, m, e) for n, m, asked in pairs(plan) for e in asked]
    assert len(rows) == len(read) == len(declared)
    for network, metric, evaluation in declared:
        place = (network.dataset, network.architecture, network.head)
        row, spec = rows[*place, metric, evaluation.protocol, evaluation.setting], METRICS[metric]
        for name in ("role", "replicate_of", "methods"):
            assert getattr(row, name) == getattr(evaluation, name)
        assert row.judged == evaluation.is_judged
        assert row.larger_is_better == (spec.larger_is_better != evaluation.reversed)
        assert row.sign == (1 if row.larger_is_better else -1)
        assert (row.lowest, row.highest) == spec.range
        for name in ("title", "compared", "published", "binary", "all_images", "drawn_per_network"):
            assert getattr(row, name) == getattr(spec, name)
        assert row.needs_masks == ("masks" in spec.needs)
        assert row.passes == sum(p.count for p in {*evaluation.passes} if not p.once)
        at = (network.dataset, network.head, evaluation.protocol, metric, str(evaluation.setting))
        assert read.at(*at).setting == evaluation.setting


def test_the_table_is_sorted_and_the_same_every_time(plan):
    table = plan.table()
    keys = list(zip(*(table[name].to_pylist() for name in EVALUATIONS_KEY), strict=True))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert Plan(plan.config).table().equals(table)


def test_replicates_of_the_table_are_declared(plan):
    table = Evaluations(plan.table())
    replicates = [row for row in table if row.role == "replicate"]
    assert replicates
    for row in replicates:
        at = (row.dataset, row.head, row.protocol, row.metric)
        assert table.at(*at, str(row.replicate_of)).role != "replicate"
        assert table.replicate(row.dataset, row.protocol, row.metric, row.replicate_of) == (
            row.setting
        )


def test_orders_backwards_are_better_the_other_way_round(plan):
    signs = Evaluations(plan.table()).signs("aopc")
    assert {sign for setting, sign in signs.items() if "order=lerf" in setting} == {-1}
    assert {sign for setting, sign in signs.items() if "order=lerf" not in setting} == {1}


def test_what_nobody_declares_is_an_error_that_names_it(plan):
    with pytest.raises(FaithcamError, match="phantom, gap, strict, aopc, order=none: no eval"):
        Evaluations(plan.table()).at("phantom", "gap", "strict", "aopc", "order=none")


def test_the_primary_setting_is_that_of_its_protocol_and_data_set(plan):
    read = Evaluations(plan.table())
    assert read.primary("thesis")["haas"] == Setting.of(explained_class="label")
    assert read.primary()["haas"] == Setting.of(explained_class="predicted")
    assert "agreement" not in read.primary(dataset="phantom")
    assert "agreement" in read.primary(dataset="phantom_shortcut")
    assert set(read.metrics(published=True)) == {"aopc", "max_sensitivity", "haas"}
    assert set(read.published_settings(["haas", "road", "similarity"])) == {"haas"}
    assert set(read.further_settings(["haas", "road", "similarity"])) == {"road"}


def test_judged_is_the_strict_primary_setting_but_for_haas(plan):
    read = Evaluations(plan.table())
    judged = read.judged("phantom")
    assert judged.pop("haas") == Setting.of(explained_class="predicted", outcome="kept")
    expected = read.primary(dataset="phantom")
    del expected["haas"]
    assert judged == expected
    (kept,) = [row for row in read if row.metric == "haas" and row.judged and row.head == "flatten"
               and row.dataset == "phantom" and row.architecture == "vgg_small"]  # fmt: skip
    at = (kept.dataset, kept.head, kept.protocol, "haas")
    assert kept.methods == read.at(*at, "explained_class=predicted").methods


# --- the plan -------------------------------------------------------------------------------------


def test_settings_of_a_job_are_plain_values(plan):
    for network, metric, _ in pairs(plan):
        settings = plan.settings(metric, network)
        assert json.loads(json.dumps(settings)) == settings
        assert ("memory_mb" in settings) == METRICS[metric].removes
        assert ("precision" in settings) == (not METRICS[metric].exact)


def test_another_metric_s_section_does_not_change_what_a_job_gets(plan):
    network = plan.network("phantom", "vgg_small-flatten")
    before = plan.settings("haas", network)
    over = {"aopc": {"strict": {"draws": 9}, "memory_mb": 1}, "mprt": {"stages": 3}}
    other = Plan(experiment.merged(plan.config, over))
    assert other.settings("haas", network) == before
    assert other.settings("aopc", network) != plan.settings("aopc", network)


def test_networks_are_those_of_the_experiment_each_once(plan):
    names = [(n.dataset, n.architecture, n.head) for n in plan.networks]
    assert len(set(names)) == len(names)
    assert set(names) == {(d, a, h) for d, a, h, _ in axes.planned(plan.config)}
    assert plan.network("ct", "axial_small-flatten") is plan.network("ct", "axial_small-flatten")


def test_passes_of_different_things_are_not_one():
    assert Passes(("clean",), 1) == Passes(("clean",), 1) != Passes(("clean",), 1, once=True)


@pytest.mark.parametrize(
    ("heads", "expected"),
    [(["gap", "other", "flatten"], 1), (["gap", "flatten"], 1), (["gap", "gap"], 0)],
)
def test_shown_are_maps_of_the_first_network_without_a_gap_head(heads, expected):
    assert figures.first([*enumerate(heads)], lambda each: each[1])[0] == expected
