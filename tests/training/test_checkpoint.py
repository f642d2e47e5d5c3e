"""An interrupted training goes on where it stopped, to the bit, or says why not."""

import json
import random
import re
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from bptubeformer.errors import InputError
from bptubeformer.training.checkpoint import FILE, Checkpoint
from bptubeformer.training.job import train_fold
from bptubeformer.training.loop import TrainingSettings
from conftest import REPOSITORY

RUN = {"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1}
SETTINGS = {"batch_size": 16, "max_epochs": 30, "early_stopping_patience": 30,
            "plateau_patience": 0, "learning_rate": 0.003}  # fmt: skip
SAME = ["epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate", "best"]


def start(fold_files, output, run=RUN, settings=SETTINGS):
    store, split = map(str, fold_files)
    return subprocess.Popen(
        [sys.executable, "src", "train", "--store", store, "--split", split, "--run",
         json.dumps(run), "--training", json.dumps(settings), "--device", "cpu", "--output",
         str(output)], cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish(*arguments, **settings):
    with start(*arguments, **settings) as process:
        shown = process.stdout.read()
    assert process.returncode == 0, shown
    return shown


@pytest.fixture(scope="module")
def undisturbed(fold_files, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "fold0"
    finish(fold_files, output)
    return output


def same(output, undisturbed):
    name = "model.safetensors"
    assert (output / name).read_bytes() == (undisturbed / name).read_bytes()
    histories = [pd.read_csv(folder / "history.csv")[SAME] for folder in (output, undisturbed)]
    assert histories[0].equals(histories[1])
    assert {path.name for path in output.iterdir()} == {name, "history.csv", "run.json"}


def kill(process, epoch, seconds=0.0):
    """Kill a training so long after it printed an epoch."""
    for line in process.stdout:
        if f"epoch {epoch}/" in line:
            time.sleep(seconds)
            process.kill()
            break


def test_killed_again_and_again_it_ends_with_the_same_bytes(fold_files, undisturbed, tmp_path):
    """At random moments; each time no more than the epoch that ran is lost."""
    moments, output, last = random.Random(0), tmp_path / "fold0", 0
    for epoch in (1, 12):
        with start(fold_files, output) as process:
            kill(process, epoch, 0.2 * moments.random())
        assert (output / FILE).exists()
        assert not (output / "run.json").exists()
        last = epoch
    (output / f".partial-1-{FILE}").mkdir()  # as if it had been killed while it wrote
    shown = finish(fold_files, output)
    (began,) = re.findall(rf"going on after epoch (\d+), from {FILE}", shown)
    assert last <= int(began) < 30
    assert f"epoch {last}/" not in shown
    same(output, undisturbed)


def test_killed_at_its_end_it_trains_no_more(fold_files, undisturbed, tmp_path):
    output = tmp_path / "fold0"
    with start(fold_files, output) as process:
        kill(process, 30)
    finished = (output / "run.json").exists()  # before the signal came
    shown = finish(fold_files, output)
    assert finished or "epoch 30/" not in shown
    same(output, undisturbed)


@pytest.fixture
def interrupted(fold_files, tmp_path, monkeypatch):
    """A fold whose training stopped in its third epoch, with a loss that is not finite."""
    from bptubeformer.training import loop

    real, calls = loop.train_epoch, []

    def broken(step, order):
        losses, sizes = real(step, order)
        calls.append(1)
        if len(calls) == 3:
            losses[1] = float("nan")
        return losses, sizes

    monkeypatch.setattr(loop, "train_epoch", broken)
    with pytest.raises(InputError, match=r"epoch 3, batch 2 of \d+: the training loss is not fin"):
        train_fold(*fold_files, RUN, TrainingSettings(**SETTINGS), "cpu", 1, tmp_path / "fold0")
    monkeypatch.undo()
    return tmp_path / "fold0"


def test_a_loss_that_is_not_finite_leaves_the_epoch_before(
    interrupted, fold_files, undisturbed, capsys
):
    assert {path.name for path in interrupted.iterdir()} == {FILE}
    train_fold(*fold_files, RUN, TrainingSettings(**SETTINGS), "cpu", 1, interrupted)
    assert "going on after epoch 2" in capsys.readouterr().out
    same(interrupted, undisturbed)


@pytest.mark.parametrize(
    ("run", "settings"),
    [({**RUN, "dropout": 0.2}, SETTINGS), (RUN, {**SETTINGS, "seed": 1}),
     (RUN, {**SETTINGS, "learning_rate": 0.001})],
)  # fmt: skip
def test_a_checkpoint_of_another_training_is_not_used(
    interrupted, fold_files, capsys, run, settings
):
    settings = TrainingSettings(**{**settings, "max_epochs": 1})
    train_fold(*fold_files, run, settings, "cpu", 1, interrupted)
    shown = capsys.readouterr().out
    assert f"{FILE} is of another configuration, data or code: not used" in shown
    assert "epoch 1/1" in shown


def test_a_broken_checkpoint_is_not_used(interrupted, fold_files, capsys):
    content = (interrupted / FILE).read_bytes()
    for broken in (b"", content[: len(content) // 2], b"x" * 100):
        (interrupted / FILE).write_bytes(broken)
        settings = TrainingSettings(**{**SETTINGS, "max_epochs": 1})
        train_fold(*fold_files, RUN, settings, "cpu", 1, interrupted)
        assert f"{FILE} cannot be read" in capsys.readouterr().out


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    checkpoint = Checkpoint(tmp_path / FILE)
    assert checkpoint.load() is None
    tensors, state = {"a": torch.rand(3).double()}, {"history": [], "lowest": float("inf")}
    checkpoint.save(tensors, state)
    loaded = checkpoint.load()
    assert torch.equal(loaded[0]["a"], tensors["a"])
    assert loaded[1] == state
    checkpoint.remove()
    assert checkpoint.load() is None
