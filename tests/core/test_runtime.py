"""Jobs end with a message, not a traceback; arithmetic is deterministic."""

import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from faithcam.core.errors import FaithcamError
from faithcam.core.runtime import configure, job

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


def fake_job(tmp_path, settings=None):
    return types.SimpleNamespace(
        log=[str(tmp_path / "logs" / "job.log")],
        config={},
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


def process(log, body):
    """Run a job in a process of its own; return the lines that it leaves on the terminal."""
    code = (
        "import sys, types; from faithcam.core.errors import FaithcamError\n"
        "from faithcam.core.runtime import job\n"
        f"with job(types.SimpleNamespace(log=[{str(log)!r}], params={{}}, config={{}})): {body}"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    "body",
    [
        "print('a line')",
        "print('held back until the log is closed', end='')",
        "sys.stdout.write('held back'); raise FaithcamError('images: 3 found, expected 4')",
        "raise OSError(28, 'No space left on device', 'scores.parquet')",
        "raise ZeroDivisionError('its traceback finds no room either')",
        "pass",
    ],
)
def test_a_full_disk_that_holds_the_log_is_one_line_on_the_terminal(body):
    (line,) = process("/dev/full", body)
    assert line.startswith("error: [Errno 28] No space left on device")
    assert line.endswith("mend it and run again (the log is /dev/full)")


def test_a_name_that_is_no_text_is_one_line_in_the_log_too(tmp_path):
    said = process(tmp_path / "log", r"raise FaithcamError('\udcff.png: broken')")
    assert said == (tmp_path / "log").read_text().splitlines() == [r"error: \udcff.png: broken"]


def test_a_log_that_cannot_be_made_is_one_line_on_the_terminal(tmp_path, capsys):
    (tmp_path / "logs").write_text("no folder")
    with pytest.raises(SystemExit) as stopped:
        run(fake_job(tmp_path), ZeroDivisionError())
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "logs") in line


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
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SCRIPTS)
