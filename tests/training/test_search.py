"""Searches for weights without gradients."""

import pytest
import torch

from bptubeformer.models import build_model
from bptubeformer.settings import SEARCHES, TrainingSettings
from bptubeformer.training import search
from bptubeformer.training.loop import Trainer, seed_everything, train
from bptubeformer.training.search import BOUND
from fakes import segments_of

RUN = {"model": "alstm", "segment_length": 6, "width": 4}
SETTINGS = {"loss": "balanced-error", "max_epochs": 6, "early_stopping_patience": 6}


@pytest.fixture(params=SEARCHES)
def settings(request, monkeypatch):
    monkeypatch.setattr(search, "POSITIONS", 5)
    return TrainingSettings(optimiser=request.param, **SETTINGS)


def test_a_search_never_gets_worse_and_keeps_its_bounds(settings):
    seed_everything(0)
    model = build_model(RUN, 2)
    training = train(model, segments_of(1), segments_of(2), settings)
    losses = [epoch.validation_loss for epoch in training.history]
    assert losses == sorted(losses, reverse=True)
    assert all(weight.abs().max() <= BOUND for weight in training.weights.values())


def test_an_interrupted_search_goes_on_to_the_bit(settings):
    def trainer():
        seed_everything(0)
        return Trainer(build_model(RUN, 2), segments_of(1), settings)

    whole = trainer()
    for _ in range(2):
        whole.epoch(segments_of(2))
    tensors, state = whole.state()
    tensors = {name: value.clone() for name, value in tensors.items()}
    for _ in range(2):
        whole.epoch(segments_of(2))
    begun = trainer()
    begun.restore(tensors, state)
    for _ in range(2):
        begun.epoch(segments_of(2))
    for one, two in zip(whole.model.parameters(), begun.model.parameters(), strict=True):
        assert torch.equal(one, two)
    assert [e.train_loss for e in whole.training.history] == [
        e.train_loss for e in begun.training.history
    ]


def test_the_first_seagulls_have_opposites_and_every_iteration_as_many(monkeypatch):
    """Opposition-based learning, within the budget of the random search."""
    tried = []
    monkeypatch.setattr(search, "POSITIONS", 4)
    settings = TrainingSettings(optimiser="seagull", **SETTINGS)
    one = search.Search(build_model(RUN, 2), settings, search.Recipe(settings))
    monkeypatch.setattr(one, "_judge", lambda position, segments: tried.append(position) or 0.5)
    one.iterate(1, segments_of(1))
    assert len(tried) == 4
    assert torch.equal(torch.stack(tried[:2]), -torch.stack(tried[2:]))
    for number in range(2, settings.max_epochs + 1):
        tried.clear()
        one.iterate(number, segments_of(1))
        assert len(tried) == 4
    assert len({tuple(position.tolist()) for position in tried}) == 4
