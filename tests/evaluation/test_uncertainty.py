import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bptubeformer.evaluation.tables import read_table, write_table
from bptubeformer.evaluation.uncertainty import (
    Counts,
    Estimate,
    bounds,
    by_trajectory,
    satterthwaite,
)


def counts(tested, correct, video, labels, classes=2):
    """Counts of runs ``r0``, ``r1``, ...; arrays (R, F, N)."""
    arrays = [
        {f"r{i}": np.array(run)[:, None] for i, run in enumerate(array)}
        for array in (tested, correct)
    ]
    names = tuple(f"c{i}" for i in range(classes))
    return Counts(*arrays, np.array(video), np.array(labels), names)


SIMPLE = counts(
    tested=[[[10, 10, 10, 10]] * 3] * 2,
    correct=[[[8, 6, 3, 5]] * 3, [[2, 4, 9, 7]] * 3],
    video=[0, 1, 2, 3],
    labels=[0, 0, 1, 1],
)


def test_balanced_accuracy_is_the_mean_of_the_recalls():
    assert SIMPLE.recalls("r0").tolist() == [[0.7, 0.4]] * 3
    own = SIMPLE.balanced_accuracy("r0")
    assert own.value == pytest.approx(0.55)
    assert own.training_variance == pytest.approx(0, abs=1e-20)
    # Leaving a video of two out moves its class by 0.1, and the mean by 0.05.
    assert own.video_variance == pytest.approx(4 * 0.05**2 / 2)
    assert (own.trajectories, own.fewest_videos, own.freedom) == (4, 2, 2)


def test_a_difference_is_paired():
    same = counts([[[10] * 4] * 3] * 2, [[[8, 6, 3, 5]] * 3] * 2, [0, 1, 2, 3], [0, 0, 1, 1])
    assert same.balanced_accuracy("r0", "r1").video_variance == 0
    alone = SIMPLE.balanced_accuracy("r0").video_variance
    assert SIMPLE.balanced_accuracy("r0", "r1").video_variance == pytest.approx(4 * alone)


def test_a_difference_counts_only_trajectories_that_both_test():
    shorter = counts(
        tested=[[[10, 10, 10, 10, 10]] * 2, [[0, 10, 10, 10, 10]] * 2],
        correct=[[[0, 8, 6, 3, 5]] * 2, [[0, 8, 6, 3, 5]] * 2],
        video=[0, 0, 1, 2, 3],
        labels=[0, 0, 1, 1],
    )
    paired = shorter.balanced_accuracy("r0", "r1")
    assert (paired.value, paired.trajectories) == (0, 4)
    union = shorter.balanced_accuracy("r0", "r1", common=False)
    assert union.value < 0


def test_variance_over_folds_is_pooled_over_the_runs():
    folds = counts(
        tested=[[[10] * 4] * 3] * 2,
        correct=[[[5] * 4, [6] * 4, [7] * 4], [[5] * 4] * 3],
        video=[0, 1, 2, 3],
        labels=[0, 0, 1, 1],
    )
    for run in ("r0", "r1"):
        own = folds.balanced_accuracy(run)
        assert own.training_variance == pytest.approx(0.01 * 2 / 4 / 3)
        assert own.freedom == 4
    assert folds.balanced_accuracy("r0", "r1").training_variance == pytest.approx(0.01 / 3)
    one = counts([[[10] * 4]], [[[5] * 4]], [0, 1, 2, 3], [0, 0, 1, 1])
    assert one.balanced_accuracy("r0").error == np.inf
    assert one.recall({("r0", "c0"): 1.0, ("r0", "c1"): -1.0}).error == np.inf


def test_recalls_of_classes_are_weighted():
    found = SIMPLE.recall({("r0", "c0"): 1.0, ("r1", "c0"): -1.0})
    assert found.value == pytest.approx(0.4)
    assert SIMPLE.recall({("r0", "c0"): 1.0, ("r0", "c1"): -1.0}).value == pytest.approx(0.3)


def test_a_class_with_one_video_gets_the_mean_variance_of_the_others():
    three = counts([[[10] * 5] * 3], [[[8, 6, 3, 5, 9]] * 3], range(5), [0, 0, 1, 1, 2], 3)
    own = three.balanced_accuracy("r0")
    assert own.fewest_videos == 1
    others = three.recall({("r0", "c0"): 1 / 3, ("r0", "c1"): 1 / 3}).video_variance
    assert own.video_variance == pytest.approx(1.5 * others)
    alone = three.recall({("r0", "c2"): 1.0})
    assert (alone.value, alone.error) == (0.9, np.inf)
    assert np.isnan(list(bounds(alone, "interval").values())).all()
    none = counts([[[10, 10, 0]] * 3], [[[8, 6, 0]] * 3], [0, 1, 2], [0, 0, 1])
    untested = none.balanced_accuracy("r0")
    assert np.isnan(untested.value)
    assert (untested.error, untested.fewest_videos) == (np.inf, 0)


def test_names_that_look_like_numbers_stay_names(tmp_path):
    names = ["0", "1e5"]
    trajectories = pd.DataFrame(
        {"category": np.repeat(names, 4), "video": ["0012", "1", "nan", "True"] * 2}
    )
    right, numbers = np.arange(8) > 2, np.arange(8)
    places = [{"run": "r", "fold": fold, "seed": 0} for fold in range(2)]
    rows = [by_trajectory(place, numbers, right, trajectories) for place in places]
    table = pd.concat(rows)
    write_table(tmp_path / "counts.csv", table)
    again = Counts.of(read_table(tmp_path / "counts.csv"), names)
    assert again.balanced_accuracy("r") == Counts.of(table, names).balanced_accuracy("r")
    assert again.balanced_accuracy("r").value == pytest.approx(0.625)
    assert len(again.labels) == 8


def test_a_table_of_counts_is_read_in_any_order():
    rows = [
        {"run": run, "protocol": "video", "fold": fold, "seed": 0, "category": f"c{n // 2}",
         "video": f"v{n}", "trajectory": 10 * n, "tested": 10, "correct": correct}
        for run, of_run in (("r0", [8, 6, 3, 5]), ("r1", [2, 4, 9, 7]))
        for fold in range(3)
        for n, correct in enumerate(of_run)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    for order in (table, table.sample(frac=1, random_state=3)):
        found = Counts.of(order, ["c0", "c1"])
        assert found.balanced_accuracy("r0", "r1") == SIMPLE.balanced_accuracy("r0", "r1")
    both = Counts.of(table, ["c0", "c1"], ("protocol", "run"))
    assert both.balanced_accuracy(("video", "r0")).value == pytest.approx(0.55)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_errors_are_those_of_the_text_books_for_segments_of_equal_number(seed):
    """One trajectory a video, as many segments each: the standard error of a mean."""
    generator = np.random.default_rng(seed)
    correct = generator.integers(0, 21, 12)
    labels = np.repeat([0, 1], 6)
    found = counts([[[20] * 12] * 2], [[correct] * 2], np.arange(12), labels)
    shares = correct / 20
    expected = sum(shares[labels == c].var(ddof=1) / 6 for c in (0, 1)) / 4
    # Left out: the mean of five moves by a fifth of what it would take to move the mean of six.
    assert found.balanced_accuracy("r0").video_variance == pytest.approx(expected)


def test_intervals_cover_the_truth():
    """Of 400 test sets with noise of both kinds, about 95 % of the intervals hold the truth."""
    generator, inside = np.random.default_rng(1), 0
    for _ in range(400):
        video = 0.5 + generator.normal(0, 0.1, (1, 1, 20))
        trained = generator.normal(0, 0.03, (16, 3, 1))
        correct = generator.binomial(200, np.clip(video + trained, 0, 1))
        tested = np.full((16, 3, 20), 200)
        found = counts(tested, correct, np.arange(20), np.repeat([0, 1], 10))
        low, high = found.balanced_accuracy("r3").interval()
        inside += low < 0.5 < high
    assert 0.92 <= inside / 400 <= 0.98


def test_freedom_of_a_sum_lies_between_that_of_its_parts():
    assert satterthwaite([1.0, 0.0], [5, 30]) == 5
    assert 5 < satterthwaite([1.0, 1.0], [5, 30]) < 35
    assert satterthwaite([0.0, 0.0], [5, 30]) == np.inf
    assert Estimate(1.0).interval() == (1.0, 1.0)


def test_segments_of_one_video_count_as_one():
    """Ten segments a video instead of one: the same videos, so the same interval."""
    labels, correct = np.repeat([0, 1], 10), np.arange(20) % 3 > 0
    one = counts([[[1] * 20] * 3], [[1 * correct] * 3], np.arange(20), labels)
    ten = counts([[[10] * 20] * 3], [[10 * correct] * 3], np.arange(20), labels)
    assert one.balanced_accuracy("r0") == ten.balanced_accuracy("r0")


def test_a_class_never_vanishes_where_each_fold_has_videos_of_its_own():
    tested = np.zeros((1, 3, 12), int)
    for fold in range(3):
        tested[0, fold, [fold, fold + 3, fold + 6, fold + 9]] = 10
    own = counts(tested, tested // 2, np.arange(12), np.repeat([0, 1], 6)).balanced_accuracy("r0")
    assert own.value == pytest.approx(0.5)
    assert (own.error, own.fewest_videos, own.trajectories) == (pytest.approx(0), 2, 12)


def test_an_interval_ends_at_the_values_that_a_number_can_have():
    share = Estimate(0.95, video_variance=0.01, freedom=4)
    low, high = bounds(share, "interval", (0, 1)).values()
    assert (low, high) == (share.interval()[0], 1.0)
    assert bounds(share, "gap")["gap_high"] > 1
