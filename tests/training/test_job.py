import json

import pandas as pd
import pytest

from bptubeformer.errors import InputError
from bptubeformer.fingerprint import stage_fingerprint
from bptubeformer.locks import LOCK, alone_in
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.files import load_model
from bptubeformer.reading import read_record
from bptubeformer.settings import TrainingSettings
from bptubeformer.training import loop
from bptubeformer.training.device import processor
from bptubeformer.training.job import train_fold, train_folds
from bptubeformer.training.record import TrainingRecord

RUN = {"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1}
SETTINGS = TrainingSettings(batch_size=16, max_epochs=2, seed=3)


@pytest.fixture
def trained(fold_files, tmp_path):
    store_file, split_file = fold_files
    output = tmp_path / "video" / "mine" / "fold0"
    train_fold(store_file, split_file, RUN, SETTINGS, "cpu", 1, output)
    return output


def test_a_fold_has_its_files(trained, store):
    assert {path.name for path in trained.iterdir()} == {
        "model.safetensors",
        "history.csv",
        "run.json",
    }
    loaded = load_model(trained / "model.safetensors")
    assert (loaded.run, tuple(loaded.categories)) == (RUN, store.categories)
    assert loaded.data == store.fingerprint
    history = pd.read_csv(trained / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["best"].any()


def test_a_run_records_what_it_was(trained, store):
    record = json.loads((trained / "run.json").read_text())
    assert record["run"] == RUN
    assert record["training"]["seed"] == 3
    assert record["training"]["max_epochs"] == 2
    model = load_model(trained / "model.safetensors")
    assert record["fingerprints"] == {
        "data": store.fingerprint,
        "code": stage_fingerprint("bptubeformer.training.job", "bptubeformer"),
        "split": model.split,
        "model": model.content,
    }
    assert model.training == record["training"]
    assert read_record(trained / "run.json", TrainingRecord) == record
    assert record["versions"]["torch"].startswith("2.13.0")
    assert record["device"] == processor()
    assert record["best_epoch"] <= record["epochs"] == 2
    assert record["training"]["batch_size"] == record["micro_batch"] == 16
    assert record["cuda_graphs"] is False
    assert record["seconds"] > record["seconds_before_first_epoch"] > 0
    assert record["peak_memory_mb"]["host"] > 0


def test_an_epoch_is_a_line(capsys, trained):
    lines = capsys.readouterr().out.splitlines()
    epochs = [line for line in lines if line.startswith("video/mine/fold0: epoch")]
    assert len(epochs) == 2
    assert "epoch 2/2" in epochs[1]
    assert "validation loss" in epochs[1]


def test_the_same_job_gives_the_same_bytes(trained, fold_files, tmp_path):
    again = tmp_path / "again"
    train_fold(*fold_files, RUN, SETTINGS, "cpu", 1, again)
    name = "model.safetensors"
    assert (again / name).read_bytes() == (trained / name).read_bytes()


def short_of_memory_above(most, monkeypatch):
    """Let a forward pass in training fail for more segments than ``most``."""
    real = Classifier.forward

    def forward(self, segments):
        if self.training and len(segments) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return real(self, segments)

    monkeypatch.setattr(Classifier, "forward", forward)


def test_where_memory_is_short_batch_normalisation_takes_no_smaller_batch(
    fold_files, tmp_path, monkeypatch
):
    run = {"model": "stgcn", "segment_length": RUN["segment_length"], "width": 8}
    short_of_memory_above(110, monkeypatch)
    with pytest.raises(InputError, match="too little memory to train on 200 segments at a time"):
        train_fold(*fold_files, run, TrainingSettings(batch_size=200), "cpu", 1, tmp_path / "short")


def test_where_memory_is_short_the_batch_stays_and_the_micro_batch_is_recorded(
    fold_files, tmp_path, monkeypatch, capsys
):
    settings = TrainingSettings(batch_size=200, max_epochs=1)
    short_of_memory_above(110, monkeypatch)
    train_fold(*fold_files, RUN, settings, "cpu", 1, tmp_path / "short")
    record = json.loads((tmp_path / "short" / "run.json").read_text())
    assert (record["training"]["batch_size"], record["micro_batch"]) == (200, 100)
    said = capsys.readouterr().out
    assert (
        "short: too little memory for 200 segments at a time: going on with micro-batches" in said
    )


@pytest.mark.slow
def test_a_training_in_smaller_micro_batches_goes_on_in_them(fold_files, tmp_path, monkeypatch):
    """Memory is short in the first epoch; killed in the fourth; then there is enough."""
    settings = TrainingSettings(batch_size=200, max_epochs=5, early_stopping_patience=5)
    real, epochs = loop.train_epoch, []

    def epoch(step, order, begin):
        epochs.append(step.micro_batch)
        if len(epochs) == kill_at:
            raise KeyboardInterrupt
        return real(step, order, begin)

    monkeypatch.setattr(loop, "train_epoch", epoch)
    kill_at = None
    with monkeypatch.context() as short:
        short_of_memory_above(110, short)
        train_fold(*fold_files, RUN, settings, "cpu", 1, tmp_path / "undisturbed")
    assert epochs == [200, 100, 100, 100, 100]
    epochs.clear()
    kill_at = 4
    with monkeypatch.context() as short, pytest.raises(KeyboardInterrupt):
        short_of_memory_above(110, short)
        train_fold(*fold_files, RUN, settings, "cpu", 1, tmp_path / "killed")
    kill_at = None
    train_fold(*fold_files, RUN, settings, "cpu", 1, tmp_path / "killed")
    assert epochs == [200, 100, 100, 100, 100, 100]
    record = json.loads((tmp_path / "killed" / "run.json").read_text())
    assert (record["micro_batch"], record["resumed_after_epochs"]) == (100, [3])
    name = "model.safetensors"
    mine, undisturbed = (tmp_path / folder / name for folder in ("killed", "undisturbed"))
    assert mine.read_bytes() == undisturbed.read_bytes()


def test_a_job_of_several_folds_that_is_interrupted_keeps_those_that_ended(
    fold_files, tmp_path, capsys
):
    """Snakemake removes what a failed job wrote, also of the folds that had ended."""
    store, split = fold_files
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
        (folder / "fold0.parquet").write_bytes(split.read_bytes())
    (whole / "fold1.parquet").write_bytes(split.read_bytes())
    places = {name: tmp_path / name / "run" / "fold{fold}" for name in ("undisturbed", "failed")}
    scalars = tmp_path / "tensorboard" / "fold{fold}"
    train_folds(store, whole, RUN, places["undisturbed"], SETTINGS, [0, 1])
    with pytest.raises(InputError, match="fold1"):
        train_folds(store, cut, RUN, places["failed"], SETTINGS, [0, 1])
    first = tmp_path / "failed" / "run" / "fold0"
    for name in ("model.safetensors", "history.csv", "run.json"):
        (first / name).unlink()
    capsys.readouterr()
    train_folds(
        store, whole, RUN, places["failed"], SETTINGS, [0, 1], tensorboard=scalars
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "fold0: going on after epoch 2" in printed
    assert "fold0: epoch" not in printed
    assert "fold1: epoch 1/2" in printed
    for fold in range(2):
        models = [tmp_path / name / "run" / f"fold{fold}" / "model.safetensors" for name in places]
        assert models[0].read_bytes() == models[1].read_bytes()
        assert len(list((tmp_path / "tensorboard" / f"fold{fold}").iterdir())) == 1
    assert not list(tmp_path.rglob("checkpoint*"))


def test_two_processes_never_train_one_fold(fold_files, tmp_path):
    with (
        alone_in(tmp_path, "trains this fold"),
        pytest.raises(InputError, match="another process trains this f"),
    ):
        train_fold(*fold_files, RUN, SETTINGS, "cpu", 1, tmp_path)
    train_fold(*fold_files, RUN, SETTINGS, "cpu", 1, tmp_path)
    assert LOCK not in {path.name for path in tmp_path.iterdir()}


def test_a_precision_that_is_not_there_is_refused_before_anything_is_written(fold_files, tmp_path):
    settings = TrainingSettings(precision="tf32")
    with pytest.raises(InputError, match="precision: tf32 needs a GPU"):
        train_fold(*fold_files, RUN, settings, "cpu", 1, tmp_path / "none")
    assert not (tmp_path / "none").exists()
