"""A copy of the repository's workflow, and a folder to run it in."""

import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODELS = 4  # of the tiny experiment: vgg_small with two heads and two seeds
PARTS = ["Snakefile", "config.yaml", "config", "workflow", "profiles", "envs"]


@dataclass
class Workspace:
    """A copy of the workflow and a folder to run it in."""

    repository: Path
    directory: Path
    config: str | Path = "config/tiny.yaml"
    experiment: str = "tiny"
    main: str = "Snakefile"

    def command(self, *arguments, cores=1, configs=None):
        configs = configs or [self.config]
        files = [self.repository / "config.yaml", *(self.repository / c for c in configs)]
        return [
            *(sys.executable, "-m", "snakemake", *arguments),
            *("--snakefile", str(self.repository / self.main)),
            *("--directory", str(self.directory)),
            *("--workflow-profile", str(self.repository / "profiles" / "default")),
            # on a login node, too
            *("--executor", "local", "--cores", str(cores)),
            *("--configfile", *map(str, files)),
        ]

    def run(self, *arguments, **options):
        return subprocess.run(
            self.command(*arguments, **options),
            capture_output=True,
            text=True,
            check=False,
        )

    def planned(self, *arguments, **options):
        """Return how many jobs of each rule a dry run plans."""
        done = self.run("--dry-run", *arguments, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        text = done.stdout + done.stderr
        if "Nothing to be done" in text:
            return {}
        table = text.split("Job stats:")[1].split("total")[0]
        return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.M)}

    @property
    def results(self):
        return self.directory / "results" / self.experiment

    def hashes(self):
        """Return the sha256 of every Parquet, PNG and safetensors file of the results."""
        return {
            str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results.rglob("*"))
            if path.suffix in (".parquet", ".png", ".safetensors", ".npy")
        }


def copy_repository(target):
    target.mkdir()
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
            )
        else:
            shutil.copy(source, target / name)
    return target
