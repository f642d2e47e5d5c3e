import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from bptubeformer.evaluation.metrics import balanced_accuracy, confusion, recalls

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@given(pairs)
def test_counts_are_those_of_a_plain_loop(pairs):
    labels, predicted = map(np.array, zip(*pairs, strict=True))
    expected = np.zeros((4, 4), dtype=int)
    for label, guess in pairs:
        expected[label, guess] += 1
    assert np.array_equal(confusion(labels, predicted, 4), expected)


@given(pairs)
@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label was found")
def test_balanced_accuracy_is_that_of_scikit_learn(pairs):
    labels, predicted = map(np.array, zip(*pairs, strict=True))
    ours = balanced_accuracy(confusion(labels, predicted, 4))
    assert ours == pytest.approx(balanced_accuracy_score(labels, predicted))


def test_a_class_without_segments_has_no_recall():
    counts = np.array([[3, 1, 0], [0, 0, 0], [0, 1, 1]])
    assert recalls(counts)[[0, 2]].tolist() == [0.75, 0.5]
    assert np.isnan(recalls(counts)[1])
    assert balanced_accuracy(counts) == 0.625
