"""How long contributions of cells take, against bare forward passes and captum (``make truth``).

The work is the same for both: the same permutations of the cells of the same images, the same
coalitions, one reference. captum's ``ShapleyValueSampling`` gets our orders and as many coalitions
in a pass as are fastest for it. How systems take turns and what is not timed: ``speed.py``.
"""

import argparse
from collections.abc import Callable, Iterator

import torch
from speed import System, Work, bare, measure, network, noise, processor
from torch import Tensor

from faithcam.core.seeding import Noise, Streams
from faithcam.models.inference import for_inference
from faithcam.removal.grid import region_of
from faithcam.truth.game import Game
from faithcam.truth.sampling import Sampling, orders_of
from faithcam.truth.shapley import shapley

PERMUTATIONS, IMAGES = 32, 4
AT_ONCE = 32  # captum's coalitions in a pass
WORKS = {
    name: Work("Shapley values", name, 64, IMAGES, PERMUTATIONS * 64, region=8, methods=1)
    for name in ("vgg_small", "resnet_small", "patch_small")
}


def game(work: Work, device: torch.device, *, fast: bool = True) -> Game:
    """Return the images and the network, as the workflow prepares it or as it was built."""
    model = network(work)
    model = for_inference(model, (work.size, work.size)) if fast else model
    images = noise(work, device).to(memory_format=torch.channels_last)
    classes = torch.zeros(work.images, dtype=torch.int64, device=device)
    named = Noise(Streams(0, "noise", "network"), list(range(work.images)), device)
    return Game(model.to(device), images, classes, named)


def permutations(work: Work) -> int:
    """Return how many there are of each image."""
    return work.steps // (work.size // work.region) ** 2


def of_faithcam(work: Work, device: torch.device) -> Callable[[], Tensor]:
    """Return our values, of a fixed reference, from the permutations alone."""
    prepared, count = game(work, device), permutations(work)

    def run() -> Tensor:
        with torch.inference_mode():
            truth, _ = shapley(prepared, "grey", Sampling(count, count))
            return truth.values

    return run


def of_captum(work: Work, device: torch.device) -> Callable[[], Tensor]:
    """Return captum's values from the same permutations."""
    from captum.attr import ShapleyValueSampling

    prepared, count = game(work, device, fast=False), permutations(work)
    mask = region_of(prepared.regions).to(device)

    def score(images: Tensor) -> Tensor:
        logits: Tensor = prepared.network(images)
        return logits[:, 0] - logits.mean(1)

    sampler = ShapleyValueSampling(score)

    def run() -> Tensor:
        values = []
        with torch.inference_mode():
            pairs = range(count // 2)
            orders = torch.cat([orders_of(prepared, pair) for pair in pairs], 1)
            for place, image in enumerate(prepared.images):

                def drawn(features: int, samples: int, place: int = place) -> Iterator[list[int]]:
                    # captum adds what we remove: the other way round
                    yield from orders[place].flip(1).tolist()

                sampler.permutation_generator = drawn
                values.append(
                    sampler.attribute(
                        image[None],
                        baselines=0,
                        feature_mask=mask[None, None],
                        n_samples=count,
                        perturbations_per_eval=AT_ONCE,
                    )
                )
        first = torch.cat(values)[:, 0, :: work.region, :: work.region]
        return first.double()

    return run


def systems(work: Work) -> dict[str, System]:
    """Return what is compared."""
    return {"bare forward passes": bare, "faithcam": of_faithcam, "captum": of_captum}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="auto, cpu or cuda")
    options = parser.parse_args()
    print(f"{processor()}, {options.threads} threads, torch {torch.__version__}\n")
    print("| work | system | seconds | ratio to bare passes | coalitions/s |")
    print("|---|---|---|---|---|", flush=True)
    for work in WORKS.values():
        measured = measure(work, options.rounds, options.device, options.threads, systems)
        reference = measured["bare forward passes"][0]
        for system, (seconds, _) in measured.items():
            print(
                f"| {work.architecture}, {permutations(work)} permutations | {system} "
                f"| {seconds:.2f} | {seconds / reference:.2f} "
                f"| {work.perturbed / seconds:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
