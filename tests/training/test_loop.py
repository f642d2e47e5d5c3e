import copy
import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bptubeformer.data.segments import Segments
from bptubeformer.errors import InputError
from bptubeformer.models import build_model
from bptubeformer.models.classifier import Classifier
from bptubeformer.settings import TrainingSettings
from bptubeformer.training.forward import predict
from bptubeformer.training.loop import make_optimiser, rates_of, seed_everything, train
from bptubeformer.training.optimiser import Adam
from conftest import REPOSITORY
from fakes import segments_of

RUN = {"model": "bptubeformer", "segment_length": 6, "token_width": 8, "depth": 1}


def trained(settings: TrainingSettings, seed: int = 0):
    seed_everything(seed)
    model = build_model(RUN, 2)
    return model, train(model, segments_of(1), segments_of(2), settings)


def test_it_learns_what_can_be_learned():
    _, training = trained(TrainingSettings(batch_size=10, max_epochs=6))
    assert training.best.validation_accuracy > 0.9
    assert training.history[0].train_loss > training.history[-1].train_loss


def test_the_same_seed_gives_the_same_training_to_the_bit():
    settings = TrainingSettings(batch_size=16, max_epochs=2)
    (_, one), (_, two), (_, other) = trained(settings), trained(settings), trained(settings, 1)
    for name, value in one.weights.items():
        assert torch.equal(value, two.weights[name]), name
    assert [e.train_loss for e in one.history] == [e.train_loss for e in two.history]
    assert one.history[0].train_loss != other.history[0].train_loss


def test_it_is_the_plain_loop():
    """Adam and cross-entropy over shuffled batches, the last one smaller; nothing else."""
    settings = TrainingSettings(batch_size=25, max_epochs=3)
    seed_everything(0)
    model = build_model({**RUN, "dropout": 0.0}, 2)
    plain, segments = copy.deepcopy(model), segments_of(1)
    training = train(model, segments, segments_of(2), settings)
    optimiser = torch.optim.Adam(plain.parameters(), lr=0.001, betas=(0.9, 0.98), eps=1e-9)
    order = torch.Generator().manual_seed(0)
    for epoch in training.history:
        total = 0.0
        for index in torch.randperm(60, generator=order).split(25):
            batch, labels = segments[index]
            loss = F.cross_entropy(plain(batch), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(index)
        assert epoch.train_loss == pytest.approx(total / 60, rel=1e-4)


class Scripted(Classifier):
    """A model whose validation loss follows a script, whatever the training does."""

    def __init__(self, losses: list[float]):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("epoch", torch.zeros(()))
        self.losses = losses

    def forward(self, segments):
        if self.training:
            return torch.zeros(len(segments), 2) + self.weight
        self.epoch += 1
        # Cross-entropy of (margin, 0) for class 0 is log(1 + exp(-margin)).
        loss = torch.tensor(self.losses[int(self.epoch) - 1], dtype=torch.float64)
        margin = -torch.log(torch.expm1(loss)).float()
        return torch.stack([margin, torch.zeros(())]).expand(len(segments), 2)


NO_COMPILER = """
import sys
sys.path[:0] = ["src", "tests/training"]
from bptubeformer.settings import TrainingSettings
from test_loop import trained
trained(TrainingSettings(batch_size=16, max_epochs=2))
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
def test_a_training_does_not_import_the_compiler_of_torch():
    """It took half of the time from the start of a process to its first step."""
    done = subprocess.run(
        [sys.executable, "-c", NO_COMPILER], cwd=REPOSITORY, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"tests{os.pathsep}envs"},
    )  # fmt: skip
    assert done.stdout == "False\n", done.stderr


def test_the_optimiser_is_that_of_torch_to_the_bit():
    own, other = (torch.nn.Linear(5, 3) for _ in range(2))
    other.load_state_dict(own.state_dict())
    settings = TrainingSettings(learning_rate=0.01)
    optimisers = [
        make_optimiser(own, settings),
        torch.optim.Adam(other.parameters(), lr=0.01, betas=(0.9, 0.98), eps=1e-9, fused=True),
    ]
    for _ in range(20):
        inputs = torch.rand(7, 5)
        for model, optimiser in zip((own, other), optimisers, strict=True):
            optimiser.zero_grad()
            model(inputs).square().sum().backward()
            optimiser.step()
    assert all(map(torch.equal, own.parameters(), other.parameters()))


def scripted(losses: list[float], **settings):
    data = Segments(torch.zeros(4, 34), torch.arange(4), torch.zeros(4, dtype=torch.long), 1)
    return train(
        Scripted(losses), data, data, TrainingSettings(**{"max_epochs": len(losses), **settings})
    )


def test_it_stops_after_three_epochs_without_a_lower_validation_loss():
    training = scripted([0.9, 0.7, 0.8, 0.6, 0.7, 0.6, 0.65, 0.1, 0.1])
    assert len(training.history) == 7
    assert training.best.epoch == 4
    assert training.weights["epoch"] == 4
    assert [e.epoch for e in training.history if e.best] == [1, 2, 4]


def test_it_ends_with_the_last_epoch():
    assert len(scripted([0.9, 0.8, 0.7], max_epochs=2).history) == 2


def test_the_learning_rate_falls_on_a_plateau():
    training = scripted([0.5] * 9, early_stopping_patience=9, plateau_patience=3)
    rates = [epoch.learning_rate for epoch in training.history]
    assert rates[:5] == [0.001] * 5
    assert rates[5] == pytest.approx(0.0001)


def test_the_learning_rate_rises_in_equal_steps_during_the_warm_up(monkeypatch):
    rates, take = [], Adam.step

    def step(self):
        rates.append(self.param_groups[0]["lr"])
        take(self)

    monkeypatch.setattr(Adam, "step", step)
    settings = TrainingSettings(batch_size=20, max_epochs=3, warmup_epochs=2)
    _, training = trained(settings)
    assert rates == pytest.approx([0.001 * min(step / 6, 1) for step in range(1, 10)])
    found = [epoch.learning_rate for epoch in training.history]
    assert found == [0.0005, 0.001, 0.001]
    assert found == rates_of([epoch.validation_loss for epoch in training.history], settings)


def test_the_warm_up_ends_at_the_rate_of_the_schedule():
    """A plateau that begins in the warm-up lowers the rate that it rises to."""
    losses = [0.5] * 7
    training = scripted(losses, early_stopping_patience=9, plateau_patience=1, warmup_epochs=4)
    rates = [epoch.learning_rate for epoch in training.history]
    assert rates == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-4, 1e-4, 1e-5, 1e-5])


def test_a_loss_that_is_not_finite_stops_the_training():
    with pytest.raises(InputError, match=r"epoch 2: the validation loss is not finite.*rate"):
        scripted([0.5, float("nan")])


def test_predictions_stand_in_the_order_of_the_segments():
    model, _ = trained(TrainingSettings(max_epochs=1))
    segments = segments_of(3)
    logits = predict(model, segments)
    assert logits.shape == (60, 2)
    alone = torch.cat([model(segments[slice(i, i + 1)][0]) for i in range(60)])
    torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-5)


def test_every_epoch_is_reported():
    seen = []
    seed_everything(0)
    train(build_model(RUN, 2), segments_of(1), segments_of(2), TrainingSettings(max_epochs=2),
          seen.append)  # fmt: skip
    assert [epoch.epoch for epoch in seen] == [1, 2]


@pytest.mark.parametrize(
    "setting",
    [{"batch_size": 0}, {"max_epochs": 0}, {"early_stopping_patience": 0}, {"learning_rate": 0},
     {"learning_rate": float("inf")}, {"epsilon": 0}, {"plateau_factor": 1}, {"betas": (0.9, 1)},
     {"plateau_patience": -1}, {"seed": 2**32}],
)  # fmt: skip
def test_settings_that_no_training_has_are_refused(setting):
    (name,) = setting
    with pytest.raises(InputError, match=f"{name} = .*: expected .*; see config.yaml"):
        TrainingSettings(**setting)


@pytest.mark.slow
def test_predictions_where_memory_is_short_are_those_of_smaller_batches(monkeypatch):
    model, segments = build_model(RUN, 2).eval(), segments_of(1)
    expected, real, sizes = predict(model, segments), model.forward, []

    def short_of_memory(batch):
        sizes.append(len(batch))
        if len(batch) > 13:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(batch)

    monkeypatch.setattr(model, "forward", short_of_memory)
    torch.testing.assert_close(predict(model, segments), expected)
    assert sizes[0] > 13
    assert set(sizes[sizes.index(next(size for size in sizes if size <= 13)) :]) <= set(range(14))
    monkeypatch.setattr(model, "forward", lambda batch: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        predict(model, segments)
