"""The scores of a run are the declared ones: what is missing or nobody's stops it, by name."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from shards import CONFIG, IMAGES, make_shard, network_of, scored_by, several_shard, stored, written

from faithcam.core.errors import FaithcamError
from faithcam.experiment.evaluations import Plan
from faithcam.metrics.tables import SCORES, SCORES_KEY
from faithcam.running import collect

METHODS = ["gradcam", "hirescam", "random"]


def declared(network, *metrics):
    """Return the table of a network's evaluations."""

    plan = Plan(CONFIG)
    plan.networks, plan.metrics = [network], lambda _: list(metrics)
    return plan.table()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the scores of two metrics in shards, and the evaluations."""
    folder, actual = tmp_path_factory.mktemp("run"), {}
    for start, stop in ((0, 4), (4, IMAGES)):
        shard = make_shard(start=start, stop=stop)
        network = network_of(shard, METHODS)
        files = stored(shard, network, folder)
        for metric in ("haas", "complexity"):
            table = scored_by(shard, metric, files, network)["scores"]
            actual[f"{metric}-{start}"] = table
    return actual, declared(network, "haas", "complexity")


def collected(folder, actual, evaluations):
    return collect.scores(written(actual, folder), evaluations)


def refused(folder, actual, evaluations):
    with pytest.raises(FaithcamError) as error:
        collected(folder, actual, evaluations)
    return str(error.value)


def test_all_rows_are_kept_and_sorted(run, tmp_path):
    actual, evaluations = run
    table = collected(tmp_path, actual, evaluations)
    assert table.schema.names == SCORES.names
    assert len(table) == sum(map(len, actual.values()))
    keys = list(zip(*(table[name].to_pylist() for name in SCORES_KEY), strict=True))
    assert keys == sorted(keys)
    backwards = dict(reversed(actual.items()))
    assert collected(tmp_path, backwards, evaluations).equals(table)


def test_a_row_that_nobody_declared_is_named(run, tmp_path):
    actual, evaluations = run
    fewer = evaluations.filter(pc.field("metric") == "haas")
    message = refused(tmp_path, actual, fewer)
    assert "scores of made/net/flatten/0: no evaluation declares strict complexity" in message
    assert "complexity view=signed gradcam; " in message
    assert "run again with `--forcerun` and the metric's name" in message


def test_a_method_that_nobody_declared_is_named(run, tmp_path):
    actual, _ = run
    few = declared(network_of(make_shard(), METHODS[:2]), "haas", "complexity")
    message = refused(tmp_path, actual, few)
    assert "no evaluation declares" in message
    assert "random" in message
    assert "gradcam" not in message


@pytest.mark.parametrize("metric", ["haas", "complexity"])
def test_an_evaluation_without_rows_is_named(run, tmp_path, metric):
    actual, evaluations = run
    fewer = {name: table for name, table in actual.items() if not name.startswith(metric)}
    message = refused(tmp_path, fewer, evaluations)
    assert "scores of made/net/flatten/0: there are no scores of" in message
    assert f" {metric} " in message
    rows = sum(len(e["methods"]) for e in evaluations.to_pylist() if e["metric"] == metric)
    assert f"({rows} in all)" in message


def test_a_method_without_rows_is_named(run, tmp_path):
    actual, evaluations = run
    fewer = {
        name: table.filter(
            (pc.field("metric") != "complexity") | (pc.field("method") != "hirescam")
        )
        for name, table in actual.items()
    }
    message = refused(tmp_path, fewer, evaluations)
    assert "there are no scores of strict complexity view=signed hirescam (1 in all)" in message


def test_fewer_images_than_the_metric_has_are_named(run, tmp_path):
    actual, evaluations = run
    fewer = {
        name: table.filter(
            (pc.field("setting") != "explained_class=predicted")
            | (pc.field("method") != "random")
            | (pc.field("image_id") != 7)
        )
        for name, table in actual.items()
    }
    message = refused(tmp_path, fewer, evaluations)
    assert "not as many images as others of the metric: strict haas" in message
    assert "haas explained_class=predicted random (1 in all)" in message


def test_metrics_may_have_different_images(run, tmp_path):
    actual, evaluations = run
    fewer = {
        name: table.filter((pc.field("metric") == "haas") | (pc.field("image_id") < 2))
        for name, table in actual.items()
    }
    assert len(collected(tmp_path, fewer, evaluations)) < sum(map(len, actual.values()))


def test_a_network_without_any_row_is_left_to_what_is_known_of_it(run, tmp_path):
    """Networks are absent under ``incomplete``, or because they did not learn."""
    actual, evaluations = run
    other = network_of(make_shard("gap"), METHODS)
    more = pa.concat_tables([evaluations, declared(other, "haas")])
    assert len(collected(tmp_path, actual, more)) == sum(map(len, actual.values()))


def test_every_seed_has_its_own_rows(run, tmp_path):
    actual, evaluations = run
    seeds = {}
    for name, table in actual.items():
        other = table.set_column(
            table.column_names.index("seed"), "seed", pa.array([1] * len(table), pa.int64())
        )
        seeds |= {name: table, f"{name}-other": other}
    assert len(collected(tmp_path, seeds, evaluations)) == 2 * sum(map(len, actual.values()))
    del seeds["haas-4-other"]
    seeds["haas-0-other"] = seeds["haas-0-other"].filter(pc.field("method") != "random")
    message = refused(tmp_path, seeds, evaluations)
    assert "scores of made/net/flatten/1: there are no scores of strict haas" in message


def test_the_same_row_twice_is_an_error(run, tmp_path):
    actual, evaluations = run
    again = {**actual, "again": actual["haas-0"]}
    assert "two shards or settings overlap" in refused(tmp_path, again, evaluations)


def test_several_labels_count_alike(tmp_path):
    shard = several_shard()
    network = network_of(shard, METHODS)
    files = stored(shard, network, tmp_path)
    actual = {"c": scored_by(shard, "complexity", files, network)["scores"]}
    evaluations = declared(network, "complexity")
    assert len(collected(tmp_path, actual, evaluations)) == len(METHODS) * len(shard.image_ids)
    last = actual["c"].slice(0, len(actual["c"]) - 1)
    assert "not as many images" in refused(tmp_path, {"c": last}, evaluations)


def test_data_sets_without_any_metric_are_named(run):
    with pytest.raises(
        FaithcamError, match=r"metrics: none of those named applies to .* ct, .* models maps"
    ):
        collect.scores([], run[1], ["ct"])
