"""PathSignature: log-signatures of the paths of body parts, and a multilayer perceptron.

The last step of the gesture paths in the ICPR 2024 volume, without the attention that lays a path
(docs/fidelity.md). Letters: B segments, T frames, J joints, P paths, S terms of a log-signature.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pysiglib import lyndon_words, word_to_idx
from pysiglib.torch_api import log_sig
from torch import Tensor, nn

from bptubeformer.kinds import Count, Share
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import full_precision, two_layers
from bptubeformer.skeleton import COCO_17, Skeleton

__all__ = ["PathSignature"]
SIZES_OF_ITS_SOURCE = True
# Terms are products of as many pixels as their level: beyond the third, float32 loses digits.
REQUIRES = ("level <= 3",)


class PathSignature(Classifier):
    """Log-signature of each path, perceptron.

    Args:
        classes: number of classes.
        skeleton: whose joints a frame has.
        segment_length: frames of a segment, T; any.
        paths: one a body part, the mean of those of its joints that are there, or one a joint.
        start: the first point of a path: the ``origin`` of the coordinates, so that its place is
            seen, or its ``first`` frame, so that its movement alone is.
        level: highest level of the log-signature, at most 3: increments, areas, and how they arise.
        width: of both hidden layers of the perceptron; not stated.
        dropout: in the perceptron; not stated.

    Terms are in units of their deviation in the training data, which ``adapt`` takes from it.
    """

    stages: ClassVar = {"tokeniser": (), "first transformer": (), "second transformer": ()}
    counted: ClassVar = {"params": 75_789, "macs": 75_264}
    mean: Tensor
    """float32 (P * S,): of each term in the training data."""
    deviation: Tensor
    """float32 (P * S,): standard deviation of each term; 1 for a term that does not change."""

    def __init__(
        self,
        *,
        classes: int,
        skeleton: Skeleton = COCO_17,
        segment_length: Count = 24,
        paths: Literal["parts", "joints"] = "parts",
        start: Literal["origin", "first"] = "origin",
        level: Count = 3,
        width: Count = 256,
        dropout: Share = 0.1,
    ):
        super().__init__()
        self.from_origin, self.level = start == "origin", level
        each_joint = [[joint] for joint in range(len(skeleton.joints))]
        self.members = [*skeleton.members.values()] if paths == "parts" else each_joint
        terms = len(self.members) * len(lyndon_words(2, level))
        self.register_buffer("mean", torch.zeros(terms))
        self.register_buffer("deviation", torch.ones(terms))
        self.mlp = two_layers(terms, width, dropout)
        self.head = nn.Linear(width, classes)

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Take mean and standard deviation of each term over the training data."""
        sums = torch.zeros(3, len(self.mean), dtype=torch.float64, device=self.mean.device)
        for segments in batches:
            terms = self._terms(segments).double()
            sums += torch.stack([torch.ones_like(terms), terms, terms.square()]).sum(dim=1)
        mean, square = sums[1:] / sums[0]
        deviation = (square - mean.square()).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(deviation.masked_fill(deviation == 0, 1))

    def encode(self, segments: Tensor, attention: dict[str, list[Tensor]] | None = None) -> Tensor:
        """Log-signatures of all paths through the perceptron, float32 (B, width).

        Args:
            segments: float32 (B, T, V), in the coordinates of the run.
            attention: stays empty: the model has none.
        """
        with full_precision(segments):
            terms = (self._terms(segments) - self.mean) / self.deviation
        return self.mlp(terms)

    def _terms(self, segments: Tensor) -> Tensor:
        """(B, T, V) -> (B, P * S)."""
        points = paths_of(segments, self.members, self.from_origin)
        return log_signature(points.flatten(0, 1), self.level).view(len(segments), -1)


def paths_of(segments: Tensor, members: Sequence[Sequence[int]], from_origin: bool) -> Tensor:
    """Return the points of each path; where none of its joints is there, it stays where it was.

    Standing still adds nothing to a signature: such frames are as if they were left out.

    Args:
        segments: float32 (B, T, V); a joint at 0, 0 is missing.
        members: joints of each path, whose mean it follows.
        from_origin: whether it goes from 0, 0 to where it is seen first, or begins there.

    Returns:
        float32 (B, P, 1 + T, 2); 0, 0 throughout for a path that is never seen.
    """
    joints = segments.unflatten(-1, (-1, 2))
    there = (joints != 0).any(dim=-1, keepdim=True)
    total = torch.stack([joints[:, :, path].sum(dim=2) for path in members], dim=1)
    count = torch.stack([there[:, :, path].sum(dim=2) for path in members], dim=1)
    points = F.pad(total / count.clamp(min=1), (0, 0, 1, 0))
    seen = F.pad(count > 0, (0, 0, 1, 0))
    frame = torch.arange(seen.shape[2], device=seen.device).unsqueeze(-1)
    last_seen = (frame * seen).cummax(dim=2).values
    if not from_origin:
        last_seen = torch.maximum(last_seen, seen.int().argmax(dim=2, keepdim=True))
    return points.take_along_dim(last_seen, dim=2)


def log_signature(paths: Tensor, level: int) -> Tensor:
    """Return the logarithm of the signature of piecewise linear paths in the plane.

    Args:
        paths: (N, points, 2), of any floating type that pysiglib has.
        level: highest level of the terms.

    Returns:
        (N, S): its coefficients of the Lyndon words up to the level, which determine the others.
    """
    words = [word_to_idx(word, 2) for word in lyndon_words(2, level)]
    if paths.is_meta:
        return paths.new_empty(len(paths), len(words))
    # Not on a GPU, where pysiglib does not wait for torch's stream; and it warns of views.
    own = paths.cpu().clone(memory_format=torch.contiguous_format)
    return log_sig(own, level, method=0)[:, words].to(paths.device)
