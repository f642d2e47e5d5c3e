import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.evaluation.bootstrap import (
    VideoCounts,
    accuracy_interval,
    draw_weights,
    interval,
    resampled_accuracy,
)
from bptubeformer.evaluation.metrics import balanced_accuracy, confusion


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=30))
def test_every_resample_draws_as_many_videos_of_each_class(videos):
    labels, chosen = (np.array(column) for column in zip(*videos, strict=True))
    weights = draw_weights(labels, chosen, 50, seed=0)
    assert (weights[:, ~chosen] == 0).all()
    for label in range(4):
        members = chosen & (labels == label)
        assert (weights[:, members].sum(axis=1) == members.sum()).all()


def test_weights_of_one_give_the_balanced_accuracy_itself():
    generator = np.random.default_rng(0)
    video_labels = np.array([0, 0, 1, 1, 2])
    video = generator.integers(0, 5, 80)
    labels, predicted = video_labels[video], generator.integers(0, 3, 80)
    counts = VideoCounts.of(video, labels == predicted, 5)
    once = np.ones((1, 5), dtype=int)
    expected = balanced_accuracy(confusion(labels, predicted, 3))
    assert resampled_accuracy([counts], video_labels, once)[0] == expected
    # A video drawn twice counts like two videos.
    twice = np.array([[2, 0, 1, 1, 1]])
    rows = np.concatenate([np.flatnonzero(video == v) for v in (0, 0, 2, 3, 4)])
    expected = balanced_accuracy(confusion(labels[rows], predicted[rows], 3))
    assert resampled_accuracy([counts], video_labels, twice)[0] == expected


def test_a_class_that_a_fold_does_not_test_is_left_out_of_its_mean():
    video_labels = np.array([0, 1])
    folds = [
        VideoCounts(np.array([4, 0]), np.array([3, 0])),
        VideoCounts(np.array([0, 4]), np.array([0, 1])),
    ]
    once = np.ones((1, 2), dtype=int)
    assert resampled_accuracy(folds, video_labels, once)[0] == 0.5


def test_the_interval_covers_a_binomial_share_as_often_as_it_promises():
    """Videos of one segment each: it must hold the true accuracy about 95 times in 100."""
    generator = np.random.default_rng(1)
    labels = np.zeros(60, dtype=int)
    covered = 0
    for trial in range(200):
        correct = (generator.random(60) < 0.4).astype(int)
        low, high = accuracy_interval(
            [VideoCounts(np.ones(60, dtype=int), correct)], labels, 400, seed=trial
        )
        covered += low <= 0.4 <= high
    assert 0.9 <= covered / 200 <= 0.99


def test_segments_of_one_video_count_as_one():
    """Ten segments a video instead of one: the same videos, so the same interval."""
    labels = np.zeros(20, dtype=int)
    correct = np.arange(20) % 2
    one = accuracy_interval([VideoCounts(np.ones(20, dtype=int), correct)], labels, 500, 0)
    ten = accuracy_interval([VideoCounts(np.full(20, 10), 10 * correct)], labels, 500, 0)
    assert one == ten


def test_a_difference_sees_the_same_resamples_on_both_sides():
    labels = np.zeros(20, dtype=int)
    run = VideoCounts(np.ones(20, dtype=int), np.arange(20) % 2)
    assert accuracy_interval([run], labels, 200, 0, minus=[run]) == (0, 0)
    better = VideoCounts(run.tested, np.ones(20, dtype=int))
    low, high = accuracy_interval([better], labels, 200, 0, minus=[run])
    assert 0 < low < 0.5 < high


def test_percentiles():
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
