"""Class-token embeddings and attention weights out of a trained model."""

import numpy as np
import torch
from torch import nn

from bptubeformer.data.segments import Segments
from bptubeformer.training.loop import in_batches


@torch.inference_mode()
def embed(model: nn.Module, segments: Segments) -> tuple[np.ndarray, np.ndarray]:
    """Class-token embeddings float32 (N, D) and predicted classes int64 (N,) of all segments."""
    embeddings = in_batches(model.embed, model, segments)
    predicted = model.head(embeddings).argmax(dim=1)
    return embeddings.cpu().numpy(), predicted.cpu().numpy()


@torch.inference_mode()
def attention_of(model: nn.Module, segment: torch.Tensor) -> dict[str, np.ndarray]:
    """Attention weights of the last block of each transformer, float32 (H, N, N).

    Args:
        model: any model of this package.
        segment: float32 (T, 34), pixels.
    """
    model.eval()
    attention: dict[str, list[torch.Tensor]] = {}
    model.embed(segment[None], attention)
    return {name: layers[-1][0].cpu().numpy() for name, layers in attention.items()}
