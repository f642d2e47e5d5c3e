import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from bptubeformer.errors import InputError
from bptubeformer.training import device
from bptubeformer.training.device import (
    choose_device,
    claim_slot,
    count_gpus,
    processor,
    runs_on,
    training_slots,
)
from conftest import REPOSITORY


def test_auto_takes_a_gpu_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu").type == "cpu"


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"device: cuda:99 is asked for, but .*; set device to"):
        choose_device("cuda:99")


@pytest.fixture
def gpus(monkeypatch):
    """A machine with GPUs as torch and the driver would show them, and no slots taken."""

    def show(capabilities, kernels, listed=None, driver=True):
        monkeypatch.setattr(device, "count_gpus", lambda: len(listed or capabilities))
        monkeypatch.setattr(device, "_chosen", {})
        monkeypatch.setattr(device, "claim_slot", lambda names, slots: 0)
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        for name, value in {
            "is_available": driver,
            "device_count": len(capabilities),
            "get_arch_list": kernels.split(),
            "set_device": None,
        }.items():
            monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
        for name, of_index in {
            "get_device_capability": capabilities.__getitem__,
            "get_device_name": "Card {}".format,
            "get_device_properties": lambda index: SimpleNamespace(uuid=index),
        }.items():
            monkeypatch.setattr(torch.cuda, name, of_index)

    return show


KERNELS = "sm_75 sm_80 sm_90 sm_100 compute_120"


@pytest.mark.parametrize(
    ("capability", "runs"),
    [((7, 0), False), ((7, 5), True), ((8, 0), True), ((8, 9), True), ((9, 0), True),
     ((10, 3), True), ((11, 0), False), ((12, 0), True), ((13, 0), True)],
)  # fmt: skip
def test_a_card_needs_machine_code_of_its_major_version_or_earlier_intermediate_code(
    gpus, capability, runs
):
    gpus([capability], KERNELS)
    assert runs_on(capability) is runs


def test_auto_passes_over_a_card_that_this_torch_has_no_kernels_for(gpus, capsys):
    gpus([(6, 1), (8, 6)], KERNELS)
    assert choose_device("auto") == torch.device("cuda", 1)
    gpus([(6, 1)], KERNELS)
    assert choose_device("auto") == torch.device("cpu")
    said = capsys.readouterr().out
    assert "torch sees 1 GPUs: Card 0 (capability 6.1)" in said
    assert said.endswith("set device to cpu to train on all cores\n")
    with pytest.raises(InputError, match=r"cuda:0 is asked .* Card 0 \(capability 6.1\).* sm_75"):
        choose_device("cuda:0")


@pytest.mark.parametrize("wanted", ["cuda", "cuda:0"])
def test_a_driver_that_is_too_old_is_one_line(gpus, wanted):
    """The driver lists a GPU, torch counts it, and cannot open it."""
    gpus([(8, 0)], KERNELS, driver=False)
    with pytest.raises(InputError, match=r"lists 1 GPUs .* needs a driver for CUDA 13\.0"):
        choose_device(wanted)


def test_a_torch_without_support_for_gpus_is_one_line(gpus, monkeypatch):
    gpus([(8, 0)], KERNELS, driver=False)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(InputError, match=r"lists 1 GPUs and torch .* has no support for CUDA"):
        choose_device("cuda")


def test_without_slots_nothing_is_waited_for(gpus, monkeypatch):
    gpus([(8, 0)], KERNELS)

    def claim(*_):
        raise AssertionError("a slot was claimed")

    monkeypatch.setattr(device, "claim_slot", claim)
    assert choose_device("auto", slots_per_gpu=0) == torch.device("cuda", 0)


DIVIDED = """GPU 0: NVIDIA H100 (UUID: GPU-1)
  MIG 1g.10gb     Device  0: (UUID: MIG-1)
  MIG 1g.10gb     Device  1: (UUID: MIG-2)
GPU 1: NVIDIA H100 (UUID: GPU-2)
"""


def test_of_a_divided_gpu_a_process_uses_one_instance(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho '{DIVIDED}'\n")
    program.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert count_gpus() == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    assert count_gpus() == 1


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
