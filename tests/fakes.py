"""Records and segments that are made by hand: of no file, and of no training."""

from typing import Any

import numpy as np
import torch

from bptubeformer.data.segments import Segments

FINGERPRINT = "0123456789abcdef"
CONTENT = FINGERPRINT * 4
RECORD: dict[str, Any] = {
    "run": {"model": "ttran"},
    "training": {
        "learning_rate": 0.001, "batch_size": 1000, "max_epochs": 100,
        "early_stopping_patience": 3, "betas": [0.9, 0.98], "epsilon": 1e-9,
        "plateau_patience": 3, "plateau_factor": 0.1, "precision": "fp32", "seed": 0,
        "warmup_epochs": 0, "optimiser": "adam", "momentum": 0, "nesterov": False,
        "weight_decay": 0, "schedule": "plateau", "milestones": [], "loss": "cross-entropy",
        "label_smoothing": 0, "class_weights": False, "mixup": 0, "augmentation": [],
        "left_out": [], "start_from": None, "filters": "same", "epochs_of": [],
    },
    "micro_batch": 1000, "cuda_graphs": False, "split": "fold0.parquet",
    "segments": {"train": 10, "validation": 5}, "epochs": 10, "best_epoch": 7,
    "device": "cpu (x)", "visible_gpus": None, "threads": 1, "resumed_after_epochs": [],
    "ended": "2026-01-31T12:00:00+00:00", "seconds": 1800.0, "seconds_before_first_epoch": 1.0,
    "peak_memory_mb": {"host": 100.0},
    "fingerprints": {
        "data": FINGERPRINT, "code": FINGERPRINT, "split": FINGERPRINT, "model": CONTENT,
    },
    "versions": {"bptubeformer": "0", "python": "3", "torch": "2", "numpy": "2"},
}  # fmt: skip
"""A ``run.json``."""


def segments_of(seed: int, count: int = 60) -> Segments:
    """Two classes that differ in where they stand."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    frames = generator.normal(0, 1, (6 * count, 34)) + 3 * labels.repeat(6)[:, None]
    return Segments(
        frames=torch.from_numpy(frames.astype(np.float32)),
        starts=torch.arange(0, 6 * count, 6),
        labels=torch.from_numpy(labels),
        length=6,
    )
