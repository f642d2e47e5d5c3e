"""An interrupted training goes on where it stopped, to the bit, or says why not."""

import json
import os
import random
import re
import signal
import threading
import time

import pandas as pd
import pytest
import torch

from bptubeformer.errors import InputError
from bptubeformer.settings import TrainingSettings
from bptubeformer.training.checkpoint import FILE, Checkpoint
from bptubeformer.training.job import train_fold

RUN = {"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1}
EPOCHS = 24
SETTINGS = {"batch_size": 64, "max_epochs": EPOCHS, "early_stopping_patience": EPOCHS,
            "plateau_patience": 0, "learning_rate": 0.003, "warmup_epochs": 5}  # fmt: skip
AN_EPOCH = "training loss"
"""Printed at the end of each epoch."""
SAME = ["epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate", "best"]


@pytest.fixture(scope="module")
def train(killable, fold_files, tmp_path_factory):
    """Train a fold into a folder, in a process of its own that can be killed."""
    store, split = fold_files
    folder = tmp_path_factory.mktemp("commands") / "work"
    folder.mkdir()
    commands = killable(folder)

    def run(output, checkpoint_seconds=0, **settings):
        return commands(
            "train", "--store", store, "--splits", split.parent, "--run", json.dumps(RUN),
            "--training", json.dumps(SETTINGS), "--device", "cpu", "--output", output,
            "--checkpoint-seconds", checkpoint_seconds, **settings,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def undisturbed(train, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "fold0"
    train(output)
    return output


@pytest.fixture(scope="module")
def seconds(undisturbed):
    """Seconds until the first epoch, and of all epochs, on this machine, as busy as it is."""
    every = json.loads((undisturbed / "run.json").read_text())["seconds"]
    epochs = pd.read_csv(undisturbed / "history.csv")["seconds"].sum()
    return every - epochs, epochs


def same(output, undisturbed):
    name = "model.safetensors"
    assert (output / name).read_bytes() == (undisturbed / name).read_bytes()
    histories = [pd.read_csv(folder / "history.csv")[SAME] for folder in (output, undisturbed)]
    assert histories[0].equals(histories[1])
    assert {path.name for path in output.iterdir()} == {name, "history.csv", "run.json"}


def epochs(printed):
    """Epochs that a process trained, and the one that it went on after."""
    found = re.search(rf"going on after epoch (\d+), from {FILE}", printed)
    return list(map(int, re.findall(r"epoch (\d+)/", printed))), int(found[1]) if found else 0


def test_killed_twenty_times_it_loses_no_epoch_but_the_one_that_ran(
    train, undisturbed, seconds, tmp_path
):
    """At random moments; it ends with the bytes of an undisturbed training all the same.

    About half of the moments are counted from the end of an epoch, so that some trainings
    are resumed however slow the start is.
    """
    moments, kills, resumed, number = random.Random(0), 0, 0, 0
    latest = {"": seconds[0] + seconds[1] / 3, AN_EPOCH: seconds[1] / 4}
    while kills < 20 or resumed < 5:
        number += 1
        output, kept, status = tmp_path / f"fold{number}", 0, None
        while status != 0:
            going, once = kills < 20 or resumed < 5, moments.choice(list(latest))
            moment = moments.uniform(0, latest[once]) if going else None
            answer = train(output, kill_after=moment, once=once)
            status = answer["status"]
            trained, after = epochs(answer["printed"])
            if after or trained:  # not killed before it looked
                # Whatever was printed stands; the one that ran may stand, too.
                assert kept <= after <= kept + 1
                assert trained == list(range(after + 1, after + 1 + len(trained)))
            kept = max([kept, after, *trained])
            resumed += after > 0
            kills += status != 0
            assert status == 0 or not (output / "run.json").exists() or kept == EPOCHS
        record = json.loads((output / "run.json").read_text())
        assert record["resumed_after_epochs"][-1:] == ([after] if after else [])
        assert record["seconds"] > pd.read_csv(output / "history.csv")["seconds"].sum()
        assert kept == EPOCHS
        same(output, undisturbed)


def test_told_to_stop_it_loses_only_the_epoch_that_ran_whatever_the_interval(
    train, undisturbed, seconds, tmp_path
):
    """SIGTERM at random moments, each after an epoch; the interval is 30 s."""
    moments, output, stops, kept, status = random.Random(1), tmp_path / "fold0", 0, 0, None
    while status != 0:
        moment = moments.uniform(0, seconds[1] / 8) if stops < 5 else None
        answer = train(output, 30, kill_after=moment, once=AN_EPOCH, kill_signal=signal.SIGTERM)
        status = answer["status"]
        trained, after = epochs(answer["printed"])
        assert kept <= after <= kept + 1 or not trained
        kept = max([kept, after, *trained])
        stops += status != 0
    assert stops > 1
    same(output, undisturbed)


def test_killed_it_loses_no_more_than_the_interval(train, undisturbed, seconds, tmp_path):
    """Killed within 30 s nothing is kept; the outcome is that of an undisturbed training."""
    output = tmp_path / "fold0"
    train(output, 10_000, kill_after=seconds[0] + seconds[1] / 2)
    assert not (output / FILE).exists()
    answer = train(output, 10_000)
    assert epochs(answer["printed"])[1] == 0
    same(output, undisturbed)


def test_an_epoch_is_written_when_the_interval_is_over(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    checkpoint, weights = Checkpoint(tmp_path / FILE, seconds=30), torch.zeros(2)
    kept = []
    for epoch, second in enumerate([10, 29, 31, 40, 60, 62], start=1):
        now[0] = 100.0 + second
        weights.fill_(epoch)
        checkpoint.keep({"a": weights}, {"history": [epoch]})
        loaded = checkpoint.load()
        kept.append(loaded and loaded[1]["history"][0])
    assert kept == [None, None, 3, 3, 3, 6]
    weights.fill_(-1)  # what was taken is a copy
    now[0] += 1
    checkpoint.keep({"a": torch.full((2,), 7.0)}, {"history": [7]})
    with pytest.raises(ZeroDivisionError), checkpoint.written_at_the_end():
        raise ZeroDivisionError
    tensors, state = checkpoint.load()
    assert (state["history"], tensors["a"].tolist()) == ([7], [7.0, 7.0])


def test_a_signal_to_stop_writes_the_last_epoch_and_ends_with_its_number(tmp_path):
    checkpoint = Checkpoint(tmp_path / FILE, seconds=30)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, checkpoint.written_at_the_end():
        checkpoint.keep({"a": torch.ones(2)}, {"history": [1]})
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert ended.value.code == 128 + signal.SIGTERM
    assert checkpoint.load()[1]["history"] == [1]
    assert signal.getsignal(signal.SIGTERM) == before


def test_told_to_stop_while_it_writes_its_outputs_it_loses_no_epoch(
    fold_files, tmp_path, monkeypatch
):
    from bptubeformer.training import job

    monkeypatch.setattr(job, "save_model", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    settings = TrainingSettings(**(SETTINGS | {"max_epochs": 2}))
    with pytest.raises(SystemExit):
        train_fold(
            *fold_files, RUN, settings, "cpu", 1, tmp_path / "fold0", checkpoint_seconds=10_000
        )
    monkeypatch.undo()
    train_fold(*fold_files, RUN, settings, "cpu", 1, tmp_path / "fold0")
    record = json.loads((tmp_path / "fold0" / "run.json").read_text())
    assert record["resumed_after_epochs"] == [2]


def test_where_the_last_epoch_cannot_be_written_the_first_error_stays(tmp_path):
    """Also in a thread, which no signal reaches."""
    lines = []
    checkpoint = Checkpoint(tmp_path / "missing" / FILE, lines.append, seconds=30)

    def stop_early():
        with pytest.raises(ZeroDivisionError), checkpoint.written_at_the_end():
            checkpoint.keep({"a": torch.ones(2)}, {"history": [1]})
            (tmp_path / "missing").write_text("a file in place of the folder")
            raise ZeroDivisionError

    thread = threading.Thread(target=stop_early)
    thread.start()
    thread.join()
    assert len(lines) == 1
    assert lines[0].startswith(f"{FILE} cannot be written: ")


@pytest.fixture
def interrupted(fold_files, tmp_path, monkeypatch):
    """A fold whose training stopped in its third epoch, with a loss that is not finite."""
    from bptubeformer.training import loop

    real, calls = loop.train_epoch, []

    def broken(step, order, begin):
        losses, sizes = real(step, order, begin)
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
    checkpoint.keep(tensors, state)
    loaded = checkpoint.load()
    assert torch.equal(loaded[0]["a"], tensors["a"])
    assert loaded[1] == state
    checkpoint.remove()
    assert checkpoint.load() is None


def test_a_full_disk_leaves_the_last_good_checkpoint(fold_files, undisturbed, small_disk):
    """Room for the checkpoint of the first epoch, not for one to be written beside it."""
    disk = small_disk(16)
    output, held = disk / "fold0", disk / "held"
    settings = TrainingSettings(**SETTINGS)
    real = Checkpoint.keep

    def then_full(self, tensors, state):
        real(self, tensors, state)
        if len(state["history"]) == 2 and not held.exists():
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            held.write_bytes(b"x" * (free - 8192))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "keep", then_full)
        with pytest.raises(InputError, match=rf"{FILE}: the disk is full; make room"):
            train_fold(*fold_files, RUN, settings, "cpu", 1, output)
    assert {path.name for path in output.iterdir()} == {FILE}
    held.unlink()
    train_fold(*fold_files, RUN, settings, "cpu", 1, output)
    same(output, undisturbed)


@pytest.mark.parametrize("where", ["optimiser", "best", "generator"])
def test_a_bit_that_changed_in_a_checkpoint_is_found_out(interrupted, fold_files, capsys, where):
    path = interrupted / FILE
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    name = next(name for name in header if name.startswith(where))
    content[8 + length + header[name]["data_offsets"][0]] ^= 0x40
    path.write_bytes(content)
    train_fold(*fold_files, RUN, TrainingSettings(**SETTINGS), "cpu", 1, interrupted)
    assert f"{FILE} cannot be read (its content is not what was written)" in capsys.readouterr().out
