import numpy as np
import pytest

from bptubeformer.evaluation.accuracy import accuracy_markdown, accuracy_table, folds_table
from bptubeformer.evaluation.predictions import (
    prediction_table,
    predictions_file,
    save_predictions,
)

RUNS = {
    "BPT-V2": {"experiment": "kernel", "kernel": [2, 3, 3], "stride": [2, 3, 3],
               "segment_length": 24, "padding": "constant"},
    "mine": {"experiment": "other", "segment_length": 30},
}  # fmt: skip


def write(results, run, fold, labels, predicted, classes=2):
    path = predictions_file(results, "video", run, fold)
    logits = np.eye(classes, dtype=np.float32)[predicted]
    labels = np.array(labels)
    starts = np.arange(len(labels))
    names = [f"c{i}" for i in range(classes)]
    save_predictions(path, prediction_table(starts, starts, labels, logits, names))
    return path


@pytest.fixture
def folds(tmp_path):
    # Balanced accuracies 1, 0.75 and 0.5; and a run that never tested class 1.
    for fold, predicted in enumerate(([0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0])):
        write(tmp_path, "BPT-V2", fold, [0, 0, 1, 1], predicted)
        write(tmp_path, "mine", fold, [0, 0], [0, 1])
    return folds_table(tmp_path, list(RUNS), ["video"], 3)


def test_every_fold_has_its_row(folds):
    assert folds["balanced_accuracy"].tolist() == [1.0, 0.75, 0.5, 0.5, 0.5, 0.5]
    assert folds["classes_tested"].tolist() == [2, 2, 2, 1, 1, 1]
    assert folds["segments"].tolist() == [4, 4, 4, 2, 2, 2]


def test_mean_and_sample_deviation_stand_beside_the_paper(folds):
    table = accuracy_table(folds, RUNS)
    assert list(table.columns)[:12] == [
        "run", "experiment", "kernel", "stride", "segment_length", "padding", "protocol", "folds",
        "balanced_accuracy_mean", "balanced_accuracy_std", "paper_mean", "paper_std",
    ]  # fmt: skip
    ours = table.set_index("run").loc["BPT-V2"]
    assert ours["balanced_accuracy_mean"] == 0.75
    assert ours["balanced_accuracy_std"] == 0.25
    assert (ours["paper_mean"], ours["paper_std"]) == (0.4982, 0.0004)
    assert ours["kernel"] == "(2, 3, 3)"
    assert np.isnan(table.set_index("run").loc["mine", "paper_mean"])


def test_markdown_says_what_was_not_tested(folds):
    text = accuracy_markdown(accuracy_table(folds, RUNS), "walkers")
    assert "0.7500 ± 0.2500 " in text
    assert "0.4982 ± 0.0004" in text
    assert "0.5000 ± 0.0000 *" in text
    assert "1 of 2 (mine, video)" in text
    assert "chance is 0.5000 (2 classes)" in text
