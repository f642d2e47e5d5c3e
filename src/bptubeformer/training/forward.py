"""Forward passes of a model over all segments: predictions, and whatever else it computes."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.data.segments import Segments
from bptubeformer.errors import is_out_of_memory
from bptubeformer.training.memory import release_memory
from bptubeformer.training.precision import forward_in, products_in

INFERENCE_BATCH = {"cpu": 100, "cuda": 1000}
"""Segments of a batch where no gradients are kept; on a CPU, what its caches hold is faster."""


def evaluate(
    model: nn.Module,
    segments: Segments,
    precision: str,
    loss_of: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> tuple[float, float]:
    """Mean loss (nats) and accuracy over segments.

    Args:
        model: on the device of the segments.
        segments: to be classified.
        precision: of the matrix products.
        loss_of: of logits (N, classes) and labels (N,), a scalar.
    """
    logits, labels = predict(model, segments, precision), segments.labels.long()
    loss = loss_of(logits, labels).item()
    accuracy = (logits.argmax(dim=1) == labels).double().mean().item()
    return loss, accuracy


def predict(model: nn.Module, segments: Segments, precision: str = "fp32") -> Tensor:
    """Logits float32 (N, classes) of all segments, in their order, on their device.

    Args:
        model: on the device of the segments.
        segments: to be classified.
        precision: of the matrix products.
    """
    return in_batches(lambda batch: model(batch).float(), model, segments, precision)


@torch.inference_mode()
def in_batches(
    compute: Callable[[Tensor], Tensor],
    model: nn.Module,
    segments: Segments,
    precision: str = "fp32",
) -> Tensor:
    """Compute something for all segments, in their order, in evaluation mode, without gradients.

    Args:
        compute: of a batch of segments float32 (B, T, V), a tensor (B, ...).
        model: what ``compute`` uses.
        segments: all that are to be computed.
        precision: of the matrix products.
    """
    model.eval()
    device = segments.frames.device
    size = INFERENCE_BATCH[device.type]
    results: list[Tensor] = []
    done = 0
    while done < len(segments):
        try:
            batch, _ = segments[slice(done, done + size)]
            with products_in(precision), forward_in(precision, device):
                results.append(compute(batch))
            done += size
            continue
        except (RuntimeError, MemoryError) as error:
            if size == 1 or not is_out_of_memory(error):
                raise
        # Out of the except block: the error holds on to the tensors of its frames.
        release_memory()
        size //= 2
    return torch.cat(results)
