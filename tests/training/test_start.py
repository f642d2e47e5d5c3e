"""Trainings that begin with the weights of others, and those as long as others."""

import json

import pytest
import torch

from bptubeformer.errors import InputError
from bptubeformer.models import build_model
from bptubeformer.models.files import TrainedModel, load_model, save_model
from bptubeformer.settings import TrainingSettings
from bptubeformer.training.job import train_fold, train_folds
from bptubeformer.training.record import read_history
from bptubeformer.training.start import start_from

FRAMES = {"model": "bptubeformer", "segment_length": 12, "kernel": [1, "part", "part"],
          "stride": [3, "part", "part"], "token_width": 8, "depth": 1}  # fmt: skip
TUBELETS = {**FRAMES, "kernel": [3, "part", "part"]}


def saved(run, folder):
    torch.manual_seed(0)
    model = build_model(run, 3)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder / "model.safetensors", TrainedModel(model, run, ["a", "b", "c"], "0" * 16))
    return model.eval()


def started(folder, filters, run=TUBELETS):
    torch.manual_seed(1)
    model = build_model(run, 3)
    start_from(model, folder, filters)
    return model.eval()


def test_inflated_filters_see_a_still_person_as_those_of_a_frame(tmp_path):
    frames = saved(FRAMES, tmp_path)
    still = (100 * torch.rand(4, 1, 34)).expand(-1, 12, -1)
    moving = 100 * torch.rand(4, 12, 34)
    tubelets = started(tmp_path, "inflated")
    torch.testing.assert_close(tubelets(still), frames(still), rtol=1e-4, atol=1e-4)
    # Of a moving one, they see the mean of the frames.
    means = moving.unflatten(1, (4, 3)).mean(dim=2).repeat_interleave(3, dim=1)
    torch.testing.assert_close(tubelets(moving), frames(means), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frame", range(3))
def test_central_filters_see_one_frame_of_each_tubelet(tmp_path, frame):
    frames = saved(FRAMES, tmp_path)
    moving = 100 * torch.rand(4, 12, 34)
    shown = moving[:, frame::3].repeat_interleave(3, dim=1)
    torch.testing.assert_close(
        started(tmp_path, f"frame-{frame}")(moving), frames(shown), rtol=1e-4, atol=1e-4
    )


def test_the_same_filters_are_the_same_model(tmp_path):
    tubelets = saved(TUBELETS, tmp_path)
    segments = 100 * torch.rand(4, 12, 34)
    assert torch.equal(started(tmp_path, "same")(segments), tubelets(segments))


@pytest.mark.parametrize(
    ("run", "filters", "words"),
    [
        (FRAMES, "frame-3", ["frame-3", "3 frames", "at most frame-2"]),
        (TUBELETS, "inflated", ["its kernel has 3 frames", "inflated needs a run whose"]),
        (FRAMES, "same", ["tubelet_embedding.convolution.weight", "start_from needs a run"]),
        ({**FRAMES, "depth": 2}, "inflated", ["blocks.1", "None", "but for the frames"]),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(tmp_path, run, filters, words):
    saved(run, tmp_path)
    with pytest.raises(InputError) as refused:
        start_from(build_model(TUBELETS, 3), tmp_path, filters)
    assert "\n" not in str(refused.value)
    assert all(word in str(refused.value) for word in words)


def test_a_training_begins_with_another_and_is_as_long_as_two(fold_files, tmp_path):
    store, split = fold_files
    run = {**TUBELETS, "segment_length": 24}
    first = {**FRAMES, "segment_length": 24}
    pattern = str(tmp_path / "{run}" / "fold{fold}")

    def train(name, run, **settings):
        train_folds(
            store, split.parent, run, tmp_path / name / "fold{fold}",
            TrainingSettings(batch_size=64, **settings), others=pattern,
        )  # fmt: skip
        return tmp_path / name / "fold0"

    train("frames", first, max_epochs=2)
    train("plain", run, max_epochs=3, early_stopping_patience=1)
    folder = train("begun", run, start_from="frames", filters="inflated",
                   epochs_of=["frames", "plain"], early_stopping_patience=1)  # fmt: skip
    epochs = sum(len(read_history(tmp_path / one / "fold0" / "history.csv"))
                 for one in ("frames", "plain"))  # fmt: skip
    assert len(read_history(folder / "history.csv")) == epochs
    record = json.loads((folder / "run.json").read_text())
    assert record["training"]["max_epochs"] == record["training"]["early_stopping_patience"]
    assert record["training"]["max_epochs"] == epochs
    begun = load_model(tmp_path / "frames" / "fold0" / "model.safetensors")
    assert record["fingerprints"]["start"] == begun.content
    assert load_model(folder / "model.safetensors").training["start_from"] == "frames"


def test_who_starts_from_another_must_say_where_it_is(fold_files, tmp_path):
    with pytest.raises(InputError, match="needs that of frames; give --others"):
        train_fold(*fold_files, {**TUBELETS, "segment_length": 24},
                   TrainingSettings(start_from="frames"), "cpu", 1, tmp_path / "fold0")  # fmt: skip


def test_classes_that_are_left_out_are_not_trained_or_validated_on(fold_files, store, tmp_path):
    run = {"model": "ttran", "segment_length": 24, "token_width": 8, "depth": 1}
    left_out = [store.categories[1]]
    train_fold(*fold_files, run, TrainingSettings(batch_size=64, max_epochs=1), "cpu", 1,
               tmp_path / "all")  # fmt: skip
    train_fold(*fold_files, run, TrainingSettings(batch_size=64, max_epochs=1, left_out=left_out),
               "cpu", 1, tmp_path / "some")  # fmt: skip
    counts = {}
    for name in ("all", "some"):
        counts[name] = json.loads((tmp_path / name / "run.json").read_text())["segments"]
    assert all(0 < counts["some"][part] < counts["all"][part] for part in ("train", "validation"))
    model = load_model(tmp_path / "some" / "model.safetensors").model
    assert model.head.out_features == len(store.categories)
    with pytest.raises(InputError, match="left_out has Nobody, which is not a class of the data"):
        train_fold(*fold_files, run, TrainingSettings(left_out=["Nobody"]), "cpu", 1,
                   tmp_path / "none")  # fmt: skip


def test_a_checkpoint_that_began_with_other_weights_is_not_used(fold_files, tmp_path, capsys):
    run = {**FRAMES, "segment_length": 24}
    others = tmp_path / "{run}" / "fold0"

    def train(name, **settings):
        settings = TrainingSettings(batch_size=64, max_epochs=1, **settings)
        train_fold(*fold_files, run, settings, "cpu", 1, tmp_path / name / "fold0", others=others,
                   final=name == "before")  # fmt: skip

    train("before")
    train("after", start_from="before")
    train("before", seed=1)
    capsys.readouterr()
    train("after", start_from="before")
    assert "not used" in capsys.readouterr().out
    record = json.loads((tmp_path / "after" / "fold0" / "run.json").read_text())
    assert record["resumed_after_epochs"] == []
    before = load_model(tmp_path / "before" / "fold0" / "model.safetensors")
    assert record["fingerprints"]["start"] == before.content
