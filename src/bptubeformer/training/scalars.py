"""Epochs as TensorBoard scalars, while a training runs; ``history.csv`` stays the record."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from tensorboard.summary import Writer

from bptubeformer.training.loop import Epoch

TAGS = {
    "loss/training": "train_loss",
    "loss/validation": "validation_loss",
    "accuracy/validation": "validation_accuracy",
    "learning rate": "learning_rate",
    "seconds": "seconds",
}
"""Field of an epoch that each scalar shows."""


class Scalars:
    """Writes the epochs of one training where TensorBoard reads them.

    Args:
        folder: of the training; what an earlier process wrote there is replaced.
        epochs: of an interrupted training that is resumed.
    """

    def __init__(self, folder: Path, epochs: Iterable[Epoch] = ()):
        shutil.rmtree(folder, ignore_errors=True)
        self.writer = Writer(str(folder))
        for epoch in epochs:
            self.add(epoch)

    def add(self, epoch: Epoch) -> None:
        """Write an epoch; TensorBoard shows it at once."""
        for tag, field in TAGS.items():
            self.writer.add_scalar(tag, getattr(epoch, field), epoch.epoch)
        self.writer.flush()

    def close(self) -> None:
        """Close the file."""
        self.writer.close()
