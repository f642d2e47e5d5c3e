import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from bptubeformer.data.splits import Split
from bptubeformer.errors import InputError
from bptubeformer.evaluation.attend import attend_segment
from bptubeformer.evaluation.embed import embed_fold
from bptubeformer.evaluation.inspection import Embeddings, SegmentAttention
from bptubeformer.evaluation.predict import predict_fold, predict_folds
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.evaluation.trained import TrainedFold, TrainedFolds
from bptubeformer.models import build_model
from bptubeformer.models.files import TrainedModel, save_model
from fakes import FINGERPRINT

RUN = {"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1}


@pytest.fixture
def model_file(store, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "model.safetensors"
    model = build_model(RUN, len(store.categories))
    save_model(path, TrainedModel(model, RUN, list(store.categories), store.fingerprint))
    return path


@pytest.fixture
def fold(fold_files, model_file):
    return TrainedFold.open(*fold_files, model_file, RUN, "cpu", 1)


def test_every_test_segment_of_the_fold_is_predicted(fold, fold_files, store, tmp_path):
    predict_fold(fold, "fp32", tmp_path / "predictions.parquet")
    starts, trajectory = Split.load(fold_files[1]).windows("test")
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert table["window_start"].tolist() == starts.tolist()
    assert table["trajectory"].tolist() == trajectory.tolist()
    shown = Predictions.load(tmp_path / "predictions.parquet")
    assert shown.labels.tolist() == store.labels[trajectory].tolist()
    assert shown.categories == store.categories
    segment = torch.tensor(store.frames[starts[5] : starts[5] + 24])
    with torch.no_grad():
        expected = fold.model.eval()(segment[None])[0].numpy()
    np.testing.assert_allclose(shown.logits[5], expected, rtol=1e-4, atol=1e-4)


def test_who_has_not_learned_is_told_what_to_look_at(fold_files, model_file, tmp_path, capsys):
    (tmp_path / "fold0").mkdir()
    model_file.rename(tmp_path / "fold0" / model_file.name)
    models = TrainedFolds(fold_files[0], fold_files[1].parent, tmp_path / "fold{fold}", RUN)
    predict_folds(models)
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("has not learned: balanced accuracy ")
    assert "chance: 7.7 %; look at" in last


def test_folds_that_differ_widely_are_named(fold_files, model_file, tmp_path, capsys, monkeypatch):
    tested = iter([0.9, 0.3])
    monkeypatch.setattr(
        "bptubeformer.evaluation.predict.predict_fold",
        lambda *arguments: {
            "balanced_accuracy": next(tested), "classes": 13, "predicted_classes": 13,
        },
    )  # fmt: skip
    for number in range(2):
        (tmp_path / f"fold{number}").mkdir()
        (tmp_path / f"fold{number}" / model_file.name).write_bytes(model_file.read_bytes())
        shutil.copy(fold_files[1], tmp_path / f"fold{number}.parquet")
    predict_folds(TrainedFolds(fold_files[0], tmp_path, tmp_path / "fold{fold}", RUN, [0, 1]))
    assert capsys.readouterr().out == (
        "folds differ widely: balanced accuracy 90.0 %, 30.0 %; chance: 7.7 %\n"
    )


def test_a_few_segments_of_each_class_are_embedded(fold, tmp_path):
    embed_fold(fold, 2, 0, tmp_path / "embeddings.safetensors")
    embeddings = Embeddings.load(tmp_path / "embeddings.safetensors")
    assert embeddings.embedding.shape == (len(embeddings.label), 96)
    assert np.bincount(embeddings.label).max() == 2
    assert set(embeddings.label) == set(fold.labels)


def test_attention_is_that_of_a_test_segment(fold, fold_files, model_file, store, tmp_path):
    predict_fold(fold, "fp32", tmp_path / "predictions.parquet")
    attend_segment(
        fold_files[0], model_file, tmp_path / "predictions.parquet",
        tmp_path / "attention.safetensors", RUN, "Abuse",
    )  # fmt: skip
    shown = SegmentAttention.load(tmp_path / "attention.safetensors")
    assert shown.text["category"] == "Abuse"
    assert shown.text["predicted"] in store.categories
    assert any(np.array_equal(store.frames[s : s + 24], shown.segment) for s in fold.starts)
    assert shown.attention["body parts"].shape == (8, 6, 6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"categories": ["walk", "jump"]}, "trained for the classes walk, jump, but the data has"),
        ({"data": FINGERPRINT}, r"trained on other data \(0123456789abcdef\) than this store"),
        ({"run": {**RUN, "heads": 4}}, "a model of another run: it is .*'heads': 4"),
    ],
)
def test_a_model_of_other_classes_data_or_run_is_refused(
    fold_files, store, tmp_path, change, words
):
    path = tmp_path / "other.safetensors"
    own = {"run": RUN, "categories": list(store.categories), "data": store.fingerprint, **change}
    save_model(path, TrainedModel(build_model(own["run"], len(own["categories"])), **own))
    with pytest.raises(InputError, match=words):
        TrainedFold.open(*fold_files, path, RUN, "cpu", 1)
