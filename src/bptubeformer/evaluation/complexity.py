"""Table 2: MACs and parameters of the models that are trained, counted by thop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import thop
import torch
from torch import Tensor, nn

from bptubeformer.evaluation.paper import printed
from bptubeformer.evaluation.tables import render
from bptubeformer.models import build_model
from bptubeformer.models.layers import ScaledDotProduct
from bptubeformer.skeleton import VALUES

GIGA, MEGA = 1e9, 1e6


@dataclass(frozen=True)
class Complexity:
    """Cost of one forward pass over a batch."""

    macs_thop: float
    """Multiply-accumulates as thop counts them: layers, not the matrix products of attention."""
    macs_with_attention: float
    """The same, and the two matrix products of every attention."""
    params_thop: float
    """Parameters as thop counts them: of layers, not tokens and positions. The paper's number."""
    params_trainable: float
    """All trainable parameters."""


def complexity(run: Mapping[str, Any], classes: int, batch_size: int) -> Complexity:
    """Count a run's model; on torch's meta device, which computes shapes and no numbers.

    Args:
        run: model and hyperparameters, as for ``build_model``.
        classes: number of classes.
        batch_size: segments of a batch. The paper's unit of 10^9 fits 1000 of them.
    """
    with torch.device("meta"):
        model = build_model(run, classes)
        batch = torch.zeros(batch_size, run["segment_length"], VALUES)
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    macs, params = thop.profile(model, inputs=(batch,), verbose=False)
    with torch.device("meta"):
        model = build_model(run, classes)
    with_attention, _ = thop.profile(
        model,
        inputs=(batch,),
        custom_ops={ScaledDotProduct: _count_attention},
        verbose=False,
    )
    return Complexity(macs, with_attention, params, trainable)


def _count_attention(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    """``q k^T`` and ``weights v``: N * N * d MACs each, for every segment and head."""
    query, key = inputs[0], inputs[1]
    module.total_ops += torch.tensor([2.0 * query.numel() * key.shape[-2]], dtype=torch.float64)


def complexity_table(
    runs: Mapping[str, Mapping[str, Any]],
    classes: int,
    batch_size: int,
) -> pd.DataFrame:
    """Table 2: MACs (10^9 for ``batch_size`` segments) and parameters (10^6), beside the paper's.

    Args:
        runs: each run's experiment, model and hyperparameters, by name.
        classes: number of classes.
        batch_size: segments of the batch that is counted.
    """
    rows = []
    for name, run in runs.items():
        model = {key: value for key, value in run.items() if key != "experiment"}
        paper = printed()["table_2"].get(name, {})
        counted = complexity(model, classes, batch_size)
        rows.append(
            {
                "run": name,
                "segment_length": run["segment_length"],
                "batch_size": batch_size,
                "macs_thop": counted.macs_thop / GIGA,
                "macs_with_attention": counted.macs_with_attention / GIGA,
                "params": counted.params_thop / MEGA,
                "params_trainable": counted.params_trainable / MEGA,
                "paper_macs": paper.get("macs", np.nan),
                "paper_params": paper.get("params", np.nan),
            }
        )
    return pd.DataFrame(rows)


def complexity_markdown(table: pd.DataFrame) -> str:
    """The complexity table for people: printed digits as in Table 2."""
    batch_size = table["batch_size"].iloc[0]
    shown = pd.DataFrame(
        {
            "Run": table["run"],
            "Segment length": table["segment_length"],
            "MACs": table["macs_thop"].map("{:.1f}".format),
            "MACs, paper": table["paper_macs"].map(_blank_or("{:.1f}")),
            "MACs with attention": table["macs_with_attention"].map("{:.1f}".format),
            "Parameters": table["params"].map("{:.1f}".format),
            "Parameters, paper": table["paper_params"].map(_blank_or("{:.1f}")),
            "All parameters": table["params_trainable"].map("{:.2f}".format),
        }
    )
    notes = [
        f"MACs in 10^9 for {batch_size} segments, parameters in millions, both as thop counts "
        "them: without the matrix products of attention, and without tokens and positions."
    ]
    return render("Table 2: complexity", shown, notes)


def _blank_or(form: str):
    return lambda value: "-" if np.isnan(value) else form.format(value)
