import numpy as np
import pytest

from bptubeformer.figures.attention import draw_heads, frame_ranges


@pytest.mark.parametrize(
    ("tokens", "length", "kernel", "stride", "expected"),
    [
        (12, 24, 2, 2, ["1-2", "3-4", "23-24"]),
        (24, 24, 1, 1, ["1", "2", "24"]),
        (4, 24, 5, 5, ["1-5", "6-10", "16-20"]),
        (92, 24, 2, 1, ["1-2", "1-2", "23-24"]),
    ],
)
def test_tubelets_are_labelled_by_their_frames(tokens, length, kernel, stride, expected):
    labels = frame_ranges(tokens, length, kernel, stride)
    assert len(labels) == tokens
    assert [labels[0], labels[1], labels[-1]] == expected


@pytest.mark.slow
def test_every_head_is_drawn(saved):
    weights = {"torso": np.full((8, 12, 12), 1 / 12), "wrists": np.full((8, 12, 12), 1 / 12)}
    labels = dict.fromkeys(weights, frame_ranges(12, 24, 2, 2))
    svg = saved(draw_heads(weights, labels, "title"))
    for text in ("torso", "wrists", "head 1", "head 8", "23-24"):
        assert text in svg
