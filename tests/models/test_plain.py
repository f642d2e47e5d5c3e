"""The models of the package against the plain ones: the same outputs and gradients."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from bptubeformer.config import model_of, written_out
from bptubeformer.models import build_model
from bptubeformer.models.plain import PLAIN
from checkout import base_config

CONFIG = written_out(base_config())
RUNS = {name: model_of(CONFIG, name) for name in CONFIG["runs"] if "@" not in name}


def plain_state(run: Mapping[str, Any], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights, or gradients, of a model of the package under the names of the plain model."""
    plain: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith("tubelet_embedding.convolution."):
            for i, own in enumerate(value):
                plain[f"convolutions.{i}.{name.rpartition('.')[2]}"] = own
        elif name == "tubelet_embedding.positions":
            plain |= {f"positions.{i}": own for i, own in enumerate(value)}
        elif name.startswith("tubelet_transformers.blocks."):
            for i, own in enumerate(value):
                plain[f"encoders.{i}.{_of_block(name)}"] = own
        elif run["model"] == "ttubeformer" and name.startswith("embedding."):
            plain[f"convolution.{name.rpartition('.')[2]}"] = value[0]
        elif ".blocks." in name:
            place = name.partition(".")[0].replace("transformer", "encoder")
            plain[f"{place}.{_of_block(name)}"] = value
        elif name == "class_token.token":
            plain["class_token"] = value[None]
        elif name == "class_token.positions":
            positions = {"bptubeformer": "body_part_positions", "sttran": "frame_positions"}
            plain[positions.get(run["model"], "positions")] = value
        else:
            plain[name] = value
    return plain


def _of_block(name: str) -> str:
    """``...blocks.0.attention.qkv.weight`` -> ``0.qkv.weight``."""
    return name.partition("blocks.")[2].replace("attention.", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, run in RUNS.items()
        if run["model"] in PLAIN and run["coordinates"] == "pixels"
    ],
)
def test_outputs_and_gradients_are_those_of_the_plain_model(name):
    run = {**RUNS[name], "dropout": 0.0, "depth": 2}
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
