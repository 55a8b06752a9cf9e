"""Jobs end with a message, not a traceback; arithmetic is deterministic."""

import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from faithcam.core.errors import FaithcamError
from faithcam.core.runtime import configure, job


def fake_job(tmp_path, settings=None):
    return types.SimpleNamespace(
        log=[str(tmp_path / "logs" / "job.log")],
        params={} if settings is None else {"settings": settings},
    )


def run(snakemake, error):
    with job(snakemake) as settings:
        print("working on", settings)
        raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FaithcamError("images: 3 found, expected 4"), "error: images: 3 found, expected 4"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ZeroDivisionError("oops"), "unexpected ZeroDivisionError: oops; the traceback is in"),
    ],
)
def test_errors_end_with_exit_code_1_and_one_message(tmp_path, capsys, error, message):
    with pytest.raises(SystemExit) as stopped:
        run(fake_job(tmp_path), error)
    assert stopped.value.code == 1
    output = capsys.readouterr().err
    assert message in output
    assert "Traceback" not in output
    log = (tmp_path / "logs" / "job.log").read_text()
    assert log.startswith("working on {}")
    assert message in log.splitlines()[-1]
    assert ("Traceback" in log) == isinstance(error, ZeroDivisionError)


def test_settings_reach_the_job(tmp_path):
    with job(fake_job(tmp_path, {"seed": 1})) as settings:
        assert settings == {"seed": 1}


def test_configure_makes_torch_deterministic():
    threads = torch.get_num_threads()
    try:
        configure("cpu", 1)
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
        assert not torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)


def test_configure_does_not_import_the_compiler():
    code = (
        "import sys; from faithcam.core.runtime import configure; configure('cpu', 1); "
        "assert 'torch._dynamo' not in sys.modules and 'torch._inductor' not in sys.modules"
    )
    folder = Path(__file__).parents[2] / "workflow" / "scripts"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder)
