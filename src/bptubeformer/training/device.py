"""Which device a job runs on, so that jobs on one machine do not get in each other's way."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bptubeformer.errors import InputError

if TYPE_CHECKING:
    import torch

SECONDS_BETWEEN_TRIES = 1.0
_held: list[object] = []
"""Locks of this process; a lock that is no longer referred to would be given back."""

_chosen: dict[str, "torch.device"] = {}
"""Devices of this process, by what was asked for."""


def count_gpus() -> int:
    """NVIDIA GPUs that jobs may use; asks the driver, so that torch is not needed.

    Those that ``CUDA_VISIBLE_DEVICES`` names, where it is set; else all of this machine.
    """
    if shutil.which("nvidia-smi") is None:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    command = ["nvidia-smi", "--list-gpus"]
    listing = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 (a constant)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def training_slots(wanted: str, slots_per_gpu: int, cores: int) -> int:
    """How many jobs on devices this machine takes at a time.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
        slots_per_gpu: jobs that share a GPU.
        cores: CPU cores that Snakemake may use; without a GPU, each job takes one.
    """
    gpus = 0 if wanted == "cpu" else count_gpus()
    if not gpus:
        return cores
    return slots_per_gpu * (1 if ":" in wanted else gpus)


def choose_device(wanted: str, slots_per_gpu: int = 1) -> "torch.device":
    """The torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``; the job keeps it.

    ``auto`` is a GPU where there is one. ``auto`` and ``cuda`` take the first free slot, where
    every GPU's first slot comes before any GPU's second. A slot is a lock on a file, which the
    operating system gives back when the job ends, however it ends; no two jobs of one user ever
    hold the same slot. Where all slots are taken, by another call of the workflow, the job waits.
    A process that asks again gets the device that it has.

    Args:
        wanted: the setting ``device``.
        slots_per_gpu: jobs that share a GPU.

    Raises:
        InputError: a GPU is asked for and not there.
    """
    import torch

    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        if wanted == "auto" and (gpus := count_gpus()):
            print(
                f"the driver lists {gpus} GPUs, but torch {torch.__version__} can use none: going "
                "on with the CPU; set device to cpu to train on all cores, or install a torch for "
                "this driver",
                flush=True,
            )
        return torch.device("cpu")
    device = torch.device("cuda" if wanted == "auto" else wanted)
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        raise InputError(
            f"device: {wanted} is asked for, but torch sees {count} GPUs; set device to auto or "
            "cpu, or run where there is a GPU"
        )
    indices = range(count) if device.index is None else [device.index]
    if wanted not in _chosen:
        names = [str(torch.cuda.get_device_properties(index).uuid) for index in indices]
        _chosen[wanted] = torch.device("cuda", indices[claim_slot(names, slots_per_gpu)])
    # Streams and graphs are made on the current device.
    torch.cuda.set_device(_chosen[wanted])
    return _chosen[wanted]


def claim_slot(gpus: Sequence[str], slots: int, folder: Path | None = None) -> int:
    """Take a free slot and keep it until this process ends; wait for one where none is free.

    Args:
        gpus: a name for each GPU that is the same for all processes of the machine.
        slots: jobs that may share a GPU.
        folder: of the locks; by default one of this user's in the machine's temporary folder.

    Returns:
        index into ``gpus``.
    """
    import filelock

    if folder is None:
        folder = Path(tempfile.gettempdir(), f"bptubeformer-{os.getuid()}")
    folder.mkdir(parents=True, exist_ok=True)
    waiting = False
    while True:
        # Jobs spread before they share.
        for slot in range(slots):
            for index, gpu in enumerate(gpus):
                lock = filelock.FileLock(folder / f"{gpu}-slot{slot}.lock")
                try:
                    lock.acquire(blocking=False)
                except filelock.Timeout:
                    continue
                _held.append(lock)
                return index
        if not waiting:
            print(
                f"all {slots * len(gpus)} slots of {len(gpus)} GPUs are taken: waiting for one; "
                "slots_per_gpu in config.yaml is how many jobs share a GPU",
                flush=True,
            )
            waiting = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def name_of(device: "torch.device") -> str:
    """What a torch device is: the GPU's name, or the processor's and its number of cores."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor()


def processor() -> str:
    """The processor of this machine and its cores, in words."""
    about = Path("/proc/cpuinfo")
    text = about.read_text(encoding="utf-8") if about.exists() else ""
    found = re.search("model name\\s*: (.*)", text)
    return f"{found[1] if found else platform.machine()}, {os.cpu_count()} cores"
