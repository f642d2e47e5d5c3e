"""The recipe of a training: how its segments are changed, and the loss that it lowers.

The paper's is the plain cross-entropy of the segments as they are. All else is the study
``regularisation`` or ``uncertainty``; see docs/fidelity.md. Letters: B segments, C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from bptubeformer.data.segments import Segments
from bptubeformer.models.augmentation import augmented
from bptubeformer.settings import DEFAULT_TRAINING, TrainingSettings
from bptubeformer.skeleton import COCO_17, Skeleton

LARGEST_EXPONENT = 80.0
"""Largest logit whose exponential is taken for evidence: float32 holds the sum of such."""


class Recipe:
    """Changes of a batch, and the losses of training and validation.

    Args:
        settings: of the training.
        classes: C.
        skeleton: whose joints a frame has.
        weights: float32 (C,), of the segments of each class in the loss; None: all count alike.
    """

    def __init__(
        self,
        settings: TrainingSettings = DEFAULT_TRAINING,
        classes: int = 0,
        skeleton: Skeleton = COCO_17,
        weights: Tensor | None = None,
    ):
        self.settings = settings
        self.classes = classes
        self.skeleton = skeleton
        self.weights = weights

    @classmethod
    def of(
        cls, settings: TrainingSettings, segments: Segments, classes: int, skeleton: Skeleton
    ) -> "Recipe":
        """Return the recipe of a training.

        Args:
            settings: of the training.
            segments: the training segments.
            classes: C.
            skeleton: whose joints a frame has.
        """
        weights = None
        if settings.class_weights:
            counts = torch.bincount(segments.labels.long(), minlength=classes)
            weights = len(segments) / (counts.clamp(min=1) * (counts > 0).sum())
        return cls(settings, classes, skeleton, weights)

    def change(self, segments: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Change a batch at random.

        Args:
            segments: float32 (B, T, V), pixels.
            labels: int64 (B,).

        Returns:
            Segments, and labels, or shares of the classes float32 (B, C) of mixed segments.
        """
        settings = self.settings
        if settings.augmentation:
            segments = augmented(segments, self.skeleton, settings.augmentation)
        if settings.mixup:
            return self._mixed(segments, labels)
        return segments, labels

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of a training batch, a scalar in nats.

        Args:
            logits: float32 (B, C).
            targets: labels int64 (B,) or shares float32 (B, C).
        """
        smoothing = self.settings.label_smoothing
        if self.settings.loss == "balanced-error":
            return balanced_error(logits, targets)
        if self.weights is None and self.settings.loss == "cross-entropy":
            return F.cross_entropy(logits, targets, label_smoothing=smoothing)
        shares = targets if targets.is_floating_point() else one_hot(targets, logits)
        smooth = (1 - smoothing) * shares + smoothing / logits.shape[-1]
        weighted = smooth if self.weights is None else smooth * self.weights
        return evidential(logits, weighted, self.settings.loss).mean()

    def validation_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of segments as they are, a scalar in nats; arguments as for ``loss``."""
        if self.settings.loss == "cross-entropy":
            return F.cross_entropy(logits, labels)
        if self.settings.loss == "balanced-error":
            return balanced_error(logits, labels)
        return evidential(logits, one_hot(labels, logits), self.settings.loss).mean()

    def _mixed(self, segments: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mix each segment with another one of the batch (mixup)."""
        alpha = torch.full((len(segments), 1), float(self.settings.mixup), device=segments.device)
        own = torch.distributions.Beta(alpha, alpha, validate_args=False).sample()
        other = torch.randperm(len(segments), device=segments.device)
        shares = F.one_hot(labels, self.classes).to(segments)
        mixed = own.unsqueeze(-1) * segments + (1 - own.unsqueeze(-1)) * segments[other]
        # A joint between one that is there and one that is missing is nowhere.
        there = segments.unflatten(-1, (-1, 2)).any(-1, keepdim=True)
        both = (there & there[other]).expand(*there.shape[:-1], 2).flatten(-2)
        return mixed * both, own * shares + (1 - own) * shares[other]


def balanced_error(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 - mean recall of the classes that there are, a scalar."""
    counts = torch.bincount(labels, minlength=logits.shape[-1])
    correct = torch.bincount(labels[logits.argmax(dim=-1) == labels], minlength=logits.shape[-1])
    return 1 - (correct[counts > 0] / counts[counts > 0]).mean()


def one_hot(labels: Tensor, logits: Tensor) -> Tensor:
    """Return labels int64 (B,) as shares, of the shape of the logits (B, C)."""
    return F.one_hot(labels, logits.shape[-1]).to(logits)


def evidential(logits: Tensor, shares: Tensor, loss: str) -> Tensor:
    """Return the loss of each segment, float32 (B,).

    Args:
        logits: float32 (B, C).
        shares: float32 (B, C), of the classes.
        loss: ``cross-entropy``, or one whose evidence is a function of the logits.
    """
    if loss == "cross-entropy":
        return -(shares * logits.log_softmax(dim=-1)).sum(dim=-1)
    concentration = 1 + evidence(logits, loss)
    total = concentration.sum(dim=-1, keepdim=True)
    return (shares * (total.log() - concentration.log())).sum(dim=-1)


def evidence(logits: Tensor, loss: str) -> Tensor:
    """Return the evidence for each class, not negative, of logits (B, C)."""
    if loss == "evidential-exp":
        return logits.clamp(max=LARGEST_EXPONENT).exp()
    return F.softplus(logits)


PAPER = Recipe()
"""Of the paper: segments as they are, and their cross-entropy."""
