import numpy as np
import pandas as pd
import pytest

from bptubeformer.data.store import FrameStore, read_fingerprint
from bptubeformer.errors import InputError
from bptubeformer.evaluation.accuracy import (
    accuracy_markdown,
    accuracy_table,
    evaluate,
    metrics_markdown,
    metrics_table,
)
from bptubeformer.evaluation.leakage import leakage_markdown, leakage_table
from bptubeformer.evaluation.learned import (
    folds_differ,
    has_learned,
    marked,
    notes_of_marks,
    threshold,
)
from bptubeformer.evaluation.metrics import METRICS
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.study import PREDICTIONS
from fakes import CONTENT, FINGERPRINT

RUNS = {
    "BPT-V2": {"experiment": "kernel", "kernel": [2, 3, 3], "stride": [2, 3, 3],
               "segment_length": 24, "padding": "constant"},
    "ST-Tran": {"experiment": "other", "segment_length": 30},
}  # fmt: skip

PRINTED = {"BPT-V2": {"mean": 0.4982, "std": 0.0004}}


@pytest.fixture
def store_file(tmp_path):
    """Eight trajectories in four videos, two of each class."""
    trajectories = pd.DataFrame(
        {
            "category": ["c0"] * 4 + ["c1"] * 4,
            "video": ["a", "a", "b", "b", "c", "c", "d", "d"],
            "person": [str(i) for i in range(8)],
            "rows": 1,
        }
    )
    store = FrameStore(
        np.zeros((8, 34), np.float32), np.arange(8, dtype=np.int32), np.arange(9), trajectories,
        ("c0", "c1"),
    )  # fmt: skip
    store.save(tmp_path / "frames.safetensors")
    return tmp_path / "frames.safetensors"


def write(results, protocol, run, fold, trajectory, predicted):
    trajectory = np.array(trajectory)
    data = read_fingerprint(results / "frames.safetensors")
    folder = results / protocol / run / f"fold{fold}"
    logits = np.eye(2, dtype=np.float32)[predicted]
    labels = (trajectory >= 4).astype(np.int64)
    Predictions(trajectory, trajectory, labels, logits, ("c0", "c1"), data, CONTENT).save(
        folder / PREDICTIONS
    )
    history = {
        "epoch": [1, 2], "train_loss": [0.5, 0.4], "validation_loss": [0.5, 0.4],
        "validation_accuracy": [0.1, 0.9], "learning_rate": 0.001, "seconds": 1.0, "best": True,
    }  # fmt: skip
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)


@pytest.fixture
def evaluation(tmp_path, store_file):
    # Balanced accuracies 1, 0.75 and 0.5; and a run that knows one class only.
    for fold, predicted in enumerate(([0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 0])):
        write(tmp_path, "video", "BPT-V2", fold, [0, 2, 4, 6], predicted)
        write(tmp_path, "video", "ST-Tran", fold, [0, 1, 4], [0, 1, 0])
    return evaluate(tmp_path, store_file, list(RUNS), ["video"], 3, [0])


def test_every_fold_has_a_row_a_unit(evaluation):
    folds = evaluation.folds
    segments = folds[folds["unit"] == "segment"]
    assert segments["balanced_accuracy"].tolist() == [1.0, 0.75, 0.5, 0.25, 0.25, 0.25]
    assert segments["classes"].tolist() == [2] * 6
    assert segments["examples"].tolist() == [4, 4, 4, 3, 3, 3]
    tran = folds[(folds["run"] == "ST-Tran") & (folds["fold"] == 0)].set_index("unit")
    # Two trajectories of one video: their mean logits are a tie, which goes to the first class.
    assert tran["examples"].to_dict() == {"segment": 3, "trajectory": 3, "video": 2}
    assert tran.at["video", "accuracy"] == 0.5


def test_recalls_are_there_class_by_class(evaluation):
    recalls = evaluation.recalls
    shown = recalls[(recalls["run"] == "BPT-V2") & (recalls["unit"] == "segment")]
    assert shown["recall"].tolist() == [1, 1, 1, 0.5, 1, 0]
    tran = recalls[(recalls["run"] == "ST-Tran") & (recalls["category"] == "c1")]
    assert (tran["recall"] == 0).all()


def test_predictions_without_a_class_are_refused(tmp_path, store_file):
    write(tmp_path, "video", "BPT-V2", 0, [0, 1], [0, 1])
    with pytest.raises(InputError, match=r"fold0/predictions\.parquet: no test segment of c1: bal"):
        evaluate(tmp_path, store_file, ["BPT-V2"], ["video"], 1, [0])


def test_predictions_of_other_data_are_refused(tmp_path, store_file):
    logits, two = np.eye(2, dtype=np.float32), ("c0", "c1")
    own = read_fingerprint(store_file)
    # None of the eight, or of another class; or of a store that only looks like this one.
    for trajectory, data in (([0, 8], own), ([-1, 4], own), ([4, 0], own), ([0, 4], FINGERPRINT)):
        numbers = np.array(trajectory)
        Predictions(numbers, numbers, np.array([0, 1]), logits, two, data, CONTENT).save(
            tmp_path / "video" / "BPT-V2" / "fold0" / PREDICTIONS
        )
        with pytest.raises(InputError, match="predictions for other trajectories than those of"):
            evaluate(tmp_path, store_file, ["BPT-V2"], ["video"], 1, [0])


def test_mean_and_sample_deviation_stand_beside_the_paper(evaluation):
    table = accuracy_table(evaluation, RUNS, "ST-Tran", printed=PRINTED)
    assert list(table.columns)[:12] == [
        "run", "experiment", "kernel", "stride", "segment_length", "padding", "protocol", "folds",
        "balanced_accuracy_mean", "balanced_accuracy_std", "paper_mean", "paper_std",
    ]  # fmt: skip
    ours = table.set_index("run").loc["BPT-V2"]
    assert ours["balanced_accuracy_mean"] == 0.75
    assert ours["balanced_accuracy_std"] == 0.25
    assert (ours["paper_mean"], ours["paper_std"]) == (0.4982, 0.0004)
    assert ours["kernel"] == "(2, 3, 3)"
    assert ours["seeds"] == 1
    assert np.isnan(ours["balanced_accuracy_std_seeds"])
    assert ours["interval_low"] < 0.75 < ours["interval_high"]
    # On the trajectories that both test, 0 and 4: 1, 1, 0.5 against 0.5, 0.5, 0.5.
    assert ours["difference_to_baseline"] == pytest.approx(1 / 3)
    assert (ours["trajectories"], ours["common_trajectories"]) == (4, 2)
    assert ours["difference_trajectories"] == 2
    assert ours["balanced_accuracy_common"] == pytest.approx(5 / 6)
    # One video of each class is left: the error of the difference is not known.
    assert np.isnan(ours["difference_low"])
    assert not ours["learned"]
    assert np.isnan(table.set_index("run").loc["ST-Tran", "difference_to_baseline"])


def test_deviations_over_folds_and_over_seeds_are_told_apart(tmp_path, store_file):
    for fold in range(2):
        for ending, predicted in (("", [0, 0]), ("-seed7", [0, 1])):
            write(tmp_path, "video", "BPT-V2", f"{fold}{ending}", [0, 4], predicted)
    evaluation = evaluate(tmp_path, store_file, ["BPT-V2"], ["video"], 2, [0, 7])
    (row,) = accuracy_table(evaluation, RUNS, "ST-Tran", printed=PRINTED).to_dict("records")
    assert row["balanced_accuracy_mean"] == 0.75
    assert row["balanced_accuracy_std"] == 0
    assert row["balanced_accuracy_std_seeds"] == pytest.approx(np.std([0.5, 1], ddof=1))
    assert (row["folds"], row["seeds"]) == (2, 2)
    text = accuracy_markdown(pd.DataFrame([row]), "walkers", "ST-Tran")
    assert "| Sd over seeds " in text
    assert "0.3536" in text


def test_markdown_has_both_means_and_the_difference(evaluation):
    table = accuracy_table(evaluation, RUNS, "ST-Tran", printed=PRINTED)
    text = accuracy_markdown(table, "walkers", "ST-Tran")
    assert "0.7500 ± 0.2500 " in text
    assert "0.4982 ± 0.0004" in text
    assert "0.2500 ± 0.0000 " in text
    assert "+0.3333" in text
    assert "| BPT-V2 † " in text
    assert "† has not learned" in text
    assert "chance is 0.5000 (2 classes)" in text
    assert "Minus ST-Tran" in text
    assert "`predefined`" not in text
    text = accuracy_markdown(table.assign(protocol="predefined"), "walkers", "ST-Tran")
    assert "Under `predefined`, all folds have one test set" in text


@pytest.mark.parametrize(
    ("accuracies", "predicted", "least", "expected"),
    [
        ([3 / 13, 0.5, 0.5], [7, 8, 9], None, True),
        ([0.23, 0.5, 0.5], [7, 8, 9], None, False),
        ([0.5, 0.5, 0.5], [7, 6, 9], None, False),
        ([0.5, 0.5, 0.5], [7, 7, 9], 0.6, False),
        ([0.15, 0.5, 0.5], [7, 7, 9], 0.1, True),
    ],
)
def test_a_run_has_learned_if_every_fold_has(accuracies, predicted, least, expected):
    models = pd.DataFrame(
        {"balanced_accuracy": accuracies, "classes": 13, "predicted_classes": predicted}
    )
    assert has_learned(models, least) == expected


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.5, 0.5, 0.5], False),
        ([0.5, 0.3, 0.5], False),  # half of 0.5 - 1 / 13 above 1 / 13 is 0.288
        ([0.5, 0.28, 0.5], True),
        ([0.07, 0.05, 0.06], False),
    ],
)
def test_folds_differ_if_the_worst_is_less_than_half_as_far_above_chance(accuracies, expected):
    models = pd.DataFrame({"fold": range(3), "balanced_accuracy": accuracies, "classes": 13})
    assert folds_differ(models) == expected


def test_a_run_has_the_marks_that_apply():
    table = pd.DataFrame({"run": ["a", "b", "c"], "learned": [True, False, False],
                          "folds_differ": [True, True, False]})  # fmt: skip
    assert marked(table) == ["a ‡", "b † ‡", "c †"]
    notes = "\n".join(notes_of_marks(table))
    assert "missing joints" in notes
    assert "‡ folds differ" in notes
    assert notes_of_marks(table.assign(learned=True, folds_differ=False)) == []


def test_the_threshold_of_13_classes_is_three_times_chance():
    assert threshold(13) == pytest.approx(3 / 13)
    assert 0.5 < threshold(2) < 0.6


def test_every_metric_has_its_mean_by_every_unit(evaluation):
    table = metrics_table(evaluation.folds)
    assert len(table) == 2 * 3 * len(METRICS)
    chosen = table[(table["run"] == "BPT-V2") & (table["unit"] == "segment")].set_index("metric")
    assert chosen.at["balanced_accuracy", "mean"] == 0.75
    assert chosen.at["top3_accuracy", "mean"] == 1
    assert "| Top-3 accuracy" in metrics_markdown(table, "walkers")


def test_leakage_is_the_gap_between_protocols(tmp_path, store_file):
    for fold in range(2):
        write(tmp_path, "as-published", "BPT-V2", fold, [0, 2, 4, 6], [0, 0, 1, 1])
        write(tmp_path, "video", "BPT-V2", fold, [0, 2, 4, 6], [0, 1, 1, 0])
    evaluation = evaluate(tmp_path, store_file, ["BPT-V2"], ["as-published", "video"], 2, [0])
    table = leakage_table(tmp_path, evaluation)
    published, video = table.to_dict("records")
    assert (published["protocol"], video["protocol"]) == ("as-published", "video")
    assert np.isnan(published["gap"])
    assert video["gap"] == -0.5
    assert video["gap_low"] < -0.5 < video["gap_high"]
    assert video["validation_accuracy"] == 0.9  # of the epoch with the lowest validation loss
    assert video["test_accuracy"] == 0.5
    text = leakage_markdown(table, "walkers")
    assert "-0.5000" in text
    assert text.index("as-published |") < text.index("video        |")
