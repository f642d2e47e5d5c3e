"""In how many bits the matrix products are computed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from bptubeformer.errors import InputError
from bptubeformer.kinds import PRECISIONS

NEEDED = {
    "cuda": dict.fromkeys(PRECISIONS, "a GPU of compute capability 8.0 or more"),
    "cpu": {"tf32": "a GPU", "bf16": "a processor with AVX-512"},
}
"""What a lower precision needs, by the type of the device."""


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that the device does not have.

    Raises:
        InputError: names the precision, the device and what to do.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: {precision!r} is not one of {', '.join(PRECISIONS)}")
    if device.type == "cuda":
        has = {
            "tf32": torch.cuda.get_device_capability(device) >= (8, 0),
            "bf16": torch.cuda.is_bf16_supported(including_emulation=False),
        }
        name = torch.cuda.get_device_name(device)
    else:
        has = {"tf32": False, "bf16": torch.ops.mkldnn._is_mkldnn_bf16_supported()}
        name = f"this {device.type}"
    if not has.get(precision, True):
        raise InputError(
            f"precision: {precision} needs {NEEDED[device.type][precision]}, which {name} is not; "
            "set training.precision to fp32"
        )


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Compute products of float32 matrices in a precision, forward and backward."""
    products = torch.backends.cuda.matmul
    before = products.fp32_precision, products.allow_bf16_reduced_precision_reduction
    products.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    products.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        products.fp32_precision, products.allow_bf16_reduced_precision_reduction = before


def forward_in(precision: str, device: torch.device) -> AbstractContextManager:
    """Compute a forward pass in a precision; its backward pass follows it by itself."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
