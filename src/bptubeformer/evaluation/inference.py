"""Class-token embeddings and attention weights out of a trained model."""

import numpy as np
import torch
from torch import Tensor

from bptubeformer.data.segments import Segments
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.classifier import Classifier
from bptubeformer.training.forward import in_batches


@torch.inference_mode()
def embed(model: Classifier, segments: Segments) -> tuple[np.ndarray, np.ndarray]:
    """Class-token embeddings float32 (N, D) and predicted classes int64 (N,) of all segments."""
    embeddings = in_batches(model.embed, model, segments)
    predicted = model.head(embeddings).argmax(dim=1)
    return embeddings.cpu().numpy(), predicted.cpu().numpy()


@torch.inference_mode()
def attention_of(model: Classifier, segment: torch.Tensor) -> dict[str, np.ndarray]:
    """Attention weights of the last block of each transformer, float32 (H, N, N).

    Args:
        model: any model of this package.
        segment: float32 (T, V), pixels.
    """
    model.eval()
    attention: dict[str, list[torch.Tensor]] = {}
    model.embed(segment[None], attention)
    return {name: layers[-1][0].cpu().numpy() for name, layers in attention.items()}


def attention_to_parts(model: BPTubeFormer, segments: Segments) -> Tensor:
    """Attention of the class token to each body part, float32 (N, P), of all segments.

    Mean over the heads of the last layer (the blobs of the paper's Fig. 4e).
    """

    def of_batch(batch: Tensor) -> Tensor:
        attention: dict[str, list[Tensor]] = {}
        model.embed(batch, attention)
        return of_class_token(attention)

    return in_batches(of_batch, model, segments)


def of_class_token(attention: dict[str, list[Tensor]]) -> Tensor:
    """Attention of the class token to the parts in the last layer, mean over heads.

    Args:
        attention: what ``BPTubeFormer.embed`` fills.

    Returns:
        float32 (B, P).
    """
    # (B, H, 1 + P, 1 + P) -> (B, P)
    return attention["body parts"][-1].mean(1)[:, 0, 1:]
