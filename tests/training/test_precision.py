import pytest
import torch

from bptubeformer.errors import InputError
from bptubeformer.models import build_model
from bptubeformer.training.precision import (
    PRECISIONS,
    check_precision,
    forward_in,
    products_in,
)

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


def test_the_setting_of_torch_is_put_back():
    before = torch.get_float32_matmul_precision()
    for precision in PRECISIONS:
        with products_in(precision):
            expected = "high" if precision == "tf32" else "highest"
            assert torch.get_float32_matmul_precision() == expected
        assert torch.get_float32_matmul_precision() == before


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
