"""Segments on the device: frames once, windows as start indices, a batch as one gather."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bptubeformer.data.trajectories import FrameStore


@dataclass(frozen=True)
class Segments:
    """Labelled segments of one length; indexing makes a batch of them."""

    frames: Tensor
    """float32 (F, 34), pixels; shared by all segments."""
    starts: Tensor
    """int64 (N,): first frame of each segment."""
    labels: Tensor
    """int64 (N,): class index of each segment, that of its video (paper, section 2)."""
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
        return cls(
            # Frames read from a file cannot be written to, and torch wants to be able to.
            frames=torch.from_numpy(np.require(store.frames, requirements="W")).to(device),
            starts=torch.tensor(starts, device=device),
            labels=torch.tensor(store.labels[trajectory], device=device),
            length=length,
        )

    def choose(self, starts: np.ndarray, labels: np.ndarray) -> "Segments":
        """Other segments over the same frames; arguments as in the fields, int64 (N,)."""
        device = self.frames.device
        return Segments(
            frames=self.frames,
            starts=torch.tensor(starts, device=device),
            labels=torch.tensor(labels, device=device),
            length=self.length,
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Batch of segments float32 (B, T, 34) and labels int64 (B,)."""
        within = torch.arange(self.length, device=self.frames.device)
        return self.frames[self.starts[index, None] + within], self.labels[index]
