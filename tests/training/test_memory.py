import resource
import subprocess
import sys

import pytest
import torch

from bptubeformer.errors import is_out_of_memory
from bptubeformer.models import build_model
from bptubeformer.training.memory import saved_bytes
from conftest import REPOSITORY

OUT_OF_MEMORY = """
import resource, sys
sys.path.insert(0, "src")
import torch
from bptubeformer.errors import is_out_of_memory
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
try:
    torch.empty(1 << 36)
except RuntimeError as error:
    print(is_out_of_memory(error))
"""


@pytest.mark.slow
def test_the_real_error_of_a_cpu_without_memory_is_known():
    limit = resource.getrlimit(resource.RLIMIT_AS)
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "True\n", done.stderr
    assert is_out_of_memory(MemoryError())
    assert resource.getrlimit(resource.RLIMIT_AS) == limit  # of the other process only


@pytest.mark.parametrize(
    "said", ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"]
)
def test_other_ways_to_say_it_are_known_also_behind_another_error(said):
    assert is_out_of_memory(RuntimeError(said))
    try:
        try:
            raise RuntimeError(said)
        finally:
            raise RuntimeError("capture failed")
    except RuntimeError as error:
        assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes"))


def test_what_is_kept_for_the_backward_pass_is_counted():
    """A linear layer keeps its input; the loss keeps log-probabilities, labels and a weight."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(34 * 6, 3))
    counted = saved_bytes(model, torch.rand(10, 6, 34))
    assert counted == pytest.approx(4 * 10 * (34 * 6 + 3), rel=0.05)
    wide = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(34 * 6, 300), torch.nn.Tanh(),
                               torch.nn.Linear(300, 3))  # fmt: skip
    # The weights of the second layer, kept for the gradient of its input, are not among it.
    assert saved_bytes(wide, torch.rand(10, 6, 34)) == pytest.approx(
        4 * 10 * (34 * 6 + 300 + 3), rel=0.05
    )


@pytest.mark.parametrize("name", ["bptubeformer", "sttran"])
def test_what_is_kept_grows_with_the_batch(name):
    run = {"model": name, "segment_length": 6, "token_width": 8, "depth": 1}
    model = build_model(run, 3)
    one, two, four = (saved_bytes(model, torch.rand(n, 6, 34)) for n in (1, 2, 4))
    assert four - two == pytest.approx(2 * (two - one), rel=0.05)
    assert one > 0
