"""How far a run is, in lines: what ``make`` targets show of it, stage by stage."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STAGES = {
    "data": ("download_images", "prepare_data", "prepare_planted", "prepare_findings"),
    "models": ("download_weights", "train", "evaluate_models"),
    # and explain_HEAD
    "maps": ("import_maps", "collect_checks", "collect_completeness"),
    "truth": ("compute_truth", "collect_truth"),
    "metrics": (),  # a rule for each, and what collects them: all that is named nowhere else
    "concordance": ("score_candidates",),
    "statistics": ("compare_methods", "compare_maps", "list_subgroups", "compare_subgroups"),
    "validity": ("judge_metrics", "compare_specifications"),
    "report": (
        "draw_figures", "draw_examples", "draw_controls", "draw_truth", "draw_truth_examples",
        "draw_part_shapley", "record_provenance", "collect_cases", "write_report",
    ),
}  # fmt: skip
KINDS = {"compute_truth": "truth", "score_candidates": "candidates"}  # rules in the plan's words
TARGETS = {"all", "total", *STAGES}  # no jobs of their own
OF_RULE = {rule: stage for stage, rules in STAGES.items() for rule in rules}
EVERY = 20  # seconds between two lines of a stage that goes on
LEAST = 0.05  # share of the work after which the rest is estimated
# seconds that a job of a rule should take, where the plan says it (:func:`expect`)
_EXPECTED: dict[str, float] = {}
USUAL = 3.0  # of the others


def expect(seconds: Mapping[str, float]) -> None:
    """Take how long a job of each rule should take, so that what is left can be said."""
    _EXPECTED.update(seconds)


class Progress:
    """The jobs of a run, counted by stage.

    Args:
        planned: how many jobs each rule has.
        clock: seconds.
    """

    def __init__(
        self, planned: Mapping[str, int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._jobs = {rule: count for rule, count in planned.items() if rule not in TARGETS}
        self._total = dict.fromkeys(STAGES, 0)
        for rule, count in self._jobs.items():
            self._total[stage_of(rule)] += count
        self._done = dict.fromkeys(STAGES, 0)
        self._finished: list[str] = []  # rules
        self._running: dict[int, str] = {}
        self._said: dict[str, float] = {}  # when there was a line of a stage last

    def opening(self) -> list[str]:
        """Return what is to be done."""
        jobs = sum(self._total.values())
        stages = ", ".join(f"{stage} {count}" for stage, count in self._total.items() if count)
        return [f"{jobs} {'job' if jobs == 1 else 'jobs'} to do: {stages}"] if jobs else []

    def started(self, job: int, rule: str) -> list[str]:
        """Take note of a job that begins; a stage's first one gets a line."""
        if rule in TARGETS:
            return []
        self._running[job] = rule
        return [] if stage_of(rule) in self._said else [self._line(stage_of(rule))]

    def finished(self, job: int) -> list[str]:
        """Take note of a job that is done; there is a line now and then, and at a stage's end."""
        rule = self._running.pop(job, None)
        if rule is None:
            return []
        stage = stage_of(rule)
        self._done[stage] += 1
        self._finished.append(rule)
        over = self._done[stage] == self._total[stage]
        recent = self._clock() - self._said[stage] < EVERY
        return [] if recent and not over else [self._line(stage)]

    def failed(self, what: str, logs: Sequence[str]) -> list[str]:
        """Return lines on a job that failed: what it was, and the end of its log."""
        ends = [f"{log}: {_last_line(Path(log))}" for log in logs]
        return [f"{self._time()}  failed: {what}", *(f"         {end}" for end in ends)]

    def _line(self, stage: str) -> str:
        self._said[stage] = self._clock()
        line = f"{self._time()}  {stage:<12}{self._done[stage]:>6,} of {self._total[stage]:<6,}"
        return f"{line}  all {len(self._finished):,} of {sum(self._jobs.values()):,}{self._left()}"

    def _left(self) -> str:
        """Return how long all takes yet: jobs count by what the plan says that they take."""
        whole = sum(count * _seconds(rule) for rule, count in self._jobs.items())
        done = sum(map(_seconds, self._finished))
        if not LEAST * whole <= done < whole:
            return ""
        return f", {_in_words((self._clock() - self._began) / done * (whole - done))}"

    def _time(self) -> str:
        minutes, seconds = divmod(round(self._clock() - self._began), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}"


def stage_of(rule: str) -> str:
    """Return the stage that a rule's jobs belong to."""
    return "maps" if rule.startswith("explain_") else OF_RULE.get(rule, "metrics")


def _seconds(rule: str) -> float:
    kind = "explain" if rule.startswith("explain_") else KINDS.get(rule, rule)
    return _EXPECTED.get(kind, USUAL)


def _in_words(seconds: float) -> str:
    if seconds < 60:
        return "under a minute left"
    minutes = round(seconds / 60)
    return f"about {minutes} min left" if minutes < 120 else f"about {minutes / 60:.0f} h left"


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return "no log"
    return next((line for line in reversed(lines) if line.strip()), "an empty log")
