import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.data.windows import window_starts


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 30), st.integers(1, 9))
def test_windows_are_those_of_a_plain_loop(rows, length, step):
    offsets = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
    expected = [
        (offsets[n] + first, n)
        for n, count in enumerate(rows)
        for first in range(0, count - length + 1, step)
    ]
    starts, trajectory = window_starts(offsets, length, step)
    assert starts.dtype == trajectory.dtype == np.int64
    assert list(zip(starts.tolist(), trajectory.tolist(), strict=True)) == expected


def test_lengths_and_steps_start_at_one():
    with pytest.raises(ValueError, match="at least 1"):
        window_starts(np.array([0, 5]), 0)
