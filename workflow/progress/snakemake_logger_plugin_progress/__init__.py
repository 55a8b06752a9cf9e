"""What `make` targets show of a run: Snakemake finds this package by its name, on PYTHONPATH.

Snakemake's own log is whole in `.snakemake/log`.
"""

import logging
import sys
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from faithcam.running.progress import Progress


class LogHandler(LogHandlerBase):
    """Prints a line when a stage has begun, has gone on for a while, or is done."""

    writes_to_stream, writes_to_file = True, False
    has_filter, has_formatter, needs_rulegraph = True, False, False

    def __post_init__(self) -> None:
        """Begin without any job."""
        self._progress = Progress({})
        self._names: dict[int, str] = {}  # what jobs say that they do

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a job, or print what is wrong."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._progress = Progress(record.stats)
            lines = self._progress.opening()
        elif event == LogEvent.JOB_INFO:
            self._names[record.jobid] = record.rule_msg or record.rule_name
            lines = self._progress.started(record.jobid, record.rule_name)
        elif event == LogEvent.JOB_FINISHED:
            lines = self._progress.finished(record.job_id)
        elif event == LogEvent.JOB_ERROR:
            lines = self._progress.failed(self._names[record.jobid], record.log)
        elif record.levelno >= logging.WARNING:
            lines = [self.format(record)]
        else:
            return
        for line in lines:
            print(line, file=sys.stderr, flush=True)
