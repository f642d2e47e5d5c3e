"""CUDA graphs: the kernels of a piece of work, recorded once and replayed without the CPU."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import torch

Result = TypeVar("Result")


class CudaGraphs:
    """Graphs of one GPU that share a pool of memory and are replayed one after another.

    Args:
        device: the GPU, with its index; the current device of the process.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def warm_up(self, work: Callable[[], Result]) -> Result:
        """Do the work on the stream of the captures, where libraries choose their kernels."""
        here = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            result = work()
        here.wait_stream(self.stream)
        return result

    def capture(self, work: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
        """Record the work; nothing is computed yet.

        Returns:
            a function that replays the work on the current stream, and the result of the work,
            whose tensors each replay fills again.

        Raises:
            RuntimeError: the work cannot be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        here = torch.cuda.current_stream(self.device)
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                result = work()
        except RuntimeError:
            torch.cuda.set_stream(here)
            self._abandon()
            raise
        return graph.replay, result

    def _abandon(self) -> None:
        """Leave the state of a capture, where torch stays when the end of the capture fails.

        Its generator would refuse to draw, and its allocator would free nothing any more.
        """
        index = self.device.index
        fresh = torch.Generator(self.device).graphsafe_get_state()
        torch.cuda.default_generators[index].graphsafe_set_state(fresh)
        # An error of the first call: the capture did end, and has given its memory back itself.
        with suppress(RuntimeError):
            torch._C._cuda_endAllocateToPool(index, self.pool)
            torch._C._cuda_releasePool(index, self.pool)

    def random_state(self) -> torch.Tensor:
        """Return the state of the GPU's generator, from which dropout draws."""
        return torch.cuda.get_rng_state(self.device)

    def set_random_state(self, state: torch.Tensor) -> None:
        """Set the state of the GPU's generator."""
        torch.cuda.set_rng_state(state, self.device)


def graphs_on(device: torch.device) -> CudaGraphs | None:
    """Return the maker of graphs of a device; None for a CPU."""
    if device.type != "cuda":
        return None
    index = torch.cuda.current_device() if device.index is None else device.index
    return CudaGraphs(torch.device("cuda", index))
