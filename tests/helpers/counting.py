"""What tests marked ``counts`` say together, in one line."""

from collections import Counter


def line(reports):
    """Return the line of counts.

    Args:
        reports: pytest's, of tests that passed, failed or broke; of one test there may be two.
    """
    failed = {report.nodeid for report in reports if not report.passed}
    passed, tests, answers = Counter(), Counter(), Counter()
    for report in {report.nodeid: report for report in reports}.values():
        told = dict(report.user_properties)
        kind = told.get("counts")
        tests[kind] += 1
        if report.nodeid not in failed:
            passed[kind] += 1
            if kind == "configs":
                refused, accepted = told.get("answers", [1, 0])
                answers.update(refused=refused, accepted=accepted)

    def of(kind):
        return f"{passed[kind]} of {tests[kind]}"

    wrong = tests["configs"] - passed["configs"]
    return (
        f"faults: survived {of('faults')}; configs: refused by name {answers['refused']}, "
        f"accepted and right {answers['accepted']}{f', {wrong} tests failed' if wrong else ''}; "
        f"attacks: {of('attacks')} without effect; reruns: {of('reruns')} right; "
        f"cases: {of('cases')}"
    )
