"""One step of the optimiser: gather a batch, forward, backward, update."""

from collections import Counter
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from bptubeformer.data.segments import Segments
from bptubeformer.errors import InputError, is_out_of_memory
from bptubeformer.models.classifier import Classifier
from bptubeformer.training.graphs import graphs_on
from bptubeformer.training.memory import bytes_of_segment, release_memory
from bptubeformer.training.precision import forward_in, products_in
from bptubeformer.training.recipe import PAPER, Recipe

MICRO_BATCH_BYTES = 400e6
"""Bytes that a micro-batch on a CPU may keep for its backward pass. Of the sizes tried this was
near the fastest for every run: larger ones leave the caches, smaller ones do not fill them."""

EAGER_STEPS = 3
"""Steps over batches of one size before such a step is captured: libraries choose their kernels
in them."""

TOLERANCE = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2}
"""Largest difference of a captured from an eager step, relative to the norm of each gradient."""

NEGLIGIBLE = 1e-3
"""Share of the norm of all gradients that is added to that of each: some are zero but for rounding
(the bias of keys)."""


class Step:
    """A training step; calling it with indices of segments takes one and gives the mean loss.

    The gradients of a batch are sums over micro-batches: on a CPU as large as its caches hold, on a
    GPU the whole batch. Where memory is too short, the micro-batch is halved; the batch, a setting
    of the paper, never changes. A model with batch normalisation, or one that compares segments
    with each other, is given whole batches.

    On a GPU, a step over a batch of one size is captured as a CUDA graph once it has run a few
    times, and replayed from then on: the kernels are the same, the CPU no longer launches each. The
    first replay is compared with an eager step (loss and every gradient). Where it differs or
    cannot be captured, the training goes on without graphs and says so.

    Args:
        model: on the device of the segments, in training mode when the step is called.
        optimiser: of the model's parameters; on a GPU, capturable.
        segments: the training segments.
        batch_size: segments of a full batch.
        precision: of the matrix products.
        captured: whether to capture CUDA graphs on a GPU.
        report: called with a line where memory is too short or a capture fails.
        recipe: changes of the segments, and their loss.
    """

    def __init__(
        self,
        model: Classifier,
        optimiser: torch.optim.Optimizer,
        segments: Segments,
        batch_size: int,
        precision: str,
        captured: bool = True,
        report: Callable[[str], None] = print,
        recipe: Recipe = PAPER,
    ):
        self.model = model
        self.recipe = recipe
        self.optimiser = optimiser
        self.segments = segments
        self.batch_size = batch_size
        self.precision = precision
        self.report = report
        self.device = segments.frames.device
        self.micro_batch = batch_size
        self.whole = model.whole_batches or any(
            isinstance(module, _BatchNorm) for module in model.modules()
        )
        if self.device.type == "cpu" and len(segments) > 1 and not self.whole:
            each = bytes_of_segment(model, segments)
            self.micro_batch = int(min(max(MICRO_BATCH_BYTES // each, 1), batch_size))
        self.graphs = graphs_on(self.device) if captured else None
        self.taken: Counter[int] = Counter()
        self.replays: dict[int, _Replay] = {}

    def __call__(self, index: Tensor) -> Tensor:
        """Take a step.

        Args:
            index: int64 (B,), which segments; B at most ``batch_size``.

        Returns:
            Mean loss of the batch before the step, float32 scalar on the device; the next
            step may overwrite it.

        Raises:
            InputError: there is too little memory for one segment at a time.
        """
        size = len(index)
        if self.graphs is None:
            return self.eager(index)
        if size in self.replays:
            return self.replays[size](index)
        if self.taken[size] < EAGER_STEPS:
            self.taken[size] += 1
            return self.graphs.warm_up(lambda: self.eager(index))
        return self._first_replay(index)

    def eager(self, index: Tensor) -> Tensor:
        """Take a step, kernel by kernel; in smaller micro-batches where memory is too short."""
        while True:
            try:
                return self._take(index)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Out of the except block: the error holds on to the tensors of its frames.
            self.optimiser.zero_grad(set_to_none=True)
            release_memory()
            size = min(self.micro_batch, len(index))
            if size == 1 or self.whole:
                these = "one segment" if size == 1 else f"{size} segments"
                raise InputError(
                    f"too little memory to train on {these} at a time; let fewer jobs share the "
                    "device (slots_per_gpu, --cores), or use a device with more memory"
                )
            self.micro_batch = -(-size // 2)
            self.report(
                f"too little memory for {size} segments at a time: going on with micro-batches of "
                f"{self.micro_batch}; batches stay {self.batch_size}, their gradients are summed"
            )

    def _take(self, index: Tensor) -> Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.device)
        with products_in(self.precision):
            for part in index.chunk(-(-len(index) // self.micro_batch)):
                batch, labels = self.segments[part]
                batch, targets = self.recipe.change(batch, labels)
                with forward_in(self.precision, self.device):
                    loss_of_part = self.model.loss(batch, targets, self.recipe.loss)
                share = loss_of_part * (len(part) / len(index))
                share.backward()
                loss += share.detach()
        self.optimiser.step()
        return loss

    def _first_replay(self, index: Tensor) -> Tensor:
        """Take a step eagerly, take it back, capture it, replay it and compare the two."""
        graphs = self.graphs
        assert graphs is not None  # noqa: S101 (for the type checker)
        before, random = [value.clone() for value in self._state()], graphs.random_state()
        eager = self._outcome(graphs.warm_up(lambda: self.eager(index)))

        def take_back() -> None:
            for value, old in zip(self._state(), before, strict=True):
                value.copy_(old)
            graphs.set_random_state(random)

        take_back()
        release_memory()
        try:
            own = index.clone()
            replay, loss = graphs.capture(lambda: self._take(own))
            self.replays[len(index)] = _Replay(replay, own, loss)
            loss = self.replays[len(index)](index)
            failure = _difference(self._outcome(loss), eager, TOLERANCE[self.precision])
        except RuntimeError as error:
            failure = str(error).partition("\n")[0]
        if failure is None:
            return loss
        self.graphs = None
        self.replays.clear()
        take_back()
        release_memory()
        self.report(f"going on without CUDA graphs: {failure}")
        return self.eager(index)

    @torch.no_grad()
    def _state(self) -> Iterator[Tensor]:
        """Yield every tensor that a step changes."""
        yield from self.model.state_dict().values()
        for moments in self.optimiser.state.values():
            yield from (value for value in moments.values() if isinstance(value, Tensor))

    def _outcome(self, loss: Tensor) -> dict[str, Tensor]:
        """Copy the loss and every gradient of the step just taken."""
        gradients = {
            name: parameter.grad.clone()
            for name, parameter in self.model.named_parameters()
            if parameter.grad is not None
        }
        return {"loss": loss.clone(), **gradients}


class _Replay:
    """A captured step over batches of one size; refers to no step, so that both are freed."""

    def __init__(self, replay: Callable[[], None], index: Tensor, loss: Tensor):
        self.replay = replay
        self.index = index
        self.loss = loss

    def __call__(self, index: Tensor) -> Tensor:
        self.index.copy_(index)
        self.replay()
        return self.loss


def _difference(
    found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float
) -> str | None:
    """Say where a captured step differs from the eager one; None where it does not."""
    if found.keys() != expected.keys():
        names = ", ".join(sorted(found.keys() ^ expected.keys()))
        return f"the captured and the eager step have other gradients ({names})"
    norms = {name: value.norm().item() for name, value in expected.items()}
    everywhere = NEGLIGIBLE * sum(norm**2 for norm in norms.values()) ** 0.5
    for name, norm in norms.items():
        apart = (found[name] - expected[name]).norm().item()
        if not apart <= tolerance * (norm + everywhere):
            return f"the captured step differs from the eager one in {name} by {apart:.2g}"
    return None
