"""What there is, in words: what ``python -m faithcam`` prints."""

import inspect
from collections.abc import Iterable

import faithcam
from faithcam.core.extras import EXTRAS, USES, missing
from faithcam.models.registry import ARCHITECTURES

DOCUMENTATION = """\
documentation
  help(faithcam.explain) and so on; the folder docs, beside README.md in the repository and in the
  archive of the sources (faithcam-{version}.tar.gz): docs/library.md to begin with"""


def first_line(thing: object) -> str:
    """Return the first line of what a docstring says is returned."""
    return (inspect.getdoc(thing) or "").partition("\n")[0].removeprefix("Return ").rstrip(".")


def section(title: str, lines: Iterable[tuple[str, str]]) -> str:
    """Return a title and below it names, with what they are."""
    pairs = list(lines)
    width = max(len(name) for name, _ in pairs)
    return "\n".join([title, *(f"  {name:{width}}  {text}" for name, text in pairs)])


def state(extra: str) -> str:
    """Return what an extra is for, and what is missing of it."""
    if absent := missing(extra):
        return f'{USES[extra]}; missing: {", ".join(absent)}: pip install "faithcam[{extra}]"'
    return f"{USES[extra]}; installed"


def overview() -> str:
    """Return all of it."""
    calls = [name for name in faithcam.__all__ if inspect.isroutine(getattr(faithcam, name))]
    better = {True: "larger is better", False: "smaller is better"}
    metrics = (
        (name, f"{metric.title}, {better[metric.larger_is_better]} ({metric.source})")
        for name, metric in faithcam.METRICS.items()
    )
    methods = (
        (name, f"{first_line(method.function)} ({method.source})")
        for name, method in faithcam.METHODS.items()
    )
    return "\n\n".join(
        [
            f"faithcam {faithcam.__version__}: {first_line(faithcam).partition(': ')[2]}",
            section(
                "import faithcam; faithcam.…",
                ((name, first_line(getattr(faithcam, name))) for name in calls),
            ),
            section("maps: faithcam.METHODS", methods),
            section("metrics: faithcam.METRICS", metrics),
            f"networks of the workflow\n  {', '.join(ARCHITECTURES)}",
            "python -m faithcam COMMAND --help, on finished runs\n  merge, leaderboard, verify",
            section("extras", ((extra, state(extra)) for extra in EXTRAS)),
            DOCUMENTATION.format(version=faithcam.__version__),
        ]
    )
