import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    balanced_accuracy_score,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from bptubeformer.evaluation.metrics import (
    METRICS,
    average_by,
    balanced_accuracy,
    confusion,
    recalls,
    scores,
)

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
    counts = confusion(labels, predicted, 4)
    if len(set(labels)) == 4:
        assert balanced_accuracy(counts) == pytest.approx(
            balanced_accuracy_score(labels, predicted)
        )
    else:
        with pytest.raises(ValueError, match="not defined"):
            balanced_accuracy(counts)


def test_a_class_without_segments_has_no_recall():
    counts = np.array([[3, 1, 0], [0, 0, 0], [0, 1, 1]])
    for score in (recalls, balanced_accuracy):
        with pytest.raises(ValueError, match="class 1 has no example"):
            score(counts)
    counts[1, 1] = 1
    assert recalls(counts).tolist() == [0.75, 1, 0.5]
    assert balanced_accuracy(counts) == 0.75


def test_all_scores_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels, logits = generator.integers(0, 5, 200), generator.normal(size=(200, 5))
    found = scores(labels, logits)
    assert tuple(found) == METRICS
    assert found["balanced_accuracy"] == found["macro_recall"]
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, logits.argmax(1), average=average
        )
        assert found[f"{average}_precision"] == pytest.approx(precision)
        assert found[f"{average}_recall"] == pytest.approx(recall)
        assert average == "weighted" or found["macro_f1"] == pytest.approx(f1)
    assert found["top3_accuracy"] == pytest.approx(top_k_accuracy_score(labels, logits, k=3))
    assert found["accuracy"] == (labels == logits.argmax(1)).mean()


def test_macro_means_are_over_all_classes():
    logits = np.eye(2)[[0, 0, 0]]
    found = scores(np.array([0, 0, 1]), logits)
    assert found["macro_recall"] == found["balanced_accuracy"] == 0.5
    assert found["macro_precision"] == pytest.approx(1 / 3)  # nothing was taken for class 1
    with pytest.raises(ValueError, match="not defined"):
        scores(np.array([0, 0, 0]), logits)


def test_a_trajectory_is_classified_by_its_mean_logits():
    groups = np.array([7, 2, 7, 2, 7])
    labels = np.array([1, 0, 1, 0, 1])
    logits = np.array([[4, 0], [1, 0], [0, 1], [3, 2], [0, 1]], dtype=np.float32)
    distinct, group_labels, means = average_by(groups, labels, logits)
    assert distinct.tolist() == [2, 7]
    assert group_labels.tolist() == [0, 1]
    np.testing.assert_allclose(means, [[2, 1], [4 / 3, 2 / 3]])
