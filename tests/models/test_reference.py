"""The models of the package against the plain ones: the same outputs and gradients."""

import pytest
import torch
import yaml

from bptubeformer.config import model_of
from bptubeformer.models import build_model
from conftest import REPOSITORY
from models.reference import PLAIN, plain_state

CONFIG = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
RUNS = {name: model_of(CONFIG, name) for name in CONFIG["runs"]}


@pytest.mark.parametrize("name", [name for name, run in RUNS.items() if run["model"] in PLAIN])
def test_outputs_and_gradients_are_those_of_the_plain_model(name):
    run = {**RUNS[name], "dropout": 0.0}
    torch.manual_seed(0)
    model, plain = build_model(run, 13), PLAIN[run["model"]](run, 13)
    plain.load_state_dict(plain_state(run, model.state_dict()))
    segments = 100 * torch.rand(3, run["segment_length"], 34)
    labels = torch.tensor([0, 5, 12])
    outputs = []
    for one in (model, plain):
        outputs.append(one(segments))
        torch.nn.functional.cross_entropy(outputs[-1], labels).backward()
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-4)
    gradients = plain_state(run, {n: p.grad for n, p in model.named_parameters()})
    for parameter_name, parameter in plain.named_parameters():
        scale = parameter.grad.abs().max()
        difference = (gradients[parameter_name] - parameter.grad).abs().max()
        assert difference <= 1e-4 * scale + 1e-7, parameter_name
