# Everything that reaches into Snakemake's inside, which no documentation promises.
# Each use was verified with Snakemake 9.27.1; tests/running/test_internals.py fails where another differs.
import contextlib
import io
import sys
from pathlib import Path

from snakemake.cli import (
    parse_args,
)  # 9.27.1: (argv) -> parser, arguments with the profiles' keys

# 9.27.1: false in the jobs of a run, which read the rules, too
IS_MAIN_PROCESS = workflow.is_main_process
# 9.27.1: the folder that Snakemake was started in, whatever --directory says
STARTED_IN = Path(workflow.rundir)
# 9.27.1: config.yaml, if it is here, and what --configfile names
CONFIG_FILES = list(workflow.configfiles)
# 9.27.1: --default-storage-provider, None without
ON_STORAGE = bool(workflow.storage_settings.default_storage_provider)


def command_line():
    """Snakemake's arguments with the profiles'; what was not given is None.

    The executor of a run is known nowhere else while rules are read. Programs that start Snakemake
    by its API decide for themselves where it runs.
    """
    if Path(sys.argv[0]).name not in ("snakemake", "__main__.py"):
        return parse_args(["--executor", "local"])[1]
    # profiles are found from where Snakemake was started; 9.27.1 prints their names
    with contextlib.chdir(STARTED_IN), contextlib.redirect_stderr(io.StringIO()):
        return parse_args(sys.argv[1:])[1]


def limit_gpus(count):
    """Let jobs use so many GPUs at once, unless --resources says how many.

    A profile's ``resources`` cannot: how many there are is known on the machine alone.
    """
    if "gpu" not in workflow.global_resources:  # 9.27.1: a mapping
        workflow.register_resource("gpu", count)  # 9.27.1: (name, value)


def drop_rate_limit():
    """Take back Snakemake's default limit on the rate of jobs, 100/1s, once the run has begun.

    With a limit, 9.27.1 starts one more timer for every job that has finished, and each looks for
    jobs once per timespan for ever: after a thousand jobs, a thousand times a second. No value of
    ``max-jobs-per-timespan`` is none, and at its end a run waits for its timers, a timespan long.
    """
    limiter = workflow.scheduler.job_rate_limiter  # 9.27.1: None without a limit
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
