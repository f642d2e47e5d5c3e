"""Segments on the device: frames once, windows as start indices, a batch as one gather."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bptubeformer.data.store import FrameStore


@dataclass(frozen=True)
class Segments:
    """Labelled segments of one length; indexing makes a batch of them."""

    frames: Tensor
    """float32 (F, V), pixels; shared by all segments."""
    starts: Tensor
    """int32 (N,): first frame of each segment; int64 where a store has more than 2^31 frames."""
    labels: Tensor
    """int16 (N,): class index of each segment, that of its video (paper, section 2)."""
    length: int
    """Frames of a segment, T."""

    @classmethod
    def of(
        cls,
        store: FrameStore,
        starts: np.ndarray,
        trajectory: np.ndarray,
        length: int,
        device: torch.device,
    ) -> "Segments":
        """Segments of a store.

        Args:
            store: the dataset.
            starts: int64 (N,), first frame of each window.
            trajectory: int64 (N,), trajectory of each window.
            length: frames of a segment.
            device: where the frames go and the batches are made.
        """
        frames = _frames_on(store, device)
        return cls(frames, *_on_device(frames, starts, store.labels[trajectory]), length)

    @classmethod
    def unlabelled(
        cls, store: FrameStore, starts: np.ndarray, length: int, device: torch.device
    ) -> "Segments":
        """Segments whose class is not known: their labels are all 0; arguments as for ``of``."""
        frames = _frames_on(store, device)
        return cls(frames, *_on_device(frames, starts, np.zeros(len(starts))), length)

    def choose(self, starts: np.ndarray, labels: np.ndarray) -> "Segments":
        """Other segments over the same frames; arguments int64 (N,)."""
        return Segments(self.frames, *_on_device(self.frames, starts, labels), self.length)

    def at(self, index: Tensor) -> "Segments":
        """Return the segments at some positions, int64 (n,)."""
        return Segments(self.frames, self.starts[index], self.labels[index], self.length)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Batch of segments float32 (B, T, V) and labels int64 (B,)."""
        # All windows of the store as rows of one matrix that overlap in memory; a batch is one
        # gather of whole rows.
        count = max(len(self.frames) - self.length + 1, 0)
        width = self.frames.shape[1]
        windows = self.frames.as_strided((count, self.length * width), (width, 1))
        batch = windows.index_select(0, self.starts[index])
        return batch.unflatten(1, (self.length, width)), self.labels[index].long()


def _frames_on(store: FrameStore, device: torch.device) -> Tensor:
    return torch.from_numpy(np.require(store.frames, requirements="W")).to(device)


def _on_device(frames: Tensor, starts: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Starts and labels beside the frames, in the smallest types that hold them."""
    index = torch.int32 if len(frames) < 2**31 else torch.int64
    return (
        torch.tensor(starts, dtype=index, device=frames.device),
        torch.tensor(labels, dtype=torch.int16, device=frames.device),
    )
