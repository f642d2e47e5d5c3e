"""Which device a job runs on."""

import shutil
import subprocess

from bptubeformer.errors import InputError


def count_gpus() -> int:
    """NVIDIA GPUs of this machine; asks the driver, so that torch is not needed."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def choose_device(wanted: str):
    """The torch device for ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``...

    Raises:
        InputError: a GPU is asked for and not there.
    """
    import torch

    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device: {wanted} is asked for, but torch sees {torch.cuda.device_count()} GPUs; set "
            "device to auto or cpu, or run where there is a GPU"
        )
    return device
