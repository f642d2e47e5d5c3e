"""Measurements of the first steps of a training."""

import math
import sys

import pytest

from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import plateau

RUN = {"model": "bptubeformer", "segment_length": 24, "kernel": [2, 3, 3], "stride": [2, 3, 3],
       "token_width": 8, "depth": 1}  # fmt: skip


def test_every_stage_has_a_gradient_and_shares_are_shares(store):
    found = plateau.course(RUN, store, warm_up=4, steps=12)
    assert len(found.losses) == 12
    assert found.chance == math.log(len(store.categories))
    assert list(found.gradients) == [
        "tokeniser", "first transformer", "second transformer", "head",
    ]  # fmt: skip
    assert min(found.gradients.values()) > 0
    assert all(0 <= share <= 1 for share in found.alone)
    assert min(found.spread) > 0


@pytest.mark.parametrize(("losses", "step"), [([2.0] * 15, None), ([2.0] * 15 + [0.5] * 15, 17)])
def test_the_plateau_is_left_where_the_mean_of_ten_steps_is_below_it(losses, step):
    """Of ten steps with two of 0.5, the mean is 1.7: below 0.9 times 2."""
    assert plateau.Course(losses, {}, [], [], chance=2.0).left_at == step
