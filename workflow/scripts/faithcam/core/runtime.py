"""Environment of every job: a log, clear errors and deterministic arithmetic."""

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from faithcam.core import devices, plugins, run
from faithcam.core.errors import FaithcamError

if TYPE_CHECKING:
    import torch


class Job(Protocol):
    """The parts of Snakemake's ``snakemake`` object that adapters use."""

    input: Any
    output: Any
    params: Any
    wildcards: Any
    log: Any
    config: Any


@contextlib.contextmanager
def job(snakemake: Job) -> Iterator[dict[str, Any]]:
    """Run a job: print into its log, end with a clear message if something is wrong.

    Yields:
        The job's settings, the nested dict ``params.settings``.

    A :class:`FaithcamError` or a full disk ends the process with exit code 1 and one message, on
    the terminal and, where the log can still be written, in the log. Anything else is a bug: its
    traceback goes to the log.
    """
    log = Path(str(snakemake.log[0]))
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with _opened(log, "w") as file:  # closing it writes the rest, which can fail, too
            try:
                with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                    run.end_with_it()
                    plugins.use(snakemake.config)
                    yield dict(snakemake.params.get("settings", {}))
                print(f"CPU time: {time.process_time():.1f} s", file=file)
            except (FaithcamError, OSError):
                raise
            except Exception:
                traceback.print_exc(file=file)
                raise
    except FaithcamError as error:
        _fail(log, f"error: {error}")
    except OSError as error:
        _fail(
            log,
            f"error: {error}; nothing half-written was kept, mend it and run again (the log is "
            f"{log})",
        )
    except Exception as error:
        _fail(log, f"unexpected {type(error).__name__}: {error}; the traceback is in {log}")


def _opened(log: Path, mode: Literal["w", "a"]) -> TextIO:
    return log.open(mode, buffering=1, encoding="utf-8", errors="backslashreplace")


def _fail(log: Path, message: str) -> None:
    with contextlib.suppress(OSError), _opened(log, "a") as file:
        print(message, file=file)
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr)
    raise SystemExit(1)


def configure(device: str, threads: int, *, tf32: bool = False) -> "torch.device":
    """Make torch deterministic, with a fixed number of threads, and return the device.

    Args:
        device: the config's ``device``.
        threads: of the CPU.
        tf32: whether GPUs may round the factors of float32 products to 10 bits.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(threads)
    # as use_deterministic_algorithms(True), which would import the compiler, too: seconds per job
    torch.set_deterministic_debug_mode("error")
    # nothing here reads memory that it has not written; filling it would cost a tenth of the time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    return devices.choose(device)
