"""How time and memory grow with images, methods, regions and jobs (``make growth``).

Draws docs/figures/growth.png and prints the numbers. Networks are untrained, images are noise.
"""

import json
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import numpy as np

from faithcam.core import runtime
from faithcam.core.identity import Identity
from faithcam.core.seeding import Streams, torch_seed
from faithcam.data.dataset import Dataset
from faithcam.experiment import config as experiment
from faithcam.experiment.evaluations import Plan
from faithcam.figures import style
from faithcam.maps.tables import MAPS
from faithcam.models import registry
from faithcam.models.inference import for_inference
from faithcam.results import io as tables
from faithcam.running import explaining as maps
from faithcam.running import scoring
from faithcam.running.shard import Shard

BATCH, SIZE = 24, 64
ARCHITECTURES = ("resnet_small", "vgg_small")
METHODS = ["hirescam", "gradcam", "random", "centre", "sobel"]


def aopc_job(architecture: str, images: int, methods: int, region: int) -> tuple[float, float]:
    """Return seconds and peak memory in MB of a job that scores images by AOPC."""
    device = runtime.configure("cpu", 1)
    with torch_seed("growth"):
        model = registry.build(architecture, "flatten", 3, SIZE)
    random = np.random.default_rng(0)
    dataset = Dataset(
        name="noise",
        classes=("a", "b", "c"),
        size=SIZE,
        channels=1,
        images=random.integers(0, 256, (images, SIZE, SIZE, 1), np.uint8),
        masks=np.zeros((images, SIZE, SIZE), np.uint8),
        image_ids=np.arange(images),
        labels=random.integers(0, 3, images),
        splits=np.full(images, "test"),
    )
    shard = Shard(
        Identity("noise", architecture, "flatten", 0),
        for_inference(model, (SIZE, SIZE)),
        Streams(0, "noise", architecture),
        device,
        dataset,
        np.arange(images),
        dataset.labels,
        0,
        BATCH,
        np.arange(images),
    )
    names = METHODS[:methods]
    strict = {"regions": [region], "imputers": ["noise"], "draws": 1, "fractions": []}
    over = {"methods": names, "controls": [], "protocols": ["strict"], "aopc": {"strict": strict}}
    plan = Plan(experiment.merged(experiment.read([ROOT / "config.yaml"]), over))
    settings = plan.settings("aopc", plan.network("phantom", f"{architecture}-flatten"))
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, table in maps.compute(shard, names)[0].items():
            files.append(f"{folder}/{name}.parquet")
            tables.write(files[-1], table, MAPS)
        started = time.perf_counter()
        scoring.scored(shard, files, settings)
    seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def alone(*arguments: object) -> tuple[float, float]:
    """Return seconds and memory of a job in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(aopc_job, arguments)


def dry_run(seeds: int) -> tuple[int, float]:
    """Return the number of jobs of a plan and the seconds of its dry run."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "many.json"
        config.write_text(json.dumps({"seeds": list(range(seeds))}), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules"]
        files = ["--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        configs = ["--configfile", str(ROOT / "config.yaml"), str(config)]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, *files, *configs], check=True, capture_output=True, cwd=ROOT, text=True
        )
        seconds = time.perf_counter() - started
    (jobs,) = set(re.findall(r"^total +([0-9]+)$", done.stdout, re.M))
    return int(jobs), seconds


def main() -> None:
    """Measure, print and draw."""
    panels = {
        "images": (48, 96, 192, 384),
        "methods": (1, 2, 3, 5),
        "regions": (16, 8, 5, 4),
    }
    default = {"images": 48, "methods": 2, "regions": 8}
    seconds: dict[str, dict[str, list[tuple[float, float]]]] = {}
    memory: dict[str, list[tuple[float, float]]] = {}
    for axis, values in panels.items():
        for architecture in ARCHITECTURES:
            points = []
            for value in values:
                chosen = {**default, axis: value}
                spent, peak = alone(
                    architecture, chosen["images"], chosen["methods"], chosen["regions"]
                )
                x = (-(-SIZE // value)) ** 2 if axis == "regions" else value
                points.append((x, spent))
                print(f"{architecture}, {x} {axis}: {spent:.2f} s, {peak:.0f} MB", flush=True)
                if axis == "images":
                    memory.setdefault(architecture, []).append((x, peak))
            seconds.setdefault(axis, {})[architecture] = points
    plans = []
    for seeds in (50, 150, 500):
        plans.append(dry_run(seeds))
        print(f"dry run of {plans[-1][0]} jobs: {plans[-1][1]:.1f} s", flush=True)
    draw(seconds, memory, plans)


def draw(
    seconds: dict[str, dict[str, list[tuple[float, float]]]],
    memory: dict[str, list[tuple[float, float]]],
    plans: list[tuple[int, float]],
) -> None:
    """Draw docs/figures/growth.png."""
    panels = [(f"{axis} per network", "AOPC, s", lines) for axis, lines in seconds.items()]
    panels.append(("images per network", "peak memory, MB", memory))
    panels.append(("jobs in the plan", "dry run, s", {"": plans}))
    target = ROOT / "docs" / "figures" / "growth.png"
    with style.figure(target, 13, 2.6, "What an experiment costs as it grows") as figure:
        axes = figure.subplots(1, len(panels))
        for axis, (x, y, lines) in zip(axes, panels, strict=True):
            for name, points in lines.items():
                axis.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name)
            axis.set(xlabel=x, ylabel=y, xlim=(0, None), ylim=(0, None))
        axes[0].legend()


if __name__ == "__main__":
    main()
