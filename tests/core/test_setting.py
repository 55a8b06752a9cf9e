"""Settings: one text form, written and read in one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faithcam.core.setting import Setting

TEXT = st.text("abcxyz_0123456789. -", min_size=1, max_size=8)
NAMES = st.text("abcxyz_", min_size=1, max_size=6)
VALUES = st.dictionaries(NAMES, TEXT, max_size=4)


@given(VALUES)
def test_a_setting_is_read_as_it_was_written(values):
    setting = Setting.of(**values)
    assert Setting.parse(str(setting)) == setting
    assert dict(setting) == values
    assert len(setting) == len(values)
    assert list(setting) == sorted(values)


@given(VALUES)
def test_the_order_of_names_does_not_matter(values):
    one, other = Setting.of(**values), Setting.of(**dict(reversed(values.items())))
    assert (one, hash(one), str(one)) == (other, hash(other), str(other))


@given(VALUES, VALUES)
def test_replacing_is_what_it_is_of_dicts(values, others):
    assert Setting.of(**values).replace(**others) == Setting.of(**{**values, **others})


def test_the_text_is_sorted_and_values_are_text():
    setting = Setting.of(region="native", imputer="noise", draws=1, radius=0.1, replicate=0)
    assert str(setting) == "draws=1;imputer=noise;radius=0.1;region=native;replicate=0"
    assert setting["draws"] == "1"
    assert setting.get("order", "morf") == "morf"
    assert "replicate" in setting
    assert "order" not in setting
    with pytest.raises(KeyError):
        setting["order"]
    assert str(Setting()) == ""
    assert Setting.parse("") == Setting()
    assert Setting.of(replicate=0) == Setting.parse("replicate=0") != Setting.of(replicate=1)


@pytest.mark.parametrize("value", ["a=b", "a;b", ";", "="])
def test_what_would_not_be_read_again_is_refused(value):
    with pytest.raises(ValueError, match="expected neither = nor ;"):
        Setting.of(name=value)
    with pytest.raises(ValueError, match="expected neither = nor ;"):
        Setting.of(**{value: 1})


@pytest.mark.parametrize("text", ["morf", "a=b=c", "a=1;b", "a=1;a=2"])
def test_what_is_no_setting_s_text_is_refused(text):
    with pytest.raises(ValueError, match="setting: "):
        Setting.parse(text)


def test_settings_are_ordered_and_usable_as_keys():
    settings = [Setting.of(replicate=1), Setting(), Setting.of(replicate=0), Setting.of(region=8)]
    assert [str(s) for s in sorted(settings)] == ["", "region=8", "replicate=0", "replicate=1"]
    assert {Setting.of(replicate=0): 1}[Setting.parse("replicate=0")] == 1
