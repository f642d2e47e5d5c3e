"""Settings of sources, splits and trainings, with keys and kinds of ``config.yaml``."""

from dataclasses import dataclass
from typing import Annotated

from bptubeformer.kinds import (
    Betas,
    Camera,
    Checked,
    Count,
    Epsilon,
    FormatName,
    Fraction,
    Identity,
    ImageSize,
    Index,
    Line,
    Positive,
    Precision,
    Seed,
    Share,
    whole,
)

MOST_FOLDS = 1000


@dataclass(frozen=True)
class ReadingSettings(Checked):
    """Settings of the source; the paper has the skeleton only (section 3)."""

    skeleton: Line = "coco-17"
    """A name, or a YAML file."""
    format: FormatName = "auto"
    """What wrote the files; ``auto``: told from their content."""
    image_size: ImageSize | None = None
    """Width and height in pixels: where files have shares of the image, and for runs whose
    coordinates are those of the frame."""
    camera: Camera = (571.26, 320, 240)
    """Focal length and centre in pixels, for joints in metres; of the first Kinect."""
    identity: Identity = "tracked"
    """``tracked``: made where the files do not say who is who; ``given``: then refused."""
    labels: Line | None = None
    """A table: video, label, and where it is needed person, first_frame, last_frame, group."""
    group: Line | None = None
    """A pattern whose group in ``<Category>/<Video>/<person>`` names who or where it is."""
    min_visible: Fraction | None = None
    """Least share of frames with a joint; trajectories with fewer are left out."""
    max_rejected: Share = 0.01
    """Largest share of trajectories that may be unreadable; they are listed."""


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
    warmup_epochs: Index = 0
    """Epochs in which the learning rate rises, step by step, to its full value."""
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


DEFAULT_READING = ReadingSettings()
DEFAULT_SPLIT = SplitSettings()
DEFAULT_TRAINING = TrainingSettings()
