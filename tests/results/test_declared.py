"""What later stages ask of the declared evaluations."""

import pyarrow as pa
import pytest
import synthetic

from faithcam.core.errors import FaithcamError
from faithcam.core.setting import Setting
from faithcam.results.declared import Evaluations

AOPC = Setting.parse(synthetic.primary()["aopc"])
COMPLEXITY = Setting.of(view="signed")


def made(*rows):
    """Return evaluations of (metric, setting, protocol, head) on one data set."""
    table = pa.Table.from_pylist(
        [
            {"dataset": "d", "architecture": "a", "head": head, "protocol": protocol}
            | {"metric": metric, "setting": str(setting), "method": "hirescam"}
            for metric, setting, protocol, head in rows
        ]
    )
    return synthetic.evaluations(table, chosen=[("strict", "complexity", str(COMPLEXITY))])


@pytest.fixture(scope="module")
def evaluations():
    return made(
        ("haas", Setting.parse("explained_class=predicted"), "strict", "gap"),
        ("aopc", AOPC.replace(order="lerf"), "strict", "flatten"),
        ("aopc", AOPC, "strict", "flatten"),
        ("aopc", AOPC.replace(replicate=1), "strict", "flatten"),
        ("complexity", COMPLEXITY, "strict", "flatten"),
        ("similarity", Setting.of(kind="spearman"), "strict", "flatten"),
        ("damage_ladder", Setting.of(metric="max_sensitivity"), "strict", "flatten"),
        ("haas", Setting.parse("explained_class=label"), "thesis", "flatten"),
    )


def test_scores_find_what_declares_them(evaluations):
    declared = evaluations.at("d", "flatten", "strict", "aopc", str(AOPC))
    assert (declared.role, declared.setting, declared.sign) == ("primary", AOPC, 1)
    assert (
        evaluations.at("d", "flatten", "strict", "aopc", str(AOPC.replace(order="lerf"))).sign == -1
    )
    with pytest.raises(FaithcamError, match="no evaluation declares them"):
        evaluations.at("d", "gap", "strict", "aopc", str(AOPC))


def test_a_metrics_facts_are_those_of_its_primary_setting(evaluations):
    assert (evaluations.title("aopc"), evaluations.sign("aopc")) == ("AOPC", 1)
    assert evaluations.title("unheard") == "unheard"
    assert evaluations.metrics(published=True) == ["haas", "aopc"]
    assert evaluations.metrics(compared=False) == ["similarity", "damage_ladder"]
    assert evaluations.signs("damage_ladder") == {"metric=max_sensitivity": -1}


def test_primary_settings_stand_in_the_order_in_which_metrics_are_asked(evaluations):
    asked = ["complexity", "aopc", "haas", "similarity", "road"]
    assert [*evaluations.published_settings(asked)] == ["aopc", "haas"]
    assert evaluations.published_settings(asked, dataset="other") == {}
    assert evaluations.further_settings(asked) == {"complexity": COMPLEXITY}
    assert evaluations.published(asked) == ["aopc", "haas"]
    both = evaluations.published_by_protocol(asked)
    assert list(both) == ["strict", "thesis"]
    assert both["thesis"] == {"haas": Setting.parse("explained_class=label")}


def test_a_second_draw_is_found_from_the_first(evaluations):
    assert evaluations.replicate("d", "strict", "aopc", AOPC) == AOPC.replace(replicate=1)
    assert evaluations.replicate("d", "strict", "aopc", AOPC.replace(order="lerf")) is None


def test_every_row_of_scores_has_a_name(evaluations):
    name = ("d", "a", "flatten", "strict", "complexity", "view=signed", "hirescam")
    assert name in set(evaluations.rows())
    assert len(list(evaluations.rows())) == len(evaluations) == 8
    assert isinstance(evaluations, Evaluations)
