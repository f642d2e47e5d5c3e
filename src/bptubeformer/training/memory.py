"""What a training takes in memory, and what to do where there is too little."""

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.data.segments import Segments
from bptubeformer.errors import InputError

SMALLER_BATCHES = (500, 100)
"""What the paper did for models that take more memory: batches of 500 or 100 (section 3)."""

OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED")
"""Of torch's allocator for the CPU, of the CUDA driver, of CUDA's libraries."""

Result = TypeVar("Result")


def batch_sizes(batch_size: int) -> list[int]:
    """The batch sizes to try, one after the other, where memory is short."""
    return [batch_size, *(smaller for smaller in SMALLER_BATCHES if smaller < batch_size)]


def fitting_batch(
    batch_size: int,
    work: Callable[[int], Result],
    report: Callable[[str], None] = print,
    tried: Sequence[int] = (),
) -> tuple[Result, list[int]]:
    """Do work with a batch size; where memory is short, again with the next smaller one.

    Args:
        batch_size: segments of a batch, to begin with.
        work: given a batch size; begins anew each time.
        report: called with a line for each batch size that did not fit.
        tried: batch sizes that earlier work has come to; the last one is taken first.

    Returns:
        what the work returned, and all batch sizes that were tried; the last one fitted.

    Raises:
        InputError: not even the smallest fits.
    """
    done = list(tried[:-1])
    for size in batch_sizes(batch_size)[len(done) :]:
        done.append(size)
        try:
            return work(size), done
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Out of the except block: the error holds on to the tensors of its frames.
        release_memory()
        report(f"too little memory for batches of {size} segments")
    raise InputError(
        f"too little memory, even for batches of {done[-1]} segments (tried "
        f"{', '.join(map(str, done))}); let fewer jobs share the device (slots_per_gpu, --cores), "
        "set training.batch_size lower, or use a device with more memory"
    )


def release_memory() -> None:
    """Give back what objects that nobody refers to any more hold on a GPU, graphs among them."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that there is no memory left."""
    while error is not None:
        said = str(error)
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
            words in said for words in OUT_OF_MEMORY
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def bytes_of_segment(model: nn.Module, segments: Segments) -> float:
    """Bytes that each further segment of a batch keeps for the backward pass; at least 1."""
    once, twice = (saved_bytes(model, segments[slice(0, n)][0]) for n in (1, 2))
    return max(twice - once, 1.0)


def saved_bytes(model: nn.Module, batch: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, weights not among them.

    Args:
        model: on any device; on torch's meta device nothing is computed.
        batch: segments float32 (B, T, 34), on the model's device.
    """
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        alive.append(tensor)
        return tensor

    model.train()
    labels = torch.zeros(len(batch), dtype=torch.long, device=batch.device)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        F.cross_entropy(model(batch), labels)
    return sum(kept.values())
