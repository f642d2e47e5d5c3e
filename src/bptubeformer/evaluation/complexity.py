"""Table 2: MACs and parameters of the models that are trained, counted by thop."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import thop
import torch
from torch import Tensor, nn

from bptubeformer.data.store import read_skeleton_of, read_trajectories
from bptubeformer.evaluation.tables import AS_PRINTED, render, write_table
from bptubeformer.models import build_model
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.layers import (
    ClassToken,
    Encoder,
    Product,
    ScaledDotProduct,
    StackedLayerNorm,
    StackedLinear,
)
from bptubeformer.models.tubelets import TubeletConvolution
from bptubeformer.skeleton import COCO_17, Skeleton
from bptubeformer.study import Study

GIGA, MEGA = 1e9, 1e6
MILLIJOULES = 4.6e-9
"""Of a multiply-accumulate in 45 nm: 4.6 pJ; from the ICPR 2024 volume (docs/fidelity.md)."""
TRANSFORMER = ["transformer", "tokens", "class_token", "width", "heads", "depth"]
REST = "other layers"
"""Stage of the modules that a model counts to no other."""


@dataclass(frozen=True)
class Complexity:
    """Cost of one forward pass over a batch."""

    macs_thop: float
    """Multiply-accumulates as thop counts them: layers, not products of two tensors."""
    macs_with_attention: float
    """The same, and the matrix products of attention and graphs."""
    params_thop: float
    """Parameters as thop counts them: of layers, not tokens and positions. The paper's number."""
    params_trainable: float
    """All trainable parameters."""
    stages: pd.DataFrame
    """stage, modules, macs_thop, macs_with_attention: where in the model the MACs arise."""
    transformers: pd.DataFrame
    """``TRANSFORMER``: of each encoder; the class token is one of the tokens."""


def complexity(
    run: Mapping[str, Any], classes: int, batch_size: int, skeleton: Skeleton = COCO_17
) -> Complexity:
    """Count a run's model; on torch's meta device, which computes shapes and no numbers.

    Args:
        run: model and hyperparameters, as for ``build_model``.
        classes: number of classes.
        batch_size: segments of a batch. The paper's unit of 10^9 fits 1000 of them.
        skeleton: whose joints a frame has.
    """
    with torch.device("meta"):
        batch = torch.zeros(batch_size, run["segment_length"], skeleton.values)
        model = build_model(run, classes, skeleton)
    transformers = _watch_transformers(model)
    macs, params, info = thop.profile(
        model, inputs=(batch,), custom_ops=dict(OWN_LAYERS), verbose=False, ret_layer_info=True
    )
    counted = dict(_flatten(info))
    leaves = {name: m for name, m in model.named_modules() if not list(m.children())}
    layers = {name: counted.get(name, 0.0) for name in leaves}
    products = {name for name, leaf in leaves.items() if isinstance(leaf, PRODUCTS)}
    stages = [
        {
            "stage": stage,
            "modules": _kinds(model, names),
            "macs_thop": sum(layers[name] for name in names if name not in products),
            "macs_with_attention": sum(layers[name] for name in names),
        }
        for stage, names in _by_stage(model, layers).items()
    ]
    return Complexity(
        macs_thop=macs - sum(layers[name] for name in products),
        macs_with_attention=macs,
        params_thop=params,
        params_trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
        stages=pd.DataFrame(stages),
        transformers=pd.DataFrame(transformers, columns=TRANSFORMER),
    )


def _flatten(info: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, (macs, _, inside) in info.items():
        yield f"{prefix}{name}", macs
        yield from _flatten(inside, f"{prefix}{name}.")


def _by_stage(model: Classifier, layers: Mapping[str, float]) -> dict[str, list[str]]:
    """Leaf modules of each stage of a model; what belongs to none is the rest."""
    stages: dict[str, list[str]] = {stage: [] for stage in (*model.stages, REST)}
    for name in layers:
        stage = next(
            (
                stage
                for stage, modules in model.stages.items()
                if any(f"{name}.".startswith(f"{module}.") for module in modules)
            ),
            REST,
        )
        stages[stage].append(name)
    return stages


def _kinds(model: nn.Module, names: list[str]) -> str:
    """Return the layers of a stage: ``5 Conv3d``."""
    kinds = Counter(type(model.get_submodule(name)).__name__ for name in names)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _watch_transformers(model: Any) -> list[dict[str, Any]]:
    """Return a list to which a forward pass adds every encoder, with the tokens it was given."""
    names = {module: name for name, module in model.named_modules()}
    with_class_token: list[Tensor] = []
    rows: list[dict[str, Any]] = []

    def see_class_token(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        with_class_token.append(output)

    def see_encoder(module: Encoder, inputs: tuple[Any, ...]) -> None:
        tokens, name = inputs[0], names[module]
        each = [name] if module.groups is None else [f"{name}.{part}" for part in model.parts]
        rows.extend(
            {
                "transformer": transformer,
                "tokens": tokens.shape[-2],
                "class_token": any(tokens is output for output in with_class_token),
                "width": tokens.shape[-1],
                "heads": module.heads,
                "depth": len(module.blocks),
            }
            for transformer in each
        )

    for module in model.modules():
        if isinstance(module, ClassToken):
            module.register_forward_hook(see_class_token)
        elif isinstance(module, Encoder):
            module.register_forward_pre_hook(see_encoder)
    return rows


def _count(module: nn.Module, macs: int) -> None:
    """Add to what thop has counted for a module."""
    module.get_buffer("total_ops").add_(float(macs))


def _count_products(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    """An output of a linear layer or a convolution takes one MAC a weight, without the bias."""
    # (groups, outputs, ...): what is left are the weights of one output.
    weight: Tensor = module.get_parameter("weight")
    _count(module, output.numel() * weight[0, 0].numel())


def _count_norm(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    """As thop counts a layer norm with weights: 4 an element."""
    _count(module, 4 * output.numel())


def _count_attention(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    """``q k^T`` and ``weights v``: N * N * d MACs each, for every segment and head."""
    query, key = inputs[0], inputs[1]
    _count(module, 2 * query.numel() * key.shape[-2])


def _count_product(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
    """A matrix product takes one MAC an element of the output and term of its sum."""
    _count(module, output.numel() * inputs[0].shape[-1])


PRODUCTS = (ScaledDotProduct, Product)
"""Products of tensors, which thop does not count."""
OWN_LAYERS = {
    TubeletConvolution: _count_products,
    StackedLinear: _count_products,
    StackedLayerNorm: _count_norm,
    ScaledDotProduct: _count_attention,
    Product: _count_product,
}
"""Counters of this package's layers: MACs of torch's layers that they replace, and products."""


@dataclass(frozen=True)
class ComplexityTables:
    """The cost of all runs, from three sides; MACs in 10^9 for ``batch_size`` segments."""

    runs: pd.DataFrame
    """Table 2: a run a row, beside the paper's; parameters in millions."""
    stages: pd.DataFrame
    """run, stage, modules, macs_thop, macs_with_attention."""
    transformers: pd.DataFrame
    """run, transformer, tokens, class_token, width, heads, depth."""


def complexity_tables(
    runs: Mapping[str, Mapping[str, Any]],
    classes: int,
    batch_size: int,
    printed: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
    skeleton: Skeleton = COCO_17,
) -> ComplexityTables:
    """Count all runs.

    Args:
        runs: each run's experiment, model and hyperparameters, by name.
        classes: number of classes.
        batch_size: segments of the batch that is counted.
        printed: the paper's macs and params of a run, by name.
        skeleton: whose joints a frame has.
    """
    rows, stages, transformers = [], [], []
    for name, run in runs.items():
        model = {key: value for key, value in run.items() if key != "experiment"}
        paper = printed.get(name, {})
        counted = complexity(model, classes, batch_size, skeleton)
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
                "energy_mj": counted.macs_with_attention / batch_size * MILLIJOULES,
            }
        )
        scaled = counted.stages[["macs_thop", "macs_with_attention"]] / GIGA
        stages.append(counted.stages.assign(**scaled).assign(run=name))
        transformers.append(counted.transformers.assign(run=name))
    return ComplexityTables(
        pd.DataFrame(rows), _run_first(pd.concat(stages)), _run_first(pd.concat(transformers))
    )


def write_complexity(study: Study, output: Path) -> None:
    """Write Table 2: MACs and parameters of all runs, the paper's, and where they arise.

    Args:
        study: whose runs are counted.
        output: complexity.csv; the tables of stages, ratios and transformers are written to the
            same folder.
    """
    _, categories = read_trajectories(study.store)
    tables = complexity_tables(
        study.counted,
        len(categories),
        study.batch_size,
        study.printed["complexity"],
        read_skeleton_of(study.store),
    )
    ratios = ratios_table(tables.runs)
    write_table(output, tables.runs, complexity_markdown(tables, ratios))
    write_table(output.with_name("complexity_stages.csv"), tables.stages)
    write_table(output.with_name("complexity_ratios.csv"), ratios)
    write_table(output.with_name("transformers.csv"), tables.transformers)


def _run_first(table: pd.DataFrame) -> pd.DataFrame:
    return table[["run", *table.columns.drop("run")]]


RATIOS = (
    (AS_PRINTED, "ST-Tran", "BPT-V2"),
    ("at 24 frames", "ST-Tran-T24", "BPT-V2"),
    ("at 60 frames", "ST-Tran", "BPT-V2-T60"),
)
"""Pairs of runs whose costs are compared: those of the paper, and at equal segment length."""


def ratios_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Divide the baseline's costs by those of BPT-V2; only the first row is in the paper.

    Args:
        runs: ``ComplexityTables.runs``.

    Returns:
        columns comparison, baseline, run, ratio_thop, ratio_with_attention, ratio_params.
    """
    costs = runs.set_index("run")
    columns = {"ratio_thop": "macs_thop", "ratio_with_attention": "macs_with_attention"}
    columns |= {"ratio_params": "params"}
    rows = [
        {"comparison": comparison, "baseline": baseline, "run": run}
        | {name: costs.at[baseline, cost] / costs.at[run, cost] for name, cost in columns.items()}
        for comparison, baseline, run in RATIOS
        if {baseline, run} <= set(costs.index)
    ]
    return pd.DataFrame(rows, columns=["comparison", "baseline", "run", *columns])


def complexity_markdown(tables: ComplexityTables, ratios: pd.DataFrame) -> str:
    """The tables for people: printed digits as in Table 2."""
    table = tables.runs
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
            "Energy": table["energy_mj"].map("{:.3g}".format),
        }
    )
    notes = [
        f"MACs in 10^9 for {batch_size} segments, parameters in millions, both as thop counts "
        "them: without the matrix products of attention and of graphs, and without tokens and "
        "positions. MACs with attention have both kinds of products. Energy in millijoules a "
        "segment: these MACs at 4.6 pJ each, in 45 nm; memory is not counted."
    ]
    pages = [render("Table 2: complexity", shown, notes)]
    if len(ratios):
        compared = pd.DataFrame(
            {
                "Comparison": ratios["comparison"],
                "Baseline": ratios["baseline"],
                "Run": ratios["run"],
                "MACs": ratios["ratio_thop"].map("{:.1f} times".format),
                "MACs with attention": ratios["ratio_with_attention"].map("{:.1f} times".format),
                "Parameters": ratios["ratio_params"].map("{:.2f} times".format),
            }
        )
        notes = ["How many times the run's cost the baseline takes."]
        pages.append(
            render("The baseline over BPT-V2, also at equal segment length", compared, notes)
        )
    by_stage = tables.stages.pivot(index="run", columns="stage", values="macs_thop")
    by_stage = by_stage.loc[table["run"], tables.stages["stage"].unique()]
    arises = by_stage.map("{:.2f}".format).reset_index().rename(columns={"run": "Run"})
    notes = [
        f"MACs in 10^9 for {batch_size} segments. First transformer: over the tubelets of each "
        "body part (ST-Tran: the joints of a frame); second: over the body parts (ST-Tran: frames)."
    ]
    pages.append(render("Where the MACs arise", arises, notes))
    return "\n".join(pages)


def _blank_or(form: str) -> Callable[[float], str]:
    return lambda value: "-" if np.isnan(value) else form.format(value)
