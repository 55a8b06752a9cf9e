"""The line of counts counts every test once, and a failed one as failed."""

from types import SimpleNamespace

from counting import line


def report(name, kind, passed=True, **more):
    told = [["counts", kind], *([key, value] for key, value in more.items())]
    return SimpleNamespace(nodeid=name, passed=passed, user_properties=told)


def test_every_test_is_counted_once_by_its_kind():
    reports = [
        *(report(f"f{i}", "faults", passed=i > 0) for i in range(3)),
        report("c1", "configs"),
        report("c2", "configs", answers=[20, 3]),
        report("c3", "configs", passed=False, answers=[5, 5]),
        report("a1", "attacks"),
        report("a1", "attacks", passed=False),  # what it left could not be taken away
        report("r1", "reruns"),
        SimpleNamespace(nodeid="other", passed=True, user_properties=[]),
    ]
    assert line(reports) == (
        "faults: survived 2 of 3; configs: refused by name 21, accepted and right 3, 1 tests "
        "failed; attacks: 0 of 1 without effect; reruns: 1 of 1 right; cases: 0 of 0"
    )
    assert line(reports[3:5]).startswith(
        "faults: survived 0 of 0; configs: refused by name 21, accepted and right 3; attacks"
    )
