"""The stage that asks how much of a segment gives its video away: a probe by retrieval.

Not in the paper. The video of a test segment is guessed to be that of the nearest other one; see
docs/fidelity.md. Letters: N segments, D values.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bptubeformer.data.store import video_of
from bptubeformer.evaluation.inference import embed
from bptubeformer.evaluation.inspection import sample_per_class
from bptubeformer.evaluation.tables import write_table
from bptubeformer.evaluation.trained import TrainedFold, TrainedFolds
from bptubeformer.kinds import Count, Seed
from bptubeformer.study import IDENTITY

CLASS_TOKEN, SEGMENT = "class token", "raw segment"
"""Representations between which distances are measured."""
ROWS_AT_A_TIME = 1000


def identify_folds(models: TrainedFolds, per_class: Count = 500, seed: Seed = 0) -> None:
    """Guess the videos of test segments of folds; write identity.csv into each folder.

    Args:
        models: of the folds.
        per_class: test segments of each class, at most.
        seed: of their choice.

    Raises:
        InputError: files do not belong together, or the device is not there.
    """
    for fold, place in models:
        identify_fold(fold, per_class, seed, place / IDENTITY)


def identify_fold(fold: TrainedFold, per_class: int, seed: int, output: Path) -> None:
    """Write a row a representation: segments, guessed (share), chance."""
    chosen = sample_per_class(fold.labels, per_class, seed)
    trajectory, starts = fold.trajectory[chosen], fold.starts[chosen]
    people = fold.store.trajectories
    videos = video_of(people)[trajectory]
    labels = fold.labels[chosen]
    segments = fold.segments(chosen)
    embedding, _ = embed(fold.model, segments)
    raw = segments[slice(None)][0].flatten(1)
    rows = [
        {
            "representation": name,
            **guesses(values, videos, labels, trajectory, starts, segments.length),
        }
        for name, values in ((CLASS_TOKEN, torch.from_numpy(embedding)), (SEGMENT, raw.cpu()))
    ]
    write_table(output, pd.DataFrame(rows))


def guesses(
    values: Tensor,
    videos: np.ndarray,
    labels: np.ndarray,
    trajectory: np.ndarray,
    starts: np.ndarray,
    length: int,
) -> dict[str, float]:
    """Guess the video of each segment by the nearest other one.

    One of the same trajectory has to begin at least ``length`` rows away: it shares no frame.

    Args:
        values: float32 (N, D), representation of each segment.
        videos: int64 (N,).
        labels: int64 (N,), class of each segment.
        trajectory: int64 (N,).
        starts: int64 (N,), first frame of each segment in the store.
        length: frames of a segment.

    Returns:
        ``segments`` that have another one of their video; the share ``guessed`` correctly; and by
        ``chance``: the mean share of their video in the segments that may be nearest, or
        (``chance_in_class``) in those of their class: a video is of one class.
    """
    correct: list[bool] = []
    chance: list[float] = []
    in_class: list[float] = []
    for begin in range(0, len(values), ROWS_AT_A_TIME):
        rows = slice(begin, begin + ROWS_AT_A_TIME)
        same_video = videos[rows, None] == videos
        near = (trajectory[rows, None] == trajectory) & (
            np.abs(starts[rows, None] - starts) < length
        )
        # The faster way, by a matrix product, loses the digits of nearly equal segments.
        exactly = "donot_use_mm_for_euclid_dist"
        distances = torch.cdist(values[rows], values, compute_mode=exactly).numpy()
        distances[near] = np.inf
        others = same_video & ~near
        of_class = labels[rows, None] == labels
        known = others.any(axis=1)
        nearest = distances.argmin(axis=1)
        correct += list(same_video[np.arange(len(nearest)), nearest][known])
        for found, others_of in ((chance, ~near), (in_class, of_class & ~near)):
            found += list((others.sum(axis=1) / np.maximum(others_of.sum(axis=1), 1))[known])
    return {
        "segments": len(correct),
        "guessed": float(np.mean(correct)) if correct else np.nan,
        "chance": float(np.mean(chance)) if chance else np.nan,
        "chance_in_class": float(np.mean(in_class)) if in_class else np.nan,
    }
