"""Settings of splits and trainings; sections of ``config.yaml`` have the same keys and kinds."""

from dataclasses import dataclass
from typing import Annotated

from bptubeformer.kinds import (
    Betas,
    Checked,
    Count,
    Epsilon,
    Fraction,
    Index,
    Positive,
    Precision,
    Seed,
    whole,
)

MOST_FOLDS = 1000


@dataclass(frozen=True)
class SplitSettings(Checked):
    """Settings of the split; the paper states the number of folds only (section 3)."""

    folds: Annotated[int, whole(2, MOST_FOLDS)] = 3
    seed: Seed = 42
    minimum_rows: Count = 24
    """Shorter trajectories are left out, for every segment length alike."""
    test_fraction: Fraction = 0.2
    """Share of the trajectories in the one test set of ``as-published``."""
    validation_fraction: Fraction = 0.25
    """Share of what is not for the test, in ``trajectory`` and ``video``."""


@dataclass(frozen=True)
class TrainingSettings(Checked):
    """Settings of a training; docs/fidelity.md lists those that the paper leaves open."""

    learning_rate: Positive = 0.001
    batch_size: Count = 1000
    max_epochs: Count = 100
    early_stopping_patience: Count = 3
    """Epochs without a lower validation loss after which training stops."""
    betas: Betas = (0.9, 0.98)
    epsilon: Epsilon = 1e-9
    plateau_patience: Index = 3
    plateau_factor: Fraction = 0.1
    precision: Precision = "fp32"
    """Of the matrix products."""
    seed: Seed = 0


DEFAULT_SPLIT = SplitSettings()
DEFAULT_TRAINING = TrainingSettings()
