"""Settings of sources, splits and trainings, with keys and kinds of ``config.yaml``."""

from dataclasses import dataclass
from typing import Annotated

from bptubeformer.kinds import (
    Augmentations,
    Betas,
    Camera,
    Checked,
    Count,
    Epochs,
    Epsilon,
    Filters,
    Flag,
    FormatName,
    Fraction,
    Identity,
    ImageSize,
    Index,
    Left,
    Line,
    Loss,
    NotNegative,
    Optimiser,
    Positive,
    Precision,
    Runs,
    Schedule,
    Seed,
    Share,
    Start,
    whole,
)

MOST_FOLDS = 1000
SEARCHES = ("seagull", "random-search")
"""Optimisers that need no gradient."""
WITHOUT_GRADIENT = "balanced-error"
"""The loss that has none."""


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
    optimiser: Optimiser = "adam"
    """``betas`` and ``epsilon`` are those of Adam and AdamW; ``training.search`` has those without
    gradients."""
    momentum: Share = 0
    """Of sgd and rmsprop."""
    nesterov: Flag = False
    """Of sgd with momentum."""
    weight_decay: NotNegative = 0
    schedule: Schedule = "plateau"
    """Of the learning rate: ``plateau``: multiplied by ``plateau_factor`` where the validation loss
    does not fall; ``milestones``: so after each of these epochs; ``cosine``: falls to 0 at
    ``max_epochs``; ``constant``."""
    milestones: Epochs = ()
    loss: Loss = "cross-entropy"
    """``balanced-error``: 1 - balanced accuracy, for a search only: it has no gradient."""
    label_smoothing: Share = 0
    class_weights: Flag = False
    """True: every class has the same weight in the loss, however many segments it has."""
    mixup: NotNegative = 0
    """Both parameters of the Beta distribution of the shares of two mixed segments; 0: none."""
    augmentation: Augmentations = ()
    """Random changes of training segments, in their order."""
    left_out: Left = ()
    """Classes whose segments are not trained or validated on."""
    start_from: Start = None
    """A run with whose trained weights the training begins, fold by fold."""
    filters: Filters = "same"
    """From its filters of one frame to those of several: ``inflated``: each frame has an equal
    share; ``frame-<n>``: frame n of the tubelet has all, counted from 0."""
    epochs_of: Runs = ()
    """Runs: the training has as many epochs as theirs together, and no early stopping."""
    seed: Seed = 0


DEFAULT_READING = ReadingSettings()
DEFAULT_SPLIT = SplitSettings()
DEFAULT_TRAINING = TrainingSettings()
