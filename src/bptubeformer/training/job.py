"""One job: train one run on one fold, and write what came of it."""

import json
import os
import platform
import resource
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import bptubeformer
from bptubeformer.atomic import write_csv, write_text
from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import Split
from bptubeformer.data.store import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.fingerprint import stage_fingerprint
from bptubeformer.kinds import Index
from bptubeformer.locks import alone_in
from bptubeformer.models import build_model
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.files import TrainedModel, read_content, save_model
from bptubeformer.settings import DEFAULT_TRAINING, TrainingSettings
from bptubeformer.skeleton import COCO_17, Skeleton
from bptubeformer.study import HISTORY, MODEL, RECORD, of_fold
from bptubeformer.training.checkpoint import FILE, Checkpoint
from bptubeformer.training.device import DEFAULT_MACHINE, Machine, choose_device, name_of
from bptubeformer.training.loop import Epoch, seed_everything, train
from bptubeformer.training.precision import check_precision
from bptubeformer.training.recipe import Recipe
from bptubeformer.training.scalars import Scalars
from bptubeformer.training.start import folder_of, resolved, start_from


def train_folds(
    store: Path,
    splits: Path,
    run: dict[str, Any],
    output: Path,
    training: TrainingSettings = DEFAULT_TRAINING,
    folds: list[Index] | None = None,
    checkpoint_seconds: Index = 0,
    machine: Machine = DEFAULT_MACHINE,
    tensorboard: Path | None = None,
    others: Path | None = None,
) -> None:
    """Train one run on folds, one after the other.

    Args:
        store: frame store, written by ingest.
        splits: folder with fold<k>.parquet, written by split.
        run: model and hyperparameters, as in config.yaml.
        output: folder of a fold, with {fold} for its number; model.safetensors, history.csv and
            run.json are written there.
        training: training settings, as in config.yaml.
        folds: numbers of the folds; left out: the first.
        checkpoint_seconds: time between checkpoints; 0 for one after each epoch.
        machine: where it is trained.
        tensorboard: folder for the scalars of a fold, with {fold} for its number.
        others: folder of a fold of another run, with {run} and {fold}: those that the training
            starts from, or whose epochs it has.

    Raises:
        InputError: as for ``train_fold``.
    """
    folds = folds or [0]
    for fold in folds:
        train_fold(
            store, splits / f"fold{fold}.parquet", run, training, machine.device,
            machine.threads, of_fold(output, fold), machine.slots_per_gpu, checkpoint_seconds,
            final=len(folds) == 1,
            tensorboard=of_fold(tensorboard, fold) if tensorboard else None,
            others=of_fold(others, fold) if others else None,
        )  # fmt: skip
    for fold in folds:
        Checkpoint(of_fold(output, fold) / FILE).remove()


def train_fold(
    store_file: Path,
    split_file: Path,
    run: Mapping[str, Any],
    settings: TrainingSettings,
    device_name: str,
    threads: int,
    output: Path,
    slots_per_gpu: int = 1,
    checkpoint_seconds: float = 0,
    final: bool = True,
    tensorboard: Path | None = None,
    others: Path | None = None,
) -> None:
    """Train a model and write ``model.safetensors``, ``history.csv`` and ``run.json``.

    Where memory is too short for a batch, its gradients are summed over smaller micro-batches;
    ``run.json`` records their size.

    Args:
        store_file: the frame store.
        split_file: windows of the fold.
        run: model and hyperparameters, as for ``build_model``.
        settings: of the training.
        device_name: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        threads: CPU threads of torch.
        output: the fold's folder; its last three names label the progress lines.
        slots_per_gpu: jobs that share a GPU.
        checkpoint_seconds: after which the state of the training is written, when an epoch ends.
        final: False if the checkpoint is kept: the job goes on with other folds, and an interrupted
            job loses its outputs.
        tensorboard: folder for scalars; None writes none.
        others: folder of the fold of another run, with {run} for its name.

    Raises:
        InputError: the device or the precision is not there, the split is not of the store, memory
            is too short for one segment, the loss is no longer finite, or another process
            trains the same fold. The checkpoint holds the last whole epoch.
    """
    began = time.perf_counter()
    torch.set_num_threads(threads)
    device = choose_device(device_name, slots_per_gpu)
    check_precision(settings.precision, device)
    store, split = FrameStore.load(store_file), Split.load(split_file)
    settings = resolved(replace(settings, seed=settings.seed + split.seed), others)
    with torch.device("meta"):
        built(run, len(store.categories), store.skeleton)
    length = run["segment_length"]
    split.check(store, length, split_file)
    left_out = store.of_classes(settings.left_out)
    starts, trajectory = split.windows("train", left_out)
    train_segments = Segments.of(store, starts, trajectory, length, device)
    starts, trajectory = split.windows("validation", left_out)
    validation_segments = train_segments.choose(starts, store.labels[trajectory])
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
        if scalars:
            scalars.add(epoch)

    def say(line: str) -> None:
        print(f"{label}: {line}", flush=True)

    fingerprints = {
        "data": store.fingerprint,
        "code": stage_fingerprint(__name__, run["model"]),
        "split": split.fingerprint,
    }
    if settings.start_from is not None:
        start = folder_of(others, settings.start_from)
        fingerprints["start"] = read_content(start / MODEL)
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = Checkpoint(output / FILE, say, checkpoint_seconds)
    checkpoint.settings = {
        "run": dict(run),
        "training": vars(settings),
        "device": device.type,
        "threads": threads,
        "torch": torch.__version__,
        **fingerprints,
    }
    with alone_in(output, "trains this fold"), checkpoint.written_at_the_end():
        begun = checkpoint.load()
        scalars = None
        if tensorboard:
            earlier_epochs = begun[1]["history"] if begun else []
            scalars = Scalars(tensorboard, [Epoch(**row) for row in earlier_epochs])
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        seed_everything(settings.seed)
        model = built(run, len(store.categories), store.skeleton).to(device)
        if settings.start_from is not None:
            start_from(model, start, settings.filters)
        else:
            model.adapt(
                train_segments[slice(first, first + settings.batch_size)][0]
                for first in range(0, len(train_segments), settings.batch_size)
            )
        recipe = Recipe.of(settings, train_segments, len(store.categories), store.skeleton)
        ready = time.perf_counter() - began
        training = train(
            model, train_segments, validation_segments, settings, report, checkpoint, begun, say,
            recipe,
        )  # fmt: skip
        model.load_state_dict(training.weights)
        save_model(
            output / MODEL,
            TrainedModel(
                model=model,
                run=dict(run),
                categories=list(store.categories),
                data=store.fingerprint,
                skeleton=store.skeleton,
                extent=store.extent(),
                training=vars(settings),
                split=split.fingerprint,
            ),
        )
        fingerprints["model"] = read_content(output / MODEL)
        write_csv(output / HISTORY, pd.DataFrame(training.rows()))
        # What earlier processes trained counts as far as it was kept.
        kept = training.resumed_after[-1] if training.resumed_after else 0
        earlier = sum(epoch.seconds for epoch in training.history[:kept])
        record = {
            "run": dict(run),
            "training": vars(settings),
            "micro_batch": training.micro_batch,
            "cuda_graphs": training.captured,
            "split": str(split_file),
            "segments": {"train": len(train_segments), "validation": len(validation_segments)},
            "epochs": len(training.history),
            "best_epoch": training.best.epoch,
            "device": name_of(device),
            "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "threads": threads,
            "resumed_after_epochs": training.resumed_after,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": earlier + time.perf_counter() - began,
            "seconds_before_first_epoch": ready,
            "peak_memory_mb": _peak_memory_mb(device),
            "fingerprints": fingerprints,
            "versions": {
                "bptubeformer": bptubeformer.__version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
            },
        }
        write_text(output / RECORD, json.dumps(record, indent=1) + "\n")
        if scalars:
            scalars.close()
        if final:
            checkpoint.remove()
        else:
            checkpoint.write()
        print(f"{label}: best epoch {training.best.epoch} of {len(training.history)}", flush=True)


def built(run: Mapping[str, Any], classes: int, skeleton: Skeleton = COCO_17) -> Classifier:
    """The model of a run.

    Raises:
        InputError: there is none.
    """
    try:
        model = build_model(run, classes, skeleton)
        if "segment_length" not in run:
            raise ValueError("it names no segment_length")
        return model
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"run {dict(run)}: {error}; see runs in config.yaml") from error


def _peak_memory_mb(device: torch.device) -> dict[str, float]:
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.type == "cuda":
        peak["device_allocated"] = torch.cuda.max_memory_allocated(device) / 1e6
        # Memory of CUDA graphs is reserved, not allocated.
        peak["device_reserved"] = torch.cuda.max_memory_reserved(device) / 1e6
    return peak
