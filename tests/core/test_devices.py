"""Devices are chosen, never guessed; jobs side by side get a GPU each."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from waiting import SECONDS

from faithcam.core import devices
from faithcam.core.errors import FaithcamError

SCRIPTS = Path(devices.__file__).parents[2]
CLAIM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from faithcam.core import devices
print(devices.claim(["0", "GPU-1"], Path(sys.argv[2]), 0.05), flush=True)
sys.stdin.read()
"""


def fake_gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(count))))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def test_the_name_decides(monkeypatch):
    fake_gpus(monkeypatch, 1)
    assert devices.choose("cpu") == torch.device("cpu")
    assert devices.choose("auto") == devices.choose("cuda") == torch.device("cuda", 0)
    fake_gpus(monkeypatch, 0)
    assert devices.choose("auto") == torch.device("cpu")
    with pytest.raises(FaithcamError, match=r"cuda was asked for.*CUDA_VISIBLE_DEVICES is ''"):
        devices.choose("cuda")
    with pytest.raises(FaithcamError, match="'mps' found, expected auto, cpu or cuda"):
        devices.choose("mps")


def test_jobs_ask_for_a_gpu_only_where_one_is_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [devices.is_likely(name) for name in ("cuda", "auto", "cpu")] == [True, False, False]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-abc")
    assert devices.visible_gpus() == ["2", "GPU-abc"]
    assert [devices.is_likely(name) for name in ("cuda", "auto", "cpu")] == [True, True, False]


def test_several_gpus_are_claimed_but_not_the_one_of_a_slurm_job(monkeypatch):
    claimed = []
    monkeypatch.setattr(devices, "claim", lambda gpus, folder: claimed.append(gpus) or 2)
    fake_gpus(monkeypatch, 4)
    assert devices.choose("auto") == torch.device("cuda", 2)
    # in an interactive allocation of several GPUs the jobs of a local run share them, too
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert devices.choose("auto") == torch.device("cuda", 2)
    assert claimed == [["0", "1", "2", "3"]] * 2
    # a submitted job sees its own GPU alone
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert devices.choose("auto") == torch.device("cuda", 0)
    assert len(claimed) == 2


def test_every_process_gets_a_gpu_of_its_own_and_waits_for_one_if_need_be(tmp_path):
    def start():
        command = [sys.executable, "-c", CLAIM, str(SCRIPTS), str(tmp_path)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    first, second = start(), start()
    got = {process.stdout.readline().strip(): process for process in (first, second)}
    assert set(got) == {"0", "1"}
    third = start()
    assert third.stdout.readline() == "all 2 GPUs are in use by other jobs; waiting for one\n"
    got["1"].kill()  # a job that dies gives its GPU back, too
    assert third.stdout.readline() == "1\n"
    for process in (first, second, third):
        process.communicate()


def test_eight_jobs_on_three_gpus_use_all_of_them_and_never_share_one(tmp_path):
    hold_until_all_are_in_use = """
gpu = devices._claims[0].lock_file.split("-")[-1]
held, seen = Path(sys.argv[2]) / f"held-{gpu}", Path(sys.argv[2]) / f"seen-{gpu}"
os.close(os.open(held, os.O_CREAT | os.O_EXCL))  # fails where two hold one GPU
seen.touch()
while len(list(seen.parent.glob("seen-*"))) < 3:
    time.sleep(0.05)
held.unlink()
"""
    code = CLAIM.replace('["0", "GPU-1"]', '["0", "1", "2"]').replace(
        "sys.stdin.read()", f"import os, time{hold_until_all_are_in_use}"
    )
    command = [sys.executable, "-c", code, str(SCRIPTS), str(tmp_path)]
    jobs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    try:
        outputs = [job.communicate(timeout=SECONDS) for job in jobs]
    finally:
        for job in jobs:
            job.kill()
    assert all(job.returncode == 0 for job in jobs), outputs
    assert {out.split()[-1] for out, _ in outputs} == {"0", "1", "2"}


def test_names_that_torch_does_not_see_are_not_claimed(monkeypatch):
    claimed = []
    monkeypatch.setattr(devices, "claim", lambda gpus, folder: claimed.append(gpus) or 1)
    fake_gpus(monkeypatch, 2)
    monkeypatch.setattr(devices, "visible_gpus", list)
    assert devices.choose("auto") == torch.device("cuda", 1)
    assert claimed == [["0", "1"]]


def test_what_is_moved_arrives():
    assert torch.equal(devices.move(torch.ones(2), torch.device("cpu")), torch.ones(2))
