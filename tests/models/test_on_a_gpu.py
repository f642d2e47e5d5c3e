"""A GPU computes the same numbers as a CPU."""

import pytest
import torch
import torch.nn.functional as F

from bptubeformer.config import members_of, model_of, written_out
from bptubeformer.models import build_model
from bptubeformer.training.precision import products_in
from checkout import base_config

CONFIG = written_out(base_config())

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")


@pytest.mark.parametrize("count", [40, 37])
@pytest.mark.parametrize("name", members_of(CONFIG, "controls"))
def test_logits_and_gradients_are_those_of_a_cpu_in_double_precision(name, count):
    run = model_of(CONFIG, name)
    torch.manual_seed(0)
    model = build_model(run, 13).eval()
    segments = 300 * torch.rand(count, run["segment_length"], 34)
    labels = torch.arange(count) % 13

    def outcome(device, dtype):
        own = model.to(device, dtype)
        own.zero_grad()
        with products_in("fp32"):
            logits = own(segments.to(device, dtype))
            F.cross_entropy(logits, labels.to(device)).backward()
        gradients = [p.grad.flatten() for p in own.parameters() if p.grad is not None]
        return logits.detach().double().cpu(), torch.cat(gradients).double().cpu()

    for found, exact in zip(outcome("cuda", torch.float32), outcome("cpu", torch.float64),
                            strict=True):  # fmt: skip
        assert (found - exact).norm() <= 1e-4 * exact.norm()
