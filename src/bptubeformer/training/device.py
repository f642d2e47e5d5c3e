"""Choose the device of a job, so that jobs on one machine do not disturb each other."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bptubeformer.errors import InputError
from bptubeformer.kinds import Count, Device, Options

if TYPE_CHECKING:
    import torch

SECONDS_BETWEEN_TRIES = 1.0
_held: list[object] = []
"""Locks of this process; a lock that is no longer referred to would be given back."""

_chosen: dict[str, "torch.device"] = {}
"""Devices of this process, by what was asked for."""


def count_gpus() -> int:
    """Count the NVIDIA GPUs that jobs may use; asks the driver, so that torch is not needed.

    Those that ``CUDA_VISIBLE_DEVICES`` names, where it is set; else all of this machine. Of the
    instances of a divided GPU (MIG), a process can use one alone.
    """
    if shutil.which("nvidia-smi") is None:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name for name in visible.split(",") if name.strip() not in ("", "-1")]
        return min(len(names), 1) if any("MIG" in name for name in names) else len(names)
    command = ["nvidia-smi", "--list-gpus"]
    listing = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 (a constant)
    lines = [line.strip() for line in listing.stdout.splitlines()]
    divided = any(line.startswith("MIG ") for line in lines)
    return 1 if divided else sum(line.startswith("GPU ") for line in lines)


def training_slots(wanted: str, slots_per_gpu: int, cores: int) -> int:
    """Count the jobs on devices that this machine takes at a time.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
        slots_per_gpu: jobs that share a GPU.
        cores: CPU cores that Snakemake may use; without a GPU, each job takes one.
    """
    gpus = 0 if wanted == "cpu" else count_gpus()
    if not gpus:
        return cores
    return slots_per_gpu * (1 if ":" in wanted else gpus)


@dataclass(frozen=True)
class Machine(Options):
    """A stage's place to compute: a device, its slots, and threads.

    Args:
        device: auto, cpu, cuda or cuda:<n>.
        slots_per_gpu: jobs that share a GPU.
        threads: CPU threads of torch.
    """

    device: Device = "auto"
    slots_per_gpu: Count = 1
    threads: Count = 1

    def choose(self) -> "torch.device":
        """Set the threads of torch, and return the device as ``choose_device`` does."""
        import torch

        torch.set_num_threads(self.threads)
        return choose_device(self.device, self.slots_per_gpu)


DEFAULT_MACHINE = Machine()


def choose_device(wanted: str, slots_per_gpu: int = 1) -> "torch.device":
    """The torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``; the job keeps it.

    ``auto`` is a GPU where there is one that this torch can use. ``auto`` and ``cuda`` take the
    first free slot of such a GPU; every GPU's first slot comes before any GPU's second. A slot is a
    lock on a file, which the
    operating system gives back when the job ends, however it ends; no two jobs of one user ever
    hold the same slot. Where all slots are taken, by another call of the workflow, the job waits.
    A process that asks again gets the device that it has.

    Args:
        wanted: the setting ``device``.
        slots_per_gpu: jobs that share a GPU; 0 takes no slot, and waits for none.

    Raises:
        InputError: a GPU is asked for that is not there, or that this torch cannot use.
    """
    import torch

    if wanted == "cpu":
        return torch.device("cpu")
    usable = [index for index in range(_gpus_of_torch()) if runs_on(_capability(index))]
    if wanted == "auto" and not usable:
        if count_gpus():
            print(
                f"{_why_none()}: going on with the CPU; set device to cpu to train on all cores",
                flush=True,
            )
        return torch.device("cpu")
    asked = torch.device("cuda" if wanted == "auto" else wanted).index
    indices = usable if asked is None else [asked]
    if not indices or not set(indices) <= set(usable):
        raise InputError(
            f"device: {wanted} is asked for, but {_why_none()}; set device to auto or cpu, or run "
            "where there is such a GPU"
        )
    if wanted not in _chosen:
        taken = 0
        if slots_per_gpu:
            names = [str(torch.cuda.get_device_properties(index).uuid) for index in indices]
            taken = claim_slot(names, slots_per_gpu)
        _chosen[wanted] = torch.device("cuda", indices[taken])
    # Streams and graphs are made on the current device.
    torch.cuda.set_device(_chosen[wanted])
    return _chosen[wanted]


def _gpus_of_torch() -> int:
    """Count the GPUs that torch can open; a driver that is too old has none."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _capability(index: int) -> tuple[int, int]:
    import torch

    return torch.cuda.get_device_capability(index)


def runs_on(capability: tuple[int, int]) -> bool:
    """Return True if this torch has kernels for a GPU's compute capability (major, minor)."""
    import torch

    for kernels in torch.cuda.get_arch_list():
        kind, _, number = kernels.partition("_")
        digits = re.match(r"\d+", number)
        built = divmod(int(digits[0]), 10) if digits else (0, 0)
        # Machine code runs within its major version, intermediate code on anything later.
        if built <= capability and (kind == "compute" or built[0] == capability[0]):
            return True
    return False


def _why_none() -> str:
    """Say which GPUs there are, and what this torch needs."""
    import torch

    listed, seen = count_gpus(), _gpus_of_torch()
    build = f"torch {torch.__version__}"
    if not torch.version.cuda:
        return f"the driver lists {listed} GPUs and {build} has no support for CUDA"
    if not seen:
        return (
            f"the driver lists {listed} GPUs and {build} can open none (it needs a driver for CUDA "
            f"{torch.version.cuda})"
        )
    found = ", ".join(
        "{} (capability {}.{})".format(torch.cuda.get_device_name(index), *_capability(index))
        for index in range(seen)
    )
    return f"torch sees {seen} GPUs: {found}; {build} has {' '.join(torch.cuda.get_arch_list())}"


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
    """Return the name of a device: the GPU's, or the processor's and its number of cores."""
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
