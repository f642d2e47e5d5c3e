"""The stage that asks whether a model knows when it does not know; not in the paper.

Letters: N segments, C classes. Evidence, its uncertainty and the sources are in docs/fidelity.md.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from bptubeformer.data.segments import Segments
from bptubeformer.data.store import FrameStore
from bptubeformer.data.windows import window_starts
from bptubeformer.evaluation.inspection import sample_per_class
from bptubeformer.evaluation.tables import write_table
from bptubeformer.evaluation.trained import TrainedFold, TrainedFolds
from bptubeformer.kinds import CORRUPTIONS, ERROR, LEFT_OUT, UNLABELLED, Count, Seed
from bptubeformer.models.coordinates import box_of
from bptubeformer.study import CALIBRATION
from bptubeformer.training.forward import in_batches
from bptubeformer.training.recipe import evidence

BINS = 15
"""Of confidence, in the expected calibration error."""
MISSING = 0.5
"""Share of the joints that a corrupted segment lacks."""
NOISE = 0.1
"""Standard deviation of the noise of a corrupted segment, over the larger side of its box."""


def calibrate_folds(
    models: TrainedFolds,
    unlabelled: Path | None = None,
    step: Count = 1,
    per_class: Count = 500,
    seed: Seed = 0,
) -> None:
    """Measure the uncertainty of the models of folds; write calibration.csv into each folder.

    Args:
        models: of the folds.
        unlabelled: frame store of trajectories without a class.
        step: rows between the starts of two windows of these.
        per_class: test segments of each class, at most, that are corrupted; and as many unlabelled
            ones as of all classes.
        seed: of their choice and corruption.

    Raises:
        InputError: files do not belong together, or the device is not there.
    """
    others = None if unlabelled is None else FrameStore.load(unlabelled)
    for fold, place in models:
        calibrate_fold(fold, others, step, per_class, seed, place / CALIBRATION)


def calibrate_fold(
    fold: TrainedFold,
    others: FrameStore | None,
    step: int,
    per_class: int,
    seed: int,
    output: Path,
) -> None:
    """Write a row a measure: measure, value, segments."""
    loss = fold.training.get("loss", "cross-entropy")
    length = fold.run["segment_length"]

    def doubt_of(store: FrameStore, starts: np.ndarray) -> np.ndarray:
        segments = Segments.unlabelled(store, starts, length, fold.device)
        return uncertainty_of(_logits(fold, segments), loss).numpy()

    unknown = fold.store.of_classes(fold.training.get("left_out", ()))[fold.trajectory]
    known = np.flatnonzero(~unknown)
    logits = _logits(fold, fold.segments())
    doubt = uncertainty_of(logits, loss).numpy()
    labels = torch.from_numpy(fold.labels[known])
    error = multiclass_calibration_error(
        probabilities_of(logits[known], loss), labels, logits.shape[-1], BINS
    )
    rows: list[dict[str, Any]] = [_row(ERROR, float(error), len(known))]
    if unknown.any():
        rows.append(_row(LEFT_OUT, told_apart(doubt[unknown], doubt[known]), int(unknown.sum())))
    chosen = known[sample_per_class(fold.labels[known], per_class, seed)]
    for name in CORRUPTIONS:
        generator = torch.Generator(fold.device).manual_seed(seed)
        found = _logits(fold, fold.segments(chosen), name, generator)
        rows.append(
            _row(name, told_apart(uncertainty_of(found, loss).numpy(), doubt[chosen]), len(chosen))
        )
    if others is not None:
        starts, _ = window_starts(others.offsets, length, step)
        picked = np.random.default_rng(seed).permutation(starts)[: len(chosen)]
        strange = doubt_of(others, np.sort(picked)) if len(picked) else np.empty(0, doubt.dtype)
        rows.append(_row(UNLABELLED, told_apart(strange, doubt[chosen]), len(picked)))
    write_table(output, pd.DataFrame(rows))


def probabilities_of(logits: Tensor, loss: str) -> Tensor:
    """Return the probability of each class, float32 (N, C).

    Args:
        logits: float32 (N, C).
        loss: of the training.
    """
    if not loss.startswith("evidential"):
        return logits.softmax(dim=-1)
    concentration = 1 + evidence(logits, loss)
    return concentration / concentration.sum(dim=-1, keepdim=True)


def uncertainty_of(logits: Tensor, loss: str) -> Tensor:
    """Return the uncertainty of each prediction, float32 (N,), from 0 to 1.

    C over the sum of 1 + evidence; of a model without evidence, 1 - the largest probability.
    """
    if not loss.startswith("evidential"):
        return 1 - logits.softmax(dim=-1).amax(dim=-1)
    return logits.shape[-1] / (1 + evidence(logits, loss)).sum(dim=-1)


def told_apart(strange: np.ndarray, known: np.ndarray) -> float:
    """Return the area under the ROC curve of uncertainty: 0.5 by chance, 1 if told apart always.

    Args:
        strange: (n,), uncertainty of segments unlike those that were learned.
        known: (m,), of others.
    """
    if not (len(strange) and len(known)):
        return float("nan")
    truth = np.repeat([1, 0], [len(strange), len(known)])
    return float(roc_auc_score(truth, np.concatenate([strange, known])))


def corrupted(segments: Tensor, name: str, generator: torch.Generator) -> Tensor:
    """Return segments that no person moves like.

    Args:
        segments: float32 (B, T, V), pixels; a joint at 0, 0 is missing.
        name: one of ``CORRUPTIONS``.
        generator: of the device of the segments.
    """
    joints = segments.unflatten(-1, (-1, 2))
    device = segments.device
    if name == "missing joints":
        shape = (len(segments), 1, joints.shape[2], 1)
        kept = torch.rand(shape, generator=generator, device=device) >= MISSING
        return (joints * kept).flatten(-2)
    if name == "noise":
        there = (joints != 0).any(dim=-1, keepdim=True)
        low, high = box_of(joints, ~there, (-3, -2))
        size = NOISE * (high - low).amax(dim=-1, keepdim=True)
        noise = torch.randn(joints.shape, generator=generator, device=device)
        return (joints + size * noise * there).flatten(-2)
    order = torch.rand(segments.shape[:2], generator=generator, device=device).argsort(dim=1)
    return segments.gather(1, order.unsqueeze(-1).expand_as(segments))


def _logits(
    fold: TrainedFold,
    segments: Segments,
    corruption: str | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Logits float32 (N, C) of segments, corrupted where a generator is given, on the CPU."""

    def compute(batch: Tensor) -> Tensor:
        if corruption and generator:
            batch = corrupted(batch, corruption, generator)
        return fold.model(batch).float()

    return in_batches(compute, fold.model, segments).cpu()


def _row(measure: str, value: float, segments: int) -> dict[str, Any]:
    return {"measure": measure, "value": value, "segments": segments}
