import copy

import pytest
import torch
import torch.nn.functional as F

from bptubeformer.data.segments import Segments
from bptubeformer.models import build_model
from bptubeformer.training.loop import TrainingSettings, make_optimiser, seed_everything
from bptubeformer.training.memory import bytes_of_segment
from bptubeformer.training.step import Step

RUN = {"model": "bptubeformer", "segment_length": 6, "token_width": 8, "depth": 1, "dropout": 0.0}
SETTINGS = TrainingSettings(batch_size=40)


def segments_on(device: str, count: int = 100) -> Segments:
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(6 * count, 34, generator=generator)
    labels = torch.randint(0, 3, (count,), generator=generator).short()
    starts = torch.arange(0, 6 * count, 6, dtype=torch.int32)
    return Segments(frames.to(device), starts.to(device), labels.to(device), 6)


def test_micro_batches_add_up_to_the_batch():
    model = build_model(RUN, 3)
    whole, segments = copy.deepcopy(model), segments_on("cpu")
    step = Step(model, make_optimiser(model, SETTINGS), segments, 40, "fp32")
    assert step.micro_batch == 40  # so small a model needs no smaller ones
    step.micro_batch = 16  # 14, 14 and 12 segments
    index = torch.randperm(100)[:40]
    loss = step(index)
    batch, labels = segments[index]
    expected = F.cross_entropy(whole(batch), labels)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    for own, other in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_a_micro_batch_keeps_no_more_than_it_may(monkeypatch):
    model, segments = build_model(RUN, 3), segments_on("cpu")
    each = bytes_of_segment(model, segments)
    monkeypatch.setattr("bptubeformer.training.step.MICRO_BATCH_BYTES", 7.5 * each)
    for batch_size, expected in ((40, 7), (5, 5)):
        step = Step(model, make_optimiser(model, SETTINGS), segments, batch_size, "fp32")
        assert step.micro_batch == expected


def test_a_step_takes_batches_of_any_size_up_to_the_full_one():
    model = build_model(RUN, 3)
    step = Step(model, make_optimiser(model, SETTINGS), segments_on("cpu"), 40, "fp32")
    assert step(torch.arange(7)).isfinite()
    assert step(torch.arange(40)).isfinite()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_captured_step_is_the_eager_step(dropout):
    """With several batches, a smaller one between them, and a learning rate that falls."""
    run, losses, weights = {**RUN, "dropout": dropout}, [], []
    for captured in (False, True):
        seed_everything(0)
        segments = segments_on("cuda")
        model = build_model(run, 3).cuda().train()
        optimiser = make_optimiser(model, SETTINGS)
        step = Step(model, optimiser, segments, 40, "fp32", captured=captured)
        order = torch.Generator("cuda").manual_seed(0)
        of_this = []
        for epoch in range(6):
            if epoch == 4:
                optimiser.param_groups[0]["lr"].fill_(1e-5)
            shuffled = torch.randperm(100, generator=order, device="cuda")
            of_this += [step(index).item() for index in shuffled.split(40)]
        losses.append(of_this)
        weights.append(copy.deepcopy(model.state_dict()))
    if dropout:
        assert losses[1][-1] < losses[1][0]
    else:
        assert losses[1] == pytest.approx(losses[0], rel=1e-4)
        for name, value in weights[0].items():
            torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-5)
