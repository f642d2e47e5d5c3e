import subprocess
import sys
from collections import Counter

import pytest
import torch

from bptubeformer.errors import InputError
from bptubeformer.training.device import (
    choose_device,
    claim_slot,
    count_gpus,
    processor,
    training_slots,
)
from conftest import REPOSITORY


def test_auto_takes_a_gpu_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="cuda:99 is asked for, but torch sees"):
        choose_device("cuda:99")


def test_gpus_are_counted_by_the_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert count_gpus() == 0
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA'\necho 'GPU 1: NVIDIA'\n")
    program.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert count_gpus() == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert count_gpus() == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert count_gpus() == 0


def test_a_gpu_takes_as_many_jobs_as_it_has_slots(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert training_slots("auto", 3, cores=8) == 8
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: A'\necho 'GPU 1: A'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert training_slots("auto", 3, cores=8) == 6
    assert training_slots("cuda:1", 3, cores=8) == 3
    assert training_slots("cpu", 3, cores=8) == 8


JOB = """
import sys, time
sys.path.insert(0, "src")
from pathlib import Path
from bptubeformer.training import device
device.SECONDS_BETWEEN_TRIES = 0.01
print(device.claim_slot(["a", "b"], 2, Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def start_job(folder):
    return subprocess.Popen(
        [sys.executable, "-c", JOB, str(folder)], cwd=REPOSITORY, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def test_jobs_that_start_together_never_share_a_slot(tmp_path):
    jobs = [start_job(tmp_path) for _ in range(4)]
    taken = [job.stdout.readline().strip() for job in jobs]
    assert Counter(taken) == {"0": 2, "1": 2}
    # A fifth waits; a job that is killed gives its slot to it.
    fifth = start_job(tmp_path)
    assert "all 4 slots of 2 GPUs are taken" in fifth.stdout.readline()
    jobs[2].kill()
    assert fifth.stdout.readline().strip() == taken[2]
    for job in (*jobs, fifth):
        job.communicate()


def test_jobs_spread_before_they_share(tmp_path):
    assert [claim_slot(["a", "b"], 2, tmp_path) for _ in range(4)] == [0, 1, 0, 1]


def test_the_processor_has_a_name():
    assert processor().endswith("cores")
