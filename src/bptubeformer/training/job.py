"""One job: train one run on one fold, and write what came of it."""

import json
import platform
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import bptubeformer
from bptubeformer.atomic import write_csv, write_text
from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import Split
from bptubeformer.data.trajectories import FrameStore
from bptubeformer.fingerprint import command_fingerprint
from bptubeformer.models import build_model, save_model
from bptubeformer.training.device import choose_device
from bptubeformer.training.loop import Epoch, TrainingSettings, seed_everything, train


def train_fold(
    store_file: Path,
    split_file: Path,
    run: Mapping[str, Any],
    settings: TrainingSettings,
    device_name: str,
    threads: int,
    output: Path,
) -> None:
    """Train a model and write ``model.safetensors``, ``history.csv`` and ``run.json``.

    Args:
        store_file: the frame store.
        split_file: windows of the fold.
        run: model and hyperparameters, as for ``build_model``.
        settings: of the training.
        device_name: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        threads: CPU threads of torch.
        output: the fold's folder; its last three names label the progress lines.
    """
    began = time.perf_counter()
    torch.set_num_threads(threads)
    device = choose_device(device_name)
    seed_everything(settings.seed)
    store, split = FrameStore.load(store_file), Split.load(split_file)
    length = run["segment_length"]
    starts, trajectory = split.windows("train")
    train_segments = Segments.of(store, starts, trajectory, length, device)
    starts, trajectory = split.windows("validation")
    validation_segments = train_segments.choose(starts, store.labels[trajectory])
    model = build_model(run, len(store.categories)).to(device)
    label = "/".join(output.parts[-3:])
    print(
        f"{label}: {len(train_segments)} training and {len(validation_segments)} validation "
        f"segments of {length} frames on {device}",
        flush=True,
    )

    def report(epoch: Epoch) -> None:
        print(
            f"{label}: epoch {epoch.epoch}/{settings.max_epochs}"
            f"  training loss {epoch.train_loss:.4f}  validation loss {epoch.validation_loss:.4f}"
            f"  validation accuracy {epoch.validation_accuracy:.4f}  {epoch.seconds:.1f} s"
            f"{'  best' if epoch.best else ''}",
            flush=True,
        )

    training = train(model, train_segments, validation_segments, settings, report)
    model.load_state_dict(training.weights)
    output.mkdir(parents=True, exist_ok=True)
    save_model(output / "model.safetensors", model, run, store.categories)
    write_csv(output / "history.csv", pd.DataFrame(training.rows()))
    record = {
        "run": dict(run),
        "training": vars(settings),
        "split": str(split_file),
        "segments": {"train": len(train_segments), "validation": len(validation_segments)},
        "epochs": len(training.history),
        "best_epoch": training.best.epoch,
        "device": _device_name(device),
        "threads": threads,
        "seconds": time.perf_counter() - began,
        "peak_memory_mb": _peak_memory_mb(device),
        "fingerprints": {
            "data": store.fingerprint,
            "code": command_fingerprint("train", run["model"]),
        },
        "versions": {
            "bptubeformer": bptubeformer.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }
    write_text(output / "run.json", json.dumps(record, indent=1) + "\n")
    print(f"{label}: best epoch {training.best.epoch} of {len(training.history)}", flush=True)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()})"


def _peak_memory_mb(device: torch.device) -> dict[str, float]:
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.type == "cuda":
        peak["device"] = torch.cuda.max_memory_allocated(device) / 1e6
    return peak
