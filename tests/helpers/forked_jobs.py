"""Run jobs of a finished run again, each in a process that has every library from the start.

    python forked_jobs.py    reads lines [folder, script] of JSON and answers [exit code, output]

A script is what Snakemake leaves of a job with --skip-script-cleanup: it holds the job's files and
settings. Nothing of a job is left in the next one.
"""

import contextlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages


class Jobs:
    """Runs jobs by the scripts of their runs, until it is closed."""

    def __init__(self):
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, folder, script):
        """Return the exit code and all output of a job in a folder."""
        self._process.stdin.write(json.dumps([str(folder), str(script)]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        assert self._process.wait() == 0


def main():
    scripts = Path(__file__).parents[2] / "workflow" / "scripts"
    sys.path.insert(0, str(scripts))
    for module in walk_packages([str(scripts / "faithcam")], "faithcam."):
        with contextlib.suppress(ImportError):  # of a library that is not required
            import_module(module.name)
    for line in sys.stdin:
        folder, script = json.loads(line)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                run(folder, script, output)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            output.seek(0)
            print(json.dumps([code, output.read().decode()]), flush=True)


def run(folder, script, output):
    """Run a script in this process, which ends with it."""
    os.chdir(folder)
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    code = 0
    try:
        runpy.run_path(script)
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
