"""The answer of an experiment, in words and numbers computed from its tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from faithcam.report import basis_sentences as basis_of
from faithcam.report import comparison_sentences
from faithcam.report.wording import listed
from faithcam.results.declared import Evaluations

SHORT = 2  # data sets of which everything is said in a paragraph


@dataclass(frozen=True)
class Answer:
    """The answer of a run in words and numbers, ASCII.

    Args:
        question: what was asked.
        datasets: what is found on each data set; the first sentence is the answer in short.
        basis: what it rests on, and what it does not show.
    """

    question: list[str]
    datasets: dict[str, list[str]]
    basis: list[str]

    def sentences(self) -> list[str]:
        """Return everything, in order."""
        datasets = (text for sentences in self.datasets.values() for text in sentences)
        return [*self.question, *datasets, *self.basis]

    def text(self) -> str:
        """Return it as paragraphs: of more than two data sets, their short answers in one."""
        paragraphs = list(self.datasets.values())
        short = [[sentences[0] for sentences in paragraphs]]
        parts = paragraphs if len(paragraphs) <= SHORT else short
        return "\n\n".join(" ".join(part) for part in (self.question, *parts, self.basis))


def answer(
    statistics: pa.Table,
    models: pa.Table,
    checks: pa.Table,
    evaluations: Evaluations,
    settings: Mapping[str, Any],
    multiverse: pa.Table | None = None,
    completeness: pa.Table | None = None,
) -> Answer:
    """Return the answer of a run.

    Args:
        statistics: rows of ``STATISTICS``.
        models: rows of ``MODELS``, of the networks that there are.
        checks: rows of ``CHECKS``.
        evaluations: all that were declared.
        settings: of the config: ``datasets``, ``methods``, ``metrics``, ``protocols`` and
            ``statistics``; ``data`` (:func:`faithcam.experiment.datasets.specs`) and ``plan``
            (:func:`faithcam.experiment.datasets.plan`).
        multiverse: rows of ``multiverse.parquet``, if it was run.
        completeness: rows of ``COMPLETENESS``, of networks whose head is ``other``.
    """
    frame = statistics.to_pandas()
    plan = settings["plan"]
    names = [evaluations.title(name) for name in evaluations.published(plan["metrics"])]
    asked = (
        f"Asked: {'do ' + listed(names) if names else 'does a metric'} prefer HiResCAM, which is "
        f"provably faithful on a Flatten head, to Grad-CAM, which is not?"
    )
    datasets = {}
    for dataset in settings["datasets"]:
        planned = {"heads": plan["heads"][dataset], "metrics": plan["metrics_of"][dataset]}
        datasets[dataset] = [
            *comparison_sentences.sentences(frame, dataset, evaluations, {**settings, **planned}),
            *comparison_sentences.multiverse(multiverse, dataset, evaluations),
        ]
    unproven = basis_of.incomplete(completeness)
    basis = [
        basis_of.published(statistics),
        basis_of.grid(models, settings),
        basis_of.axioms(models, checks),
        basis_of.twins(frame),
        basis_of.blank(frame, evaluations.metrics(published=True)),
        basis_of.NOT_SHOWN,
        unproven and f"Not shown: {unproven[0].lower()}{unproven[1:]}",
    ]
    simulated = [name for name in settings["datasets"] if settings["data"][name]["simulated"]]
    if simulated:
        basis.append(f"The images of {listed(simulated)} are simulated, not patients'.")
    return Answer([asked], datasets, [text for text in basis if text])
