"""A small experiment in a folder of its own, run on the cluster or on this machine alone."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
GATED = Path(__file__).with_name("gate")
MODEL = "phantom/vgg_small-flatten/seed0"
SHARDS = ("0-6", "6-12")
# Merged over config/tiny.yaml: one network, two shards.
SETTINGS = {
    "results": "results/cluster",
    "device": "cpu",
    "heads": ["flatten"],
    "seeds": [0],
    "batch_size": 6,
    "images_per_job": {"default": 6},  # one micro-batch
    "explained_images": 12,
}


def hash_of(path: Path) -> str:
    """Return the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Experiment:
    """The experiment in a folder of its own."""

    directory: Path
    settings: dict = field(default_factory=SETTINGS.copy)
    started: list[subprocess.Popen] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.directory / SETTINGS["results"]

    @property
    def model(self) -> Path:
        return self.results / "models" / MODEL

    @property
    def gate(self) -> Path:
        return self.directory / "gate-is-open"

    def lose(self, *metrics: str) -> list[Path]:
        """Remove all that is known of some metrics; return the scores to be made again."""
        for metric in metrics:
            shutil.rmtree(self.results / "metrics" / metric)
        folders = [self.results / "metrics" / metric / MODEL for metric in metrics]
        return [folder / f"{shard}.parquet" for folder in folders for shard in SHARDS]

    def lose_model(self) -> Path:
        """Remove the network; return its weights to be made again."""
        shutil.rmtree(self.model)
        return self.model / "weights.safetensors"

    def log(self, rule: str) -> str:
        """Return what a rule's last job for the network has said."""
        return (self.results / "logs" / rule / f"{MODEL}.log").read_text()

    def command(self, *arguments: object, cluster: bool = True) -> list[str]:
        """Return the call of Snakemake; targets come first among the arguments."""
        settings = self.directory / "settings.yaml"
        settings.write_text(yaml.safe_dump(self.settings))
        configs = [ROOT / "config.yaml", ROOT / "config" / "tiny.yaml", settings]
        profile = [
            *("--workflow-profile", ROOT / "profiles" / "slurm"),
            # what a cluster without accounting and with short jobs needs
            *("--slurm-status-command", "squeue"),
            *("--slurm-init-seconds-before-status-checks", 3),
        ]
        local = [
            *("--workflow-profile", ROOT / "profiles" / "default"),
            *("--executor", "local", "--cores", 2),
        ]
        return [
            *(sys.executable, "-m", "snakemake", *map(self._argument, arguments)),
            *("--snakefile", str(ROOT / "Snakefile"), "--configfile", *map(str, configs)),
            *map(str, profile if cluster else local),
        ]

    def _argument(self, argument: object) -> str:
        """Targets are relative to the folder, as in the rules."""
        if isinstance(argument, Path):
            return str(argument.relative_to(self.directory))
        return str(argument)

    def start(
        self, *arguments: object, cluster: bool = True, gated: bool = False
    ) -> subprocess.Popen:
        """Start Snakemake in the folder; what it says goes to the file said.txt.

        Scripts of a gated run wait until the file ``gate`` is there.
        """
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        if gated:
            environment |= {"PYTHONPATH": str(GATED), "GATE": str(self.gate)}
        with (self.directory / "said.txt").open("a") as file:
            process = subprocess.Popen(
                self.command(*arguments, cluster=cluster),
                cwd=self.directory,
                stdout=file,
                stderr=file,
                env=environment,
            )
        self.started.append(process)
        return process

    @property
    def said(self) -> str:
        return (self.directory / "said.txt").read_text()

    def finish(self, process: subprocess.Popen) -> None:
        """Wait until Snakemake ends and insist on success."""
        assert process.wait(1800) == 0, self.said

    def stop(self) -> None:
        """Kill every Snakemake that a test has left behind."""
        for process in self.started:
            process.kill()
            process.wait()

    def hashes(self) -> dict[str, str]:
        """Return the sha256 of every file whose bytes must not depend on faults."""
        return {
            str(path.relative_to(self.results)): hash_of(path)
            for path in sorted(self.results.rglob("*"))
            if path.suffix in (".parquet", ".png", ".safetensors", ".npy")
        }
