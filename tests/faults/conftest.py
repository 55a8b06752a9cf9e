"""Copies of a finished run to be damaged, and the jobs that read them."""

import ast
import hashlib
import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked_jobs import Jobs
from workspace import Workspace

UNTIMED = ("logs", "runtime")  # what a run writes of itself


@dataclass
class Run:
    """A finished run and the scripts of its jobs, with the files that each reads."""

    workspace: Workspace
    scripts: list

    def script(self, rule, file):
        """Return the script of the first job of a rule that reads a file, named in its inputs."""
        return next(path for path, job in self.scripts if job.rule == rule and file in job.input)

    def contents(self, directory):
        """Return the sha256 of every file of the results in a folder, by its path there."""
        results = directory / self.workspace.results.relative_to(self.workspace.directory)
        files = [path for path in results.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.relative_to(results).parts[0] not in UNTIMED and path.name[0] != "."
        }


def job_of(script):
    """Return what Snakemake told the job that a script was written for."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pickle.loads":
            return pickle.loads(ast.literal_eval(node.args[0]))
    raise AssertionError(f"{script}: no job in it")


@pytest.fixture(scope="module")
def run(finished):
    scripts = sorted(Path(finished.directory, ".snakemake", "scripts").glob("*.py"))
    return Run(finished, [(script, job_of(script)) for script in scripts])


@pytest.fixture(scope="module")
def jobs():
    started = Jobs()
    yield started
    started.close()


@pytest.fixture
def copied(run, tmp_path):
    """Makes copies of the run, which are gone after the test.

    With Snakemake's records, what is there may be written again; without, it may be replaced alone.
    """
    made = []

    def copy(records=False):
        made.append(tmp_path / f"copy{len(made)}")
        if records:
            return shutil.copytree(run.workspace.directory, made[-1])
        left_out = shutil.ignore_patterns(".snakemake", *UNTIMED)
        return shutil.copytree(
            run.workspace.directory, made[-1], ignore=left_out, copy_function=os.link
        )

    yield copy
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)
