"""One step of the optimiser: gather a batch, forward, backward, update."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.data.segments import Segments
from bptubeformer.training.memory import bytes_of_segment
from bptubeformer.training.precision import forward_in, products_in

MICRO_BATCH_BYTES = 400e6
"""What a micro-batch on a CPU may keep for its backward pass. Of the sizes tried this was near the
fastest for every run: larger ones leave the caches, smaller ones do not fill them."""

EAGER_STEPS = 3
"""Steps before a CUDA graph is captured: libraries choose their kernels in them."""


class Step:
    """A training step; calling it with indices of segments takes one and gives the mean loss.

    On a GPU, the step over a full batch is captured as a CUDA graph once it has run a few times,
    and replayed from then on: the kernels are the same, the CPU no longer has to launch each. The
    last, smaller batch of an epoch runs without the graph. On a CPU, the gradients of a batch are
    added up over micro-batches.

    Args:
        model: on the device of the segments, in training mode when the step is called.
        optimiser: of the model's parameters; on a GPU, capturable.
        segments: the training segments.
        batch_size: segments of a full batch.
        precision: of the matrix products.
        captured: whether to capture a CUDA graph on a GPU.
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
        segments: Segments,
        batch_size: int,
        precision: str,
        captured: bool = True,
    ):
        self.model = model
        self.optimiser = optimiser
        self.segments = segments
        self.batch_size = batch_size
        self.precision = precision
        self.device = segments.frames.device
        self.micro_batch = batch_size
        if self.device.type == "cpu" and len(segments) > 1:
            each = bytes_of_segment(model, segments)
            self.micro_batch = int(min(max(MICRO_BATCH_BYTES // each, 1), batch_size))
        self.graph = _Graph(self.device) if captured and self.device.type == "cuda" else None

    def __call__(self, index: Tensor) -> Tensor:
        """Take a step.

        Args:
            index: int64 (B,), which segments; B at most ``batch_size``.

        Returns:
            Mean cross-entropy of the batch before the step, float32 scalar on the device.
        """
        if self.graph is not None and len(index) == self.batch_size:
            return self.graph(self.eager, index)
        return self.eager(index)

    def eager(self, index: Tensor) -> Tensor:
        """Take a step, kernel by kernel."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.device)
        with products_in(self.precision):
            for part in index.chunk(-(-len(index) // self.micro_batch)):
                batch, labels = self.segments[part]
                with forward_in(self.precision, self.device):
                    logits = self.model(batch)
                share = F.cross_entropy(logits.float(), labels) * (len(part) / len(index))
                share.backward()
                loss += share.detach()
        self.optimiser.step()
        return loss


class _Graph:
    """A step over a full batch as a CUDA graph; refers to no step, so that both are freed."""

    def __init__(self, device: torch.device):
        self.device = device
        self.taken = 0
        self.stream = torch.cuda.Stream(device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.index: Tensor
        self.loss: Tensor

    def __call__(self, eager: Callable[[Tensor], Tensor], index: Tensor) -> Tensor:
        """Take the step ``eager``: as it is, the first times; then captured."""
        if self.taken < EAGER_STEPS:
            self.taken += 1
            # Steps before a capture belong on the stream of the capture.
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(self.stream):
                loss = eager(index)
            torch.cuda.current_stream(self.device).wait_stream(self.stream)
            return loss
        if self.graph is None:
            self.index = index.clone()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.loss = eager(self.index)
        self.index.copy_(index)
        self.graph.replay()
        return self.loss
