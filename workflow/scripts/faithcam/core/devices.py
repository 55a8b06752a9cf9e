"""Devices that networks run on: one GPU per job, or the CPU."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from faithcam.core.errors import FaithcamError

if TYPE_CHECKING:
    import torch
    from filelock import BaseFileLock

_claims: list[BaseFileLock] = []  # held until the process ends, however it ends


def visible_gpus() -> list[str]:
    """Return the names of the GPUs that jobs here may use, without importing torch.

    ``CUDA_VISIBLE_DEVICES`` if it is set, else the numbers of ``/dev/nvidia*``.
    """
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    devices = (re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted((match.group(1) for match in devices if match), key=int)


def is_likely(device: str) -> bool:
    """Return whether jobs will use a GPU: for parsing a workflow."""
    return device == "cuda" or (device == "auto" and bool(visible_gpus()))


def claim(gpus: Sequence[str], folder: Path, poll: float = 0.5) -> int:
    """Claim one of the GPUs for this process and return its index; wait while all are in use.

    Args:
        gpus: names, the same for all processes of the machine.
        folder: where the locks lie; the system releases a lock when its process ends.
        poll: seconds between two attempts.
    """
    from filelock import FileLock, Timeout

    waiting = False
    while True:
        for index, name in enumerate(gpus):
            # a user's own file: nobody may write another's in a shared temporary folder
            lock = FileLock(folder / f"faithcam-{os.getuid()}-gpu-{name}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            _claims.append(lock)
            return index
        if not waiting:
            print(f"all {len(gpus)} GPUs are in use by other jobs; waiting for one", flush=True)
            waiting = True
        time.sleep(poll)


def choose(name: str) -> torch.device:
    """Return the device for a config's ``device``: auto, cpu or cuda.

    Where the job sees several GPUs, it claims one of its own; a job of a cluster sees only the one
    that it was given.

    Raises:
        FaithcamError: if ``cuda`` is demanded and absent, or the name is unknown.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise FaithcamError(
            f"device: {name!r} found, expected auto, cpu or cuda (mps has no deterministic kernels "
            "for all that is needed here)"
        )
    if name == "cuda" and not torch.cuda.is_available():
        raise FaithcamError(
            "device: cuda was asked for, but torch sees no CUDA device (CUDA_VISIBLE_DEVICES is "
            f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')!r}); use device: auto or cpu, or "
            "install a CUDA build of torch and check the driver with nvidia-smi"
        )
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if torch.cuda.device_count() == 1:
        return torch.device("cuda", 0)
    names, count = visible_gpus(), torch.cuda.device_count()
    if len(names) != count:  # torch's order is what counts
        names = [str(index) for index in range(count)]
    return torch.device("cuda", claim(names, Path(tempfile.gettempdir())))


def move(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return the tensor on the device; a GPU fetches it while the CPU goes on."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
