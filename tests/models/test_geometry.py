import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.models.geometry import check_heads, tubelet_grid

sizes = st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(1, 3))


@given(st.integers(12, 30), sizes, sizes)
def test_the_grid_is_that_of_the_convolution(length, kernel, stride):
    output = torch.nn.Conv3d(1, 1, kernel, stride)(torch.zeros(1, 1, length, 3, 3))
    assert tubelet_grid(length, kernel, stride, 3) == tuple(output.shape[2:])


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "tokens"),
    [  # claims Q06 and G14 of the paper, and its stride experiment
        (24, (1, 3, 3), (1, 3, 3), 24),
        (24, (2, 3, 3), (2, 3, 3), 12),
        (24, (4, 3, 3), (4, 3, 3), 6),
        (24, (5, 3, 3), (5, 3, 3), 4),
        (24, (8, 3, 3), (8, 3, 3), 3),
        (24, (2, 2, 2), (2, 1, 1), 48),
        (24, (2, 2, 2), (1, 1, 1), 92),
        (60, (2, 3, 3), (2, 3, 3), 30),
    ],
)
def test_token_counts_of_the_paper(length, kernel, stride, tokens):
    time, rows, columns = tubelet_grid(length, kernel, stride, 3)
    assert time * rows * columns == tokens


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="24 frames of a segment along time; use at most 24"):
        tubelet_grid(24, (25, 3, 3), (1, 1, 1), 3)
    with pytest.raises(ValueError, match="3 columns of a segment along columns"):
        tubelet_grid(24, (2, 3, 4), (1, 1, 1), 3)
    with pytest.raises(ValueError, match="at least 1 along rows"):
        tubelet_grid(24, (2, 3, 3), (1, 0, 1), 3)
    with pytest.raises(ValueError, match="'part' is not a number of frames"):
        tubelet_grid(24, ("part", 3, 3), (1, 1, 1), 3)


def test_part_is_the_whole_grid():
    assert tubelet_grid(24, (2, "part", "part"), (2, "part", "part"), 4) == (12, 1, 1)
    assert tubelet_grid(24, (2, "part", 2), (2, "part", 1), 4) == (12, 1, 3)


def test_heads():
    check_heads(32, 8)
    with pytest.raises(ValueError, match="use 8"):
        check_heads(4, 8)
