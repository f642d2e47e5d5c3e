"""Probes of trained models: whose video a segment is of, and what their uncertainty is worth."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from bptubeformer.data.ingest import chosen
from bptubeformer.evaluation.calibrate import (
    calibrate_folds,
    corrupted,
    probabilities_of,
    told_apart,
    uncertainty_of,
)
from bptubeformer.evaluation.calibration import better_by, calibration_table, write_calibration
from bptubeformer.evaluation.identify import guesses, identify_folds
from bptubeformer.evaluation.retrieval import retrieval_table, write_retrieval
from bptubeformer.evaluation.tables import read_table
from bptubeformer.evaluation.trained import TrainedFolds
from bptubeformer.kinds import CORRUPTIONS
from bptubeformer.models import build_model
from bptubeformer.models.files import TrainedModel, save_model
from bptubeformer.study import Study

RUN = {"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1}


@pytest.fixture
def models(store, fold_files, tmp_path):
    """A fold of each protocol that the tables ask for, with a model that has learned nothing."""

    def made(protocol="video", **training):
        torch.manual_seed(0)
        folder = tmp_path / "results" / protocol / "mine" / "fold0"
        folder.mkdir(parents=True)
        model = build_model(RUN, len(store.categories))
        save_model(
            folder / "model.safetensors",
            TrainedModel(model, RUN, list(store.categories), store.fingerprint, training=training),
        )
        pattern = folder.with_name("fold{fold}")
        return TrainedFolds(fold_files[0], fold_files[1].parent, pattern, RUN)

    return made


def study(results, folds=1, **settings):
    return Study(name="mine", results=results, folds=folds, seeds=[0], **settings)


def test_the_nearest_segment_names_the_video():
    values = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    videos, trajectory, starts = np.array([0, 0, 1, 1]), np.arange(4), np.zeros(4, dtype=int)
    found = guesses(values, videos, videos, trajectory, starts, 10)
    assert found == {
        "segments": 4, "guessed": 1.0, "chance": pytest.approx(1 / 3), "chance_in_class": 1.0,
    }  # fmt: skip
    one_class = np.zeros(4, dtype=int)
    alike = guesses(values, videos, one_class, trajectory, starts, 10)
    assert alike["chance_in_class"] == pytest.approx(1 / 3)
    mixed = guesses(values, videos[[0, 2, 1, 3]], one_class, trajectory, starts, 10)
    assert mixed["guessed"] == 0


def test_segments_that_share_a_frame_are_no_neighbours():
    """Of one trajectory: the second is nearest to the first, and begins within it."""
    values = torch.tensor([[0.0], [0.1], [2.0], [3.0]])
    videos, trajectory = np.array([0, 0, 1, 0]), np.array([0, 0, 1, 0])
    near = guesses(values, videos, videos, trajectory, np.array([0, 9, 50, 20]), 10)
    # The first two are nearest to the other video; the last, begun 11 rows later, too.
    assert near == {
        "segments": 3,
        "guessed": 0.0,
        "chance": pytest.approx(np.mean([0.5, 0.5, 2 / 3])),
        "chance_in_class": 1.0,
    }
    far = guesses(values, videos, videos, trajectory, np.array([0, 10, 50, 20]), 10)
    assert far["guessed"] == pytest.approx(2 / 3)


def test_a_segment_alone_in_its_video_is_not_asked():
    found = guesses(torch.rand(3, 2), *(np.arange(3),) * 3, np.zeros(3, dtype=int), 10)
    assert found["segments"] == 0
    assert np.isnan(found["guessed"])


def test_videos_are_guessed_for_every_protocol(models, tmp_path):
    for protocol in ("as-published", "trajectory", "video"):
        identify_folds(models(protocol), per_class=5)
    asked = study(tmp_path / "results", identity=["mine"], protocols=["video"])
    table = retrieval_table(asked)
    assert list(table["protocol"].unique()) == ["as-published", "trajectory", "video"]
    assert set(table["representation"]) == {"class token", "raw segment"}
    assert table["guessed_mean"].between(0, 1).all()
    assert (table["chance"] > 0).all()
    write_retrieval(asked, tmp_path / "retrieval.csv")
    assert "| class token" in (tmp_path / "retrieval.md").read_text()


def test_uncertainty_is_that_of_the_evidence():
    logits = torch.tensor([[9.0, -9.0, -9.0], [0.0, 0.0, 0.0], [-9.0, -9.0, -9.0]])
    for loss in ("cross-entropy", "evidential-softplus", "evidential-exp"):
        probabilities, doubt = probabilities_of(logits, loss), uncertainty_of(logits, loss)
        torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))
        assert torch.equal(probabilities[0].argmax(), torch.tensor(0))
        assert ((doubt >= 0) & (doubt <= 1)).all()
        assert doubt[0] < doubt[1]
    # A softmax cannot tell no evidence from as much for each class.
    assert uncertainty_of(logits, "cross-entropy")[1] == uncertainty_of(logits, "cross-entropy")[2]
    assert uncertainty_of(logits, "evidential-exp")[2] > 0.99


def test_told_apart_is_the_area_under_the_curve():
    assert told_apart(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1
    assert told_apart(np.array([0.5, 0.1]), np.array([0.5, 0.1])) == 0.5
    assert np.isnan(told_apart(np.array([]), np.array([0.5])))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_the_same_again_and_leaves_missing_joints_missing(name):
    segments = 100 * torch.rand(6, 24, 34) + 1
    segments[:, :, 4:6] = 0

    def once():
        return corrupted(segments, name, torch.Generator().manual_seed(3))

    assert torch.equal(once(), once())
    assert not torch.equal(once(), segments)
    assert not once()[:, :, 4:6].any()


def test_people_who_are_too_short_for_a_segment_are_not_asked(models, store, tmp_path):
    short = chosen(store, store.rows < 24)
    short.save(tmp_path / "short.safetensors")
    calibrate_folds(models(), unlabelled=tmp_path / "short.safetensors", step=24, per_class=4)
    table = read_table(tmp_path / "results" / "video" / "mine" / "fold0" / "calibration.csv")
    last = table.iloc[-1]
    assert (last["measure"], last["segments"]) == ("unlabelled", 0)
    assert math.isnan(last["value"])


def test_calibration_asks_all_that_can_be_asked(models, store, fold_files, tmp_path):
    """Also of classes that were left out, and of people without a class."""
    left_out = list(store.categories[:2])
    folds = models(left_out=left_out, loss="evidential-softplus")
    calibrate_folds(folds, unlabelled=fold_files[0], step=24, per_class=4)
    table = read_table(tmp_path / "results" / "video" / "mine" / "fold0" / "calibration.csv")
    assert list(table["measure"]) == [
        "calibration error", "left-out classes", *CORRUPTIONS, "unlabelled",
    ]  # fmt: skip
    assert table["value"].between(0, 1).all()
    counts = table.set_index("measure")["segments"]
    assert counts["left-out classes"] > 0
    assert counts["noise"] <= 4 * (len(store.categories) - 2)
    asked = study(tmp_path / "results", calibration=["mine"], protocols=["video"])
    write_calibration(asked, tmp_path / "calibration.csv")
    assert "| left-out classes" in (tmp_path / "calibration.md").read_text()
    # One training has no interval.
    assert calibration_table(asked)["low"].isna().all()


def measured(results, **values):
    """A study of runs whose folds were measured: run=measure -> a value a fold."""
    for run, of_run in values.items():
        for fold, of_fold in enumerate(zip(*of_run.values(), strict=True)):
            folder = results / "video" / run / f"fold{fold}"
            folder.mkdir(parents=True)
            table = pd.DataFrame({"measure": of_run.keys(), "value": of_fold, "segments": 9})
            table.to_csv(folder / "calibration.csv", index=False)
    return study(results, folds=3, calibration=list(values), protocols=["video"])


def test_a_difference_is_above_0_where_the_run_is_better(tmp_path):
    asked = measured(
        tmp_path,
        mine={"calibration error": [0.1, 0.2, 0.3], "noise": [0.6, 0.7, 0.4]},
        other={"calibration error": [0.3, 0.2, 0.2], "noise": [0.5, 0.5, 0.5]},
    )
    assert better_by(asked, "mine", "other", "noise") == pytest.approx([0.1, 0.2, -0.1])
    assert better_by(asked, "mine", "chance", "noise") == pytest.approx([0.1, 0.2, -0.1])
    # The lower error is the better one.
    assert better_by(asked, "mine", "other", "calibration error") == pytest.approx([0.2, 0.0, -0.1])


def test_only_folds_where_both_were_measured_are_compared(tmp_path):
    """A fold may test no segment of a class that was left out."""
    asked = measured(
        tmp_path, mine={"noise": [0.6, float("nan"), 0.4]}, other={"noise": [0.5, 0.5, 0.5]}
    )
    assert better_by(asked, "mine", "other", "noise") == pytest.approx([0.1, -0.1])
    assert not len(better_by(asked, "mine", "chance", "unlabelled"))
