"""Measure the first steps of a training, in raw pixels, with a warm-up and in other coordinates.

    uv run python benchmarks/plateau.py results/<dataset>/data/frames.safetensors [<steps>]

Prints a table: the loss, the gradients of each stage, how much the embeddings of segments differ,
and the share of attention that looks at one token alone. The steps are those of a training: batches
of 100, Adam, the learning rate of the paper. The data is that of fold 0 under ``video``.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bptubeformer.config import model_of, written_out
from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import make_splits
from bptubeformer.data.store import FrameStore
from bptubeformer.models import build_model
from bptubeformer.models.classifier import Classifier
from bptubeformer.sections import parsed_yaml
from bptubeformer.settings import SplitSettings, TrainingSettings
from bptubeformer.training.loop import make_optimiser, seed_everything, set_rate
from bptubeformer.training.step import Step

RUNS = ("BPT-V2", "T-Tran")
WAYS: Mapping[str, tuple[str, int]] = {
    "pixels": ("pixels", 0), "pixels, warm-up": ("pixels", 100), "box": ("box", 0),
}  # fmt: skip
"""Coordinates, and steps in which the learning rate rises from 0."""
BATCH, PROBE, STEP, SMOOTHED = 100, 60, 2, 10
LEFT = 0.9
"""Of the logarithm of the number of classes: the plateau has been left below it."""
ALONE = 0.99
"""Weight from which attention looks at one token alone."""


@dataclass
class Course:
    """Measurements of the first steps of a training."""

    losses: list[float]
    gradients: dict[str, float]
    """Norm of the gradient of each stage at the first step."""
    alone: list[float]
    """Share of attention that looks at one token alone: before the first step, and at the end."""
    spread: list[float]
    """Distance of embeddings from their mean, over the norm of the mean: before, and at the end."""
    chance: float
    """Logarithm of the number of classes."""

    @property
    def left_at(self) -> int | None:
        """Step at which the mean loss of ten steps is below the plateau; None: never."""
        means = np.convolve(self.losses, np.full(SMOOTHED, 1 / SMOOTHED), "valid")
        below = np.flatnonzero(means < LEFT * self.chance)
        return int(below[0]) + SMOOTHED if len(below) else None


def course(run: Mapping[str, Any], store: FrameStore, warm_up: int, steps: int) -> Course:
    """Take the first steps of a training of fold 0 under the protocol ``video``."""
    seed_everything(0)
    length = run["segment_length"]
    split = make_splits(store, "video", length, STEP, SplitSettings())[0]
    segments = Segments.of(store, *split.windows("train"), length, torch.device("cpu"))
    model = build_model(run, len(store.categories), store.skeleton)
    optimiser = make_optimiser(model, settings := TrainingSettings())
    order = torch.randperm(len(segments), generator=torch.Generator().manual_seed(0))
    probe = segments[order[:PROBE]][0]
    chance = math.log(len(store.categories))
    found = Course([], {}, [looks_at_one(model, probe)], [spread(model, probe)], chance)
    step = Step(model.train(), optimiser, segments, BATCH, settings.precision)
    for number in range(steps):
        set_rate(optimiser, settings.learning_rate * min(1.0, (number + 1) / max(warm_up, 1)))
        batch = torch.arange(BATCH * number, BATCH * (number + 1)) % len(order)
        found.losses.append(step(order[batch]).item())
        if not number:
            found.gradients = gradients(model)
    found.alone.append(looks_at_one(model, probe))
    found.spread.append(spread(model, probe))
    return found


def gradients(model: Classifier) -> dict[str, float]:
    """Return the norm of the gradient of each stage, and of the head."""
    parts = {**model.stages, "head": ["head"]}
    return {
        stage: math.hypot(*(
            parameter.grad.norm().item()
            for name in names for parameter in model.get_submodule(name).parameters()
            if parameter.grad is not None
        ))
        for stage, names in parts.items()
    }  # fmt: skip


@torch.no_grad()
def looks_at_one(model: Classifier, segments: Tensor) -> float:
    """Return the share of the rows of all attention matrices whose largest weight is nearly 1."""
    attention: dict[str, list[Tensor]] = {}
    model.eval().embed(segments, attention)
    weights = [layer.amax(dim=-1).flatten() for layers in attention.values() for layer in layers]
    return (torch.cat(weights) > ALONE).float().mean().item()


@torch.no_grad()
def spread(model: Classifier, segments: Tensor) -> float:
    """Return the mean distance of embeddings from their mean, over the norm of that mean."""
    embedding = model.eval().embed(segments)
    mean = embedding.mean(dim=0)
    return ((embedding - mean).norm(dim=-1).mean() / mean.norm()).item()


def main(path: str, steps: str = "300") -> None:
    """Print the table."""
    config = written_out(parsed_yaml(Path("config.yaml").read_text(encoding="utf-8")))
    store = FrameStore.load(Path(path))
    rows = []
    for name in RUNS:
        for way, (coordinates, warm_up) in WAYS.items():
            run = {**model_of(config, name), "coordinates": coordinates}
            found = course(run, store, warm_up, int(steps))
            rows.append(
                {
                    "Run": name,
                    "Coordinates": way,
                    "Loss of the first step": f"{found.losses[0]:.2f}",
                    "of the last ten": f"{np.mean(found.losses[-SMOOTHED:]):.2f}",
                    f"Below {LEFT} ln C at step": found.left_at or "-",
                    **{
                        f"Gradient: {stage}": f"{norm:.2g}" if norm else "-"
                        for stage, norm in found.gradients.items()
                    },
                    "Embeddings differ by": " to ".join(f"{share:.2f}" for share in found.spread),
                    "Attention to one token": " to ".join(f"{share:.0%}" for share in found.alone),
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))
    print(f"\n{len(store.categories)} classes: ln C is {math.log(len(store.categories)):.2f}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
