import copy

import pytest
import torch
import torch.nn.functional as F

from bptubeformer.data.segments import Segments
from bptubeformer.errors import InputError
from bptubeformer.models import build_model
from bptubeformer.settings import TrainingSettings
from bptubeformer.training.forward import evaluate
from bptubeformer.training.loop import Trainer, make_optimiser, seed_everything, train
from bptubeformer.training.memory import bytes_of_segment, release_memory
from bptubeformer.training.precision import PRECISIONS
from bptubeformer.training.step import Step, _difference

RUN = {"model": "bptubeformer", "segment_length": 6, "token_width": 8, "depth": 1, "dropout": 0.0}
SETTINGS = TrainingSettings(batch_size=40)


def segments_on(device: str, count: int = 100) -> Segments:
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(6 * count, 34, generator=generator)
    labels = torch.randint(0, 3, (count,), generator=generator).short()
    starts = torch.arange(0, 6 * count, 6, dtype=torch.int32)
    return Segments(frames.to(device), starts.to(device), labels.to(device), 6)


def assert_whole_batch(loss, model, whole, batch, labels):
    """The loss and the gradients that a step left are those of the batch in one piece."""
    expected = F.cross_entropy(whole(batch), labels)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    for own, other in zip(model.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_micro_batches_add_up_to_the_batch():
    model = build_model(RUN, 3)
    whole, segments = copy.deepcopy(model), segments_on("cpu")
    step = Step(model, make_optimiser(model, SETTINGS), segments, 40, "fp32")
    assert step.micro_batch == 40  # so small a model needs no smaller ones
    step.micro_batch = 16  # 14, 14 and 12 segments
    index = torch.randperm(100)[:40]
    loss = step(index)
    assert_whole_batch(loss, model, whole, *segments[index])


def test_a_micro_batch_keeps_no_more_than_it_may(monkeypatch):
    model, segments = build_model(RUN, 3), segments_on("cpu")
    each = bytes_of_segment(model, segments)
    monkeypatch.setattr("bptubeformer.training.step.MICRO_BATCH_BYTES", 7.5 * each)
    for batch_size, expected in ((40, 7), (5, 5)):
        step = Step(model, make_optimiser(model, SETTINGS), segments, batch_size, "fp32")
        assert step.micro_batch == expected


def test_a_model_with_batch_normalisation_is_given_whole_batches(monkeypatch):
    """Smaller ones would be normalised by means of their own."""
    monkeypatch.setattr("bptubeformer.training.step.MICRO_BATCH_BYTES", 1)
    model = build_model({"model": "ctrgcn", "segment_length": 6, "width": 8}, 3)
    whole, segments = copy.deepcopy(model), segments_on("cpu")
    step = Step(model, make_optimiser(model, SETTINGS), segments, 40, "fp32")
    index = torch.randperm(100)[:40]
    assert_whole_batch(step(index), model, whole, *segments[index])


def test_a_step_takes_batches_of_any_size_up_to_the_full_one():
    model = build_model(RUN, 3)
    step = Step(model, make_optimiser(model, SETTINGS), segments_on("cpu"), 40, "fp32")
    assert step(torch.arange(7)).isfinite()
    assert step(torch.arange(40)).isfinite()


def test_where_memory_is_short_micro_batches_are_halved_and_the_batch_stays(monkeypatch):
    """At most 11 segments fit: 40, 20, 10; gradients and loss are those of the batch."""
    model = build_model(RUN, 3)
    whole, segments, lines = copy.deepcopy(model), segments_on("cpu"), []
    step = Step(model, make_optimiser(model, SETTINGS), segments, 40, "fp32", report=lines.append)
    real = model.forward

    def forward(batch):
        if len(batch) > 11:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return real(batch)

    monkeypatch.setattr(model, "forward", forward)
    index = torch.arange(40)
    loss = step(index)
    assert_whole_batch(loss, model, whole, *segments[index])
    assert (step.micro_batch, step.batch_size) == (10, 40)
    assert ["micro-batches of 20" in lines[0], "micro-batches of 10" in lines[1]] == [True, True]
    assert len(lines) == 2


@pytest.mark.slow
def test_where_one_segment_does_not_fit_the_message_says_what_to_do(monkeypatch):
    model, segments = build_model(RUN, 3), segments_on("cpu")
    step = Step(model, make_optimiser(model, SETTINGS), segments, 4, "fp32", report=lambda _: None)

    def no_memory(batch):
        raise MemoryError

    monkeypatch.setattr(model, "forward", no_memory)
    with pytest.raises(InputError, match="one segment at a time; let fewer jobs share the device"):
        step(torch.arange(4))


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    model, segments = build_model(RUN, 3), segments_on("cpu")
    step = Step(model, make_optimiser(model, SETTINGS), segments, 4, "fp32")

    def broken(batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        step(torch.arange(4))


class Recorded:
    """Stands in for ``CudaGraphs`` on a CPU: a replay does the work again, into the same tensor."""

    def __init__(self, device):
        self.captures = 0

    def warm_up(self, work):
        return work()

    def capture(self, work):
        self.captures += 1
        loss = torch.zeros(())

        def replay():
            loss.copy_(self.replayed(work))

        return replay, loss

    def replayed(self, work):
        return work()

    def random_state(self):
        return torch.get_rng_state()

    def set_random_state(self, state):
        torch.set_rng_state(state)


class Forgetful(Recorded):
    """Replays with a gradient that is wrong."""

    def replayed(self, work):
        loss = work()
        self.model.head.weight.grad.mul_(1.01)
        return loss


class Refusing(Recorded):
    """Cannot capture."""

    def capture(self, work):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


def trained(graphs, monkeypatch, dropout=0.1):
    """Losses, weights, lines and step of six epochs with batches of 40, 40 and 20."""
    monkeypatch.setattr("bptubeformer.training.step.graphs_on", lambda device: graphs)
    seed_everything(0)
    model, lines = build_model({**RUN, "dropout": dropout}, 3).train(), []
    if graphs is not None:
        graphs.model = model
    step = Step(model, make_optimiser(model, SETTINGS), segments_on("cpu"), 40, "fp32",
                report=lines.append)  # fmt: skip
    losses = [step(index).item() for _ in range(6) for index in torch.randperm(100).split(40)]
    return losses, model.state_dict(), lines, step


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Recorded, Forgetful, Refusing])
def test_captured_or_not_the_training_is_that_of_eager_steps(kind, monkeypatch):
    """Also with dropout: what the comparison of the first replay draws is drawn again."""
    losses, weights, _, _ = trained(None, monkeypatch)
    graphs = kind(None)
    own_losses, own_weights, lines, step = trained(graphs, monkeypatch)
    assert own_losses == losses
    assert all(torch.equal(own_weights[name], value) for name, value in weights.items())
    if kind is Recorded:
        assert (lines, graphs.captures, set(step.replays)) == ([], 2, {40, 20})
    else:
        fault = {
            Forgetful: "the captured step differs from the eager one in head.weight by",
            Refusing: "operation not permitted when stream is capturing",
        }
        (line,) = lines
        assert line.startswith(f"going on without CUDA graphs: {fault[kind]}")
        assert "more" not in line
        assert (step.graphs, step.replays) == (None, {})


def test_a_captured_step_that_misses_a_gradient_differs():
    one = torch.ones(())
    assert _difference({"loss": one}, {"loss": one}, 1e-4) is None
    found = _difference({"loss": one}, {"loss": one, "head.bias": one}, 1e-4)
    assert found == "the captured and the eager step have other gradients (head.bias)"
    assert "in loss by nan" in _difference({"loss": one * torch.nan}, {"loss": one}, 1e-4)


ON_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
WIDE = {"token_width": 32, "depth": 2}
RUNS = {
    "BPT, (2, 3, 3)": {"model": "bptubeformer", "segment_length": 6, **WIDE},
    "ST-Tran": {"model": "sttran", "segment_length": 6, **WIDE},
    "TTubeFormer": {"model": "ttubeformer", "segment_length": 6, **WIDE},
    "T-Tran": {"model": "ttran", "segment_length": 6, **WIDE},
    "M1.2": {"model": "m12", "segment_length": 6},
}


def on_a_gpu(run, precision, captured, epochs=8, segments=None, lines=None):
    """Losses, weights and step of a training with batches of 40, 40 and 20, on a GPU."""
    seed_everything(0)
    segments = segments or segments_on("cuda")
    model = build_model(run, 3).cuda().train()
    optimiser = make_optimiser(model, SETTINGS)
    say = (lines if lines is not None else []).append
    step = Step(model, optimiser, segments, 40, precision, captured, say)
    order, losses = torch.Generator("cuda").manual_seed(0), []
    for epoch in range(epochs):
        if epoch == epochs - 2:
            optimiser.param_groups[0]["lr"].fill_(1e-5)
        shuffled = torch.randperm(len(segments), generator=order, device="cuda")
        losses += [step(index).item() for index in shuffled.split(40)]
        evaluate(model, segments, precision)
        model.train()
    return losses, copy.deepcopy(model.state_dict()), step


@ON_A_GPU
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", RUNS)
def test_a_captured_training_is_the_eager_one(name, precision):
    """With dropout, a smaller last batch, validation between epochs and a falling rate."""
    lines = []
    eager, weights, _ = on_a_gpu(RUNS[name], precision, captured=False)
    captured, own, step = on_a_gpu(RUNS[name], precision, captured=True, lines=lines)
    assert (lines, set(step.replays)) == ([], {40, 20})
    assert captured == pytest.approx(eager, rel=1e-3 if precision == "fp32" else 0.05)
    if precision == "fp32":
        for weight, value in weights.items():
            torch.testing.assert_close(own[weight], value, rtol=1e-2, atol=1e-3)


@ON_A_GPU
def test_each_replay_draws_another_dropout():
    run = {**RUN, "dropout": 0.5, **WIDE}
    seed_everything(0)
    segments = segments_on("cuda")
    model = build_model(run, 3).cuda().train()
    optimiser = make_optimiser(model, SETTINGS)
    step = Step(model, optimiser, segments, 40, "fp32")
    index = torch.arange(40, device="cuda")
    for _ in range(4):
        step(index)
    optimiser.param_groups[0]["lr"].zero_()
    assert step.replays
    assert len({step(index).item() for _ in range(5)}) == 5


@ON_A_GPU
@pytest.mark.parametrize("fault", ["an error", "a wait for the device", "too little memory"])
def test_after_a_failed_capture_the_training_goes_on_on_its_stream(fault, monkeypatch):
    """The learning rate falls as before; memory does not grow from step to step."""
    from bptubeformer.models.bptubeformer import BPTubeFormer

    run, lines = RUNS["BPT, (2, 3, 3)"], []
    eager, _, _ = on_a_gpu(run, "fp32", captured=False)
    real = BPTubeFormer.forward

    def forward(self, batch):
        out = real(self, batch)
        if torch.cuda.is_current_stream_capturing():
            if fault == "an error":
                raise RuntimeError("raised while capturing")
            if fault == "a wait for the device":
                out.sum().item()
            else:
                torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
        return out

    monkeypatch.setattr(BPTubeFormer, "forward", forward)
    own, _, step = on_a_gpu(run, "fp32", captured=True, lines=lines)
    assert len(lines) == 1
    assert lines[0].startswith("going on without CUDA graphs")
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert own == pytest.approx(eager, rel=1e-3)
    index = torch.arange(40, device="cuda")
    for _ in range(3):
        step(index)
    before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    for _ in range(20):
        step(index)
    assert (torch.cuda.memory_allocated(), torch.cuda.memory_reserved()) == before


@ON_A_GPU
def test_a_training_restored_on_a_gpu_goes_on_as_it_would_have():
    """Interrupted before and after the capture; the graph is made anew."""
    run, segments = RUNS["BPT, (2, 3, 3)"], segments_on("cuda")
    settings = TrainingSettings(batch_size=40, max_epochs=8, early_stopping_patience=8)

    def trainer():
        seed_everything(0)
        return Trainer(build_model(run, 3).cuda(), segments, settings)

    undisturbed = trainer()
    states = []
    for _ in range(8):
        undisturbed.epoch(segments)
        tensors, state = undisturbed.state()
        states.append((copy.deepcopy({k: v.cpu() for k, v in tensors.items()}), state))
    expected = [epoch.train_loss for epoch in undisturbed.training.history]
    for after in (1, 5):
        tensors, state = states[after - 1]
        state = {**state, "history": state["history"][:after]}
        resumed = trainer()
        torch.manual_seed(77)
        resumed.restore(tensors, state)
        while not resumed.done:
            resumed.epoch(segments)
        losses = [epoch.train_loss for epoch in resumed.training.history]
        assert losses == pytest.approx(expected, rel=1e-3)


@ON_A_GPU
def test_a_batch_that_does_not_fit_on_a_gpu_is_a_sum_of_micro_batches():
    """ST-Tran at the paper's batch of 1000 in 24 GB: two whole batches and one of 999."""
    run = {"model": "sttran", "segment_length": 60}
    total = torch.cuda.get_device_properties(0).total_memory
    release_memory()
    torch.cuda.set_per_process_memory_fraction(min(24e9 / total, 1.0))
    lines = []
    try:
        generator = torch.Generator().manual_seed(0)
        segments = Segments(
            torch.rand(3100, 34, generator=generator).cuda(),
            torch.arange(2999, dtype=torch.int32).cuda(),
            torch.randint(0, 13, (2999,), generator=generator).short().cuda(),
            60,
        )
        settings = TrainingSettings(batch_size=1000, max_epochs=3, early_stopping_patience=3)
        seed_everything(0)
        trained = train(build_model(run, 13).cuda(), segments, segments, settings, say=lines.append)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert len(trained.history) == 3
    assert lines
    assert trained.micro_batch >= 60  # of 125, 250, ...: what a graph leaves free
    assert torch.cuda.max_memory_reserved() <= 24e9


@ON_A_GPU
def test_counting_what_is_kept_leaves_nothing_behind():
    model, segments = build_model(RUNS["ST-Tran"], 3).cuda(), segments_on("cuda")
    bytes_of_segment(model, segments)
    before = torch.cuda.memory_allocated()
    for _ in range(5):
        bytes_of_segment(model, segments)
    assert torch.cuda.memory_allocated() == before
