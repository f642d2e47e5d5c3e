"""Memory: what a training takes of it, and how to give it back."""

import gc

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.data.segments import Segments


def release_memory() -> None:
    """Free the memory of unreferenced objects on a GPU, graphs among them."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def bytes_of_segment(model: nn.Module, segments: Segments) -> float:
    """Bytes that each further segment of a batch keeps for the backward pass; at least 1."""
    once, twice = (saved_bytes(model, segments[slice(0, n)][0]) for n in (1, 2))
    return max(twice - once, 1.0)


def saved_bytes(model: nn.Module, batch: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, weights not among them.

    Args:
        model: on any device; on torch's meta device nothing is computed.
        batch: segments float32 (B, T, V), on the model's device.
    """
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        # Detached: a tensor that is its own saved value would never be freed.
        alive.append(tensor.detach())
        return alive[-1]

    model.train()
    labels = torch.zeros(len(batch), dtype=torch.long, device=batch.device)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        F.cross_entropy(model(batch), labels)
    return sum(kept.values())
