import subprocess
import sys

import pytest
import torch

from bptubeformer.errors import InputError
from bptubeformer.models import build_model
from bptubeformer.training.precision import (
    check_precision,
    forward_in,
    products_in,
)
from conftest import REPOSITORY

CPU = torch.device("cpu")
RUNS = [
    {"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1},
    {"model": "sttran", "segment_length": 24, "token_width": 8, "depth": 1},
    {"model": "ttubeformer", "segment_length": 24, "token_width": 8, "depth": 1},
    {"model": "m12", "segment_length": 24},
]


def test_every_device_has_fp32():
    check_precision("fp32", CPU)


@pytest.mark.parametrize(
    ("precision", "words"),
    [("tf32", "tf32 needs a GPU, which this cpu is not; set training.precision to fp32"),
     ("fp8", "'fp8' is not one of fp32, tf32, bf16")],
)  # fmt: skip
def test_a_precision_that_the_device_lacks_is_refused(precision, words):
    with pytest.raises(InputError, match=words):
        check_precision(precision, CPU)


def test_bfloat16_is_refused_by_an_old_processor(monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(InputError, match="bf16 needs a processor with AVX-512"):
        check_precision("bf16", CPU)


SETTINGS = """
import sys
sys.path.insert(0, "src")
import torch
from bptubeformer.training.precision import PRECISIONS, products_in
exec(sys.argv[1])
products = torch.backends.cuda.matmul
before = products.fp32_precision, products.allow_bf16_reduced_precision_reduction
for precision in PRECISIONS:
    with products_in(precision):
        print(precision, products.fp32_precision, products.allow_bf16_reduced_precision_reduction)
    assert before == (products.fp32_precision, products.allow_bf16_reduced_precision_reduction)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "earlier",
    ["pass", "torch.set_float32_matmul_precision('high')",
     "torch.backends.cuda.matmul.fp32_precision = 'tf32'"],
)  # fmt: skip
def test_products_have_their_precision_whatever_the_process_set_before(earlier):
    done = subprocess.run(
        [sys.executable, "-c", SETTINGS, earlier], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "fp32 ieee False\ntf32 tf32 False\nbf16 ieee False\n", done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
@pytest.mark.parametrize(
    ("precision", "least", "most"), [("fp32", 0, 1e-6), ("tf32", 1e-5, 1e-3), ("bf16", 1e-3, 1e-2)]
)
def test_products_on_a_gpu_are_as_exact_as_they_should_be(precision, least, most):
    torch.manual_seed(0)
    one, other = torch.rand(2, 512, 4096, device="cuda") - 0.5
    exact = one.double() @ other.double().T
    with products_in(precision), forward_in(precision, one.device):
        found = (one @ other.T).double()
    assert least <= (found - exact).norm() / exact.norm() <= most


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run["model"])
def test_bfloat16_comes_near_float32_also_for_raw_pixels(run):
    """Pixels up to 320 have more digits than bfloat16; the tokenisers stay in float32."""
    torch.manual_seed(0)
    model = build_model(run, 13).eval()
    segments = 100 + 200 * torch.rand(20, 24, 34)
    with torch.inference_mode():
        exact = model(segments)
        with forward_in("bf16", CPU):
            rounded = model(segments).float()
    assert (rounded - exact).norm() / exact.norm() < 0.03
    assert not torch.equal(rounded, exact)
