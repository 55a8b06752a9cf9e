"""How long the metrics take, against bare forward passes and other packages (``make speed``).

Bare forward passes are the network as it was built, in eval and inference mode, with PyTorch's
defaults, over as many images as there are perturbed images for all methods, at the fastest batch
size. faithcam's AOPC is timed from raw maps to drops of the score, its Max-Sensitivity with the
keyed noise of a job. Every system of a piece of work lives in a process of its own; they take
turns, one run each per round, and the medians are printed. Building, tracing and planning the
network and a first run are not timed. Networks are untrained, images are noise: neither changes the
work. For large networks only the first steps of a curve are timed: a step costs the same wherever
it is, but what a system does once per curve weighs more than in a whole one.
"""

import argparse
import importlib.util
import multiprocessing
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "workflow" / "scripts"))

import torch
from torch import Tensor, nn

from faithcam.core import devices, runtime
from faithcam.core.seeding import Streams, torch_seed
from faithcam.core.views import scaled
from faithcam.maps import registry as maps
from faithcam.maps.method import Method
from faithcam.metrics.faithfulness.curves import drops
from faithcam.metrics.robustness.max_sensitivity import max_sensitivity
from faithcam.models import registry
from faithcam.models.camnet import CamNet
from faithcam.models.inference import for_inference
from faithcam.models.torchvision_nets import import_torchvision
from faithcam.removal import engine
from faithcam.removal.grid import grid, region_means
from faithcam.removal.orders import order_of

BATCH_SIZES = (8, 16, 32, 64, 128)
PEERS = all(importlib.util.find_spec(name) for name in ("quantus", "pytorch_grad_cam"))


@dataclass(frozen=True)
class Work:
    """One piece of work: a metric on one network."""

    metric: str
    architecture: str
    size: int
    images: int
    steps: int  # regions removed, or noise samples
    region: int = 0
    methods: int = 2
    bare_batch: int = 0  # batch size of the bare passes

    def __str__(self) -> str:
        what = f"{self.region} px regions" if self.region else f"{self.steps} samples"
        return f"{self.metric}, {self.architecture}, {self.size} px, {what}, {self.methods} maps"

    @property
    def perturbed(self) -> int:
        """Perturbed images of all methods."""
        return self.images * self.steps * self.methods


WORKS = {
    "aopc-vgg19": Work("AOPC", "vgg19", 224, 8, 8, region=16),
    "aopc-resnet34": Work("AOPC", "resnet34", 224, 16, 12, region=16),
    "aopc-resnet18": Work("AOPC", "resnet18", 64, 32, 64, region=8),
    "aopc-vgg_small": Work("AOPC", "vgg_small", 64, 24, 64, region=8),
    "aopc-resnet_small": Work("AOPC", "resnet_small", 64, 24, 64, region=8),
    "sensitivity-resnet18": Work("Max-Sensitivity", "resnet18", 64, 32, 10),
    "sensitivity-8-maps": Work("Max-Sensitivity", "resnet18", 64, 32, 10, methods=8),
}


def network(work: Work) -> CamNet:
    """Build the network, also for images smaller than an experiment allows."""
    spec = registry.ARCHITECTURES[work.architecture]
    inputs = spec.channels * spec.cells(work.size) ** 2
    with torch_seed("benchmark"):
        return CamNet(registry.features(work.architecture), nn.Linear(inputs, 3), "flatten").eval()


def noise(work: Work, device: torch.device, seed: int = 0) -> Tensor:
    """Return random images in [-1, 1]."""
    with torch_seed("benchmark images", seed):
        images = torch.rand(work.images, 3, work.size, work.size) * 2 - 1
    return images.to(device)


def bare(work: Work, device: torch.device) -> Callable[[], object]:
    """Return the forward passes alone, in batches of ``work.bare_batch``."""
    model = network(work).to(device)
    images = torch.zeros(work.bare_batch, 3, work.size, work.size, device=device)
    full, rest = divmod(work.perturbed, work.bare_batch)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(full):
                model(images)
            if rest:
                model(images[:rest])

    return run


def fastest_batch(work: Work, device_name: str, threads: int) -> int:
    """Return the batch size at which bare passes are fastest per image."""
    device = prepare("bare forward passes", device_name, threads)
    best: dict[int, float] = {}
    for batch in BATCH_SIZES:
        run = bare(replace(work, images=batch, steps=1, methods=1, bare_batch=batch), device)
        timed(run, device)
        times = [timed(run, device)]
        while len(times) < 5 and sum(times) < 1:
            times.append(timed(run, device))
        best[batch] = min(times) / batch
    return min(best, key=best.__getitem__)


def prepare(system: str, device: str, threads: int) -> torch.device:
    """Set threads and, for faithcam, what its jobs set; the others keep PyTorch's defaults."""
    if system.startswith("faithcam"):
        return runtime.configure(device, threads)
    torch.set_num_threads(threads)
    return devices.choose(device)


def scores_of_faithcam(
    work: Work, device: torch.device, *, incremental: bool = True
) -> Callable[[], object]:
    """Return faithcam's AOPC or Max-Sensitivity."""
    model = for_inference(network(work), (work.size, work.size)).to(device)
    images = noise(work, device).to(memory_format=torch.channels_last)
    classes = torch.zeros(work.images, dtype=torch.int64, device=device)
    streams, ids = Streams(0, "noise", "network"), list(range(work.images))
    if work.metric == "AOPC":
        size = (work.size, work.size)
        with torch_seed("benchmark maps"):
            cells = registry.ARCHITECTURES[work.architecture].cells(work.size)
            raw = torch.randn(work.methods, work.images, cells, cells).to(device)
        evaluator = engine.Removal(model)
        regions = grid(size, work.region)

        def curves() -> Tensor:
            with torch.inference_mode():
                replacement = streams.uniform(ids, "aopc", 0, (3, *size), device)
                orders = [order_of(region_means(scaled(maps, size), work.region)) for maps in raw]
                orders = [order[:, : work.steps] for order in orders]
                if incremental:
                    logits = evaluator.logits(images, orders, regions, [replacement])
                else:
                    logits = engine.one_pass_per_step(model, images, orders, regions, [replacement])
                return drops(logits, classes, "probability")

        return curves
    methods = ["gradcam", "hirescam"]
    if work.methods > len(methods):  # further closed forms: linear combinations of the two
        methods = [f"map{i}" for i in range(work.methods)]
        gradcam, hirescam = (maps.METHODS[name].function for name in ("gradcam", "hirescam"))
        for i, name in enumerate(methods):
            maps.METHODS[name] = Method(
                lambda a, g, part=i / 8: part * gradcam(a, g) + (1 - part) * hirescam(a, g),
                "a mixture",
                needs=("activations", "gradients"),
            )

    def run() -> None:
        with torch.inference_mode():
            shape = tuple(images.shape[1:])
            samples = (
                streams.uniform(ids, "sensitivity", draw, shape, device).mul_(2).sub_(1)
                for draw in range(work.steps)
            )
            max_sensitivity(model, images, classes, methods, 0.2, samples)

    return run


def peers(work: Work, device: torch.device) -> Callable[[], object]:
    """Return Quantus' AOPC or Max-Sensitivity, the latter of pytorch-grad-cam's maps."""
    import_torchvision()  # first: after it pytorch-grad-cam can be imported everywhere
    import numpy as np
    import quantus
    from pytorch_grad_cam import GradCAM, HiResCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model = network(work).to(device)
    images, classes = noise(work, device).cpu().numpy(), np.zeros(work.images, int)
    common = {"model": model, "x_batch": images, "y_batch": classes, "device": str(device)}
    common["batch_size"] = work.images
    if work.metric == "AOPC":
        random = np.random.default_rng(0)
        views = [random.random((work.images, 1, work.size, work.size)) for _ in range(work.methods)]
        metric = quantus.RegionPerturbation(
            patch_size=work.region,
            regions_evaluation=work.steps,
            perturb_baseline="uniform",
            disable_warnings=True,
        )
        return lambda: [metric(a_batch=view, **common) for view in views]
    cams = [cam(model, [model.features]) for cam in (GradCAM, HiResCAM)]
    metric = quantus.MaxSensitivity(nr_samples=work.steps, lower_bound=0.2, disable_warnings=True)

    def explained(cam: object) -> Callable[..., np.ndarray]:
        def explain_batch(
            model: object, inputs: object, targets: object, **_: object
        ) -> np.ndarray:
            tensor = torch.as_tensor(inputs, dtype=torch.float32, device=device)
            return cam(tensor, [ClassifierOutputTarget(int(c)) for c in targets])[:, None]

        return explain_batch

    return lambda: [metric(explain_func=explained(cam), **common) for cam in cams]


System = Callable[[Work, torch.device], Callable[[], object]]


def systems(work: Work) -> dict[str, System]:
    """Return what is compared on a piece of work."""
    chosen = {"bare forward passes": bare, "faithcam": scores_of_faithcam}
    if work.metric == "AOPC":
        chosen["faithcam, one pass per step"] = one_pass_per_step
    if PEERS and work.methods == 2:
        both = " and pytorch-grad-cam" if work.metric != "AOPC" else ""
        chosen[f"Quantus{both}"] = peers
    return chosen


def one_pass_per_step(work: Work, device: torch.device) -> Callable[[], object]:
    """Return faithcam's AOPC without windows."""
    return scores_of_faithcam(work, device, incremental=False)


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Return the seconds a run takes."""
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def serve(
    name: str,
    system: System,
    work: Work,
    device_name: str,
    threads: int,
    connection: Connection,
) -> None:
    """Prepare a system in a process of its own, then run it once per message."""
    device = prepare(name, device_name, threads)
    run = system(work, device)
    run()
    connection.send(None)
    while connection.recv():
        connection.send(timed(run, device))
    if device.type == "cuda":
        connection.send(torch.cuda.max_memory_allocated() / 1e6)
    else:
        connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def measure(
    work: Work,
    rounds: int,
    device: str,
    threads: int,
    compared: Callable[[Work], dict[str, System]] = systems,
) -> dict[str, tuple[float, float]]:
    """Return the median seconds and the peak memory in MB of every system."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        work = replace(work, bare_batch=pool.apply(fastest_batch, (work, device, threads)))
    connections = {}
    for name, system in compared(work).items():
        connections[name], theirs = context.Pipe()
        arguments = (name, system, work, device, threads, theirs)
        context.Process(target=serve, args=arguments, daemon=True).start()
        theirs.close()  # so that a system that fails ends the run
        try:
            connections[name].recv()  # one after another: preparations do not disturb each other
        except EOFError:
            sys.exit(f"{name} failed on {work}; its error stands above")
    seconds: dict[str, list[float]] = {name: [] for name in connections}
    for _ in range(rounds):
        for name, connection in connections.items():
            connection.send(True)
            seconds[name].append(connection.recv())
    result = {}
    for name, connection in connections.items():
        connection.send(False)
        result[name] = (statistics.median(seconds[name]), connection.recv())
    return result


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}; all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    options = parser.parse_args()
    if unknown := set(options.works) - set(WORKS):
        parser.error(f"{', '.join(sorted(unknown))}: unknown; choose from {', '.join(WORKS)}")
    device = devices.choose(options.device)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else processor()
    print(f"{machine}, {options.threads} threads, torch {torch.__version__}, ", end="")
    print(f"medians of {options.rounds}\n")
    if not PEERS:
        print("without Quantus and pytorch-grad-cam: pip install -r requirements-peers.txt\n")
    print("| work | system | seconds | ratio to bare passes | perturbed images/s | peak MB |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in options.works or WORKS:
        work = WORKS[name]
        measured = measure(work, options.rounds, options.device, options.threads)
        reference = measured["bare forward passes"][0]
        for system, (seconds, memory) in measured.items():
            print(
                f"| {work} | {system} | {seconds:.2f} | {seconds / reference:.2f} "
                f"| {work.perturbed / seconds:,.0f} | {memory:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
