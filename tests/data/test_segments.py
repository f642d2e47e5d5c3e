import numpy as np
import torch

from bptubeformer.data.segments import Segments
from bptubeformer.data.windows import window_starts


def test_a_batch_is_what_slicing_gives(store):
    starts, trajectory = window_starts(store.offsets, 24, 5)
    segments = Segments.of(store, starts, trajectory, 24, torch.device("cpu"))
    index = torch.tensor([3, 0, len(starts) - 1])
    batch, labels = segments[index]
    assert batch.shape == (3, 24, 34)
    for row, i in zip(batch, index.tolist(), strict=True):
        assert np.array_equal(row.numpy(), store.frames[starts[i] : starts[i] + 24])
    assert labels.tolist() == [store.labels[trajectory[i]] for i in index]
    assert torch.equal(segments[slice(0, 2)][0][0], segments[torch.tensor([0])][0][0])


def test_other_windows_share_the_frames(store):
    starts, trajectory = window_starts(store.offsets, 24, 5)
    segments = Segments.of(store, starts, trajectory, 24, torch.device("cpu"))
    other = segments.choose(starts[:4], store.labels[trajectory[:4]])
    assert len(other) == 4
    assert other.frames is segments.frames


def test_windows_cost_little_beside_the_frames(store):
    """Start indices and labels, 6 bytes a window; a materialised one would take 3264."""
    starts, trajectory = window_starts(store.offsets, 24)
    segments = Segments.of(store, starts, trajectory, 24, torch.device("cpu"))
    own = [segments.starts, segments.labels]
    assert sum(t.numel() * t.element_size() for t in own) == 6 * len(starts)


def test_the_frames_of_a_store_are_not_copied(store):
    segments = Segments.of(store, np.array([0]), np.array([0]), 24, torch.device("cpu"))
    assert segments.frames.data_ptr() == store.frames.ctypes.data


def test_the_last_window_of_a_store_is_whole(store):
    last = len(store.frames) - 24
    segments = Segments.of(store, np.array([last]), np.array([0]), 24, torch.device("cpu"))
    assert np.array_equal(segments[slice(0, 1)][0][0].numpy(), store.frames[last:])
