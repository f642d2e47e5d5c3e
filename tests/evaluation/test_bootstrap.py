import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.evaluation.bootstrap import draw_weights


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=30))
def test_every_resample_draws_as_many_videos_of_each_class(videos):
    labels, chosen = (np.array(column) for column in zip(*videos, strict=True))
    weights = draw_weights(labels, chosen, 50, seed=0)
    assert (weights[:, ~chosen] == 0).all()
    for label in range(4):
        members = chosen & (labels == label)
        assert (weights[:, members].sum(axis=1) == members.sum()).all()
