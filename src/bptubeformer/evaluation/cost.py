"""The cost of a sweep, before any training: windows, MACs, time and memory of each run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from bptubeformer.checks import check_config
from bptubeformer.config import studies_of
from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import Split
from bptubeformer.data.store import FrameStore
from bptubeformer.evaluation.complexity import complexity
from bptubeformer.evaluation.tables import render, write_table
from bptubeformer.kinds import Count
from bptubeformer.models import build_model
from bptubeformer.settings import SEARCHES, TrainingSettings
from bptubeformer.skeleton import COCO_17, Skeleton
from bptubeformer.study import MODEL, Study
from bptubeformer.training.device import DEFAULT_MACHINE, Machine, name_of
from bptubeformer.training.forward import predict
from bptubeformer.training.loop import make_optimiser
from bptubeformer.training.memory import bytes_of_segment, release_memory
from bptubeformer.training.precision import check_precision
from bptubeformer.training.search import POSITIONS, SEGMENTS
from bptubeformer.training.step import EAGER_STEPS, Step

WARM_UP_STEPS = EAGER_STEPS + 2
"""Steps before time is taken; a CUDA graph is captured within them."""
MEASURED_SECONDS = 1.0
"""Steps are measured for at least so long, and at least so many:"""
MEASURED_STEPS = 3
FORWARD_AND_BACKWARD = 3
"""MACs of a training step over those of a forward pass: the backward pass has two products for
each of the forward pass."""


@dataclass(frozen=True)
class Speed:
    """The speed of a run's model on a device, and its memory."""

    micro_batch: int
    """Segments of which gradients are computed at a time; less than a batch where memory is short
    (a GPU) or caches are small (a CPU)."""
    train: float
    """Segments a second, trained."""
    predict: float
    """Segments a second, classified."""
    memory: float
    """Peak bytes while training: of a GPU, what torch took; of a CPU, of the tensors."""


def measure(
    run: Mapping[str, Any],
    settings: TrainingSettings,
    segments: Segments,
    classes: int,
    skeleton: Skeleton = COCO_17,
) -> Speed:
    """Train a fresh model for a few steps and take the time.

    Args:
        run: model and hyperparameters, as for ``build_model``.
        settings: batch size and precision, as in the training.
        segments: on the device where the sweep is to run.
        classes: number of classes.
        skeleton: whose joints a frame has.
    """
    device = segments.frames.device
    model = build_model(run, classes, skeleton).to(device).train()
    size = min(settings.batch_size, len(segments))
    step = Step(model, make_optimiser(model, settings), segments, size, settings.precision)
    if device.type == "cpu":
        # On a CPU a batch is a sum of micro-batches: one of them tells the speed of all.
        size = step.batch_size = min(size, step.micro_batch)
    else:
        release_memory()
        torch.cuda.reset_peak_memory_stats(device)
    index = torch.arange(size, device=device)
    for _ in range(WARM_UP_STEPS if device.type == "cuda" else 1):
        step(index)
    # The last batch of an epoch is smaller: on a GPU, it has memory of its own beside the graph's.
    if size > 1:
        step(index[:-1])
    trained, seconds = 0, 0.0
    while trained < MEASURED_STEPS or seconds < MEASURED_SECONDS:
        seconds += _seconds(lambda: step(index), device)
        trained += 1
    if device.type == "cuda":
        memory = float(torch.cuda.max_memory_reserved(device))
    else:
        memory = _tensor_bytes(model, segments, size)
    some = Segments(segments.frames, segments.starts[:size], segments.labels[:size],
                    segments.length)  # fmt: skip
    predict(model, some, settings.precision)
    classified = _seconds(lambda: predict(model, some, settings.precision), device)
    return Speed(step.micro_batch, trained * size / seconds, size / classified, memory)


def _seconds(work: Any, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _tensor_bytes(model: torch.nn.Module, segments: Segments, size: int) -> float:
    """Frames, windows, weights with gradients and two moments, and what is kept for backward."""
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    windows = [segments.frames, segments.starts, segments.labels]
    data = sum(tensor.numel() * tensor.element_size() for tensor in windows)
    return data + 4.0 * weights + size * bytes_of_segment(model, segments)


def write_cost(
    store: Path,
    splits: Path,
    config: dict[str, Any],
    output: Path,
    epochs: Count = 15,
    jobs: Count = 1,
    machine: Machine = DEFAULT_MACHINE,
) -> None:
    """Estimate windows, MACs, time and memory of all runs on this device, before any training.

    Args:
        store: frame store, written by ingest.
        splits: folder with <protocol>/T<length>/fold<k>.parquet.
        config: the configuration, as JSON or YAML; the runs of all studies are measured.
        output: cost.csv; .md is written to the same folder.
        epochs: epochs of a training to reckon with.
        jobs: trainings that run at a time.
        machine: where they are measured.

    Raises:
        InputError: the configuration is not valid, or the device is not there.
    """
    device = machine.choose()
    studies = list(studies_of(check_config(config)).values())
    table = cost_table(FrameStore.load(store), splits, studies, device, epochs)
    text = cost_markdown(table, studies, device, jobs)
    write_table(output, table, text)
    print(text)


def epochs_of(settings: TrainingSettings, epochs: int) -> int:
    """Return the epochs that a training is taken to have.

    Args:
        settings: of the training.
        epochs: of one that stops early; nobody knows them before.
    """
    if settings.epochs_of:
        return epochs * len(settings.epochs_of)
    never = settings.early_stopping_patience >= settings.max_epochs
    return settings.max_epochs if never else min(epochs, settings.max_epochs)


def cost_table(
    store: FrameStore,
    splits: Path,
    studies: Sequence[Study],
    device: torch.device,
    epochs: int,
) -> pd.DataFrame:
    """Measure the cost of every run of some studies on a device.

    Args:
        store: the dataset.
        splits: folder with ``<protocol>/T<length>/fold<k>.parquet``.
        studies: whose runs are measured.
        device: where the sweep is to run.
        epochs: epochs of a training, which nobody knows before; at most a run's ``max_epochs``.

    Returns:
        a row a run: run, segment_length, batch_size, micro_batch, precision, train_windows,
        validation_windows, test_windows (of fold 0 under the protocol of its first study),
        macs_epoch (10^12, forward and backward), seconds_epoch, epochs, trainings, hours,
        memory_gb.
    """
    rows = []
    for name in dict.fromkeys(run for study in studies for run in study.runs):
        study = next(study for study in studies if name in study.runs)
        run = {key: value for key, value in study.runs[name].items() if key != "experiment"}
        settings = TrainingSettings(**study.training[name])
        check_precision(settings.precision, device)
        length = run["segment_length"]
        split = Split.load(splits / study.protocol / f"T{length}" / "fold0.parquet")
        if absent := set(settings.left_out) - set(store.categories):
            print(f"{name}: not measured; no such classes: {', '.join(sorted(absent))}")
            continue
        left_out = store.of_classes(settings.left_out)
        windows = {part: split.windows(part, left_out) for part in ("train", "validation")}
        windows["test"] = split.windows("test")
        segments = Segments.of(store, *windows["train"], length, device)
        speed = measure(run, settings, segments, len(store.categories), store.skeleton)
        counts = {part: len(starts) for part, (starts, _) in windows.items()}
        passes = FORWARD_AND_BACKWARD * counts["train"] + counts["validation"]
        seconds = counts["train"] / speed.train + counts["validation"] / speed.predict
        if settings.optimiser in SEARCHES:
            judged = POSITIONS * min(SEGMENTS, counts["validation"])
            seconds = (judged + counts["train"] + counts["validation"]) / speed.predict
        trainings = len({path for study in studies for path in trainings_of(study, name)})
        of_each = epochs_of(settings, epochs)
        tested = counts["test"] / speed.predict
        rows.append(
            {
                "run": name,
                "segment_length": length,
                "batch_size": settings.batch_size,
                "micro_batch": speed.micro_batch,
                "precision": settings.precision,
                **{f"{part}_windows": count for part, count in counts.items()},
                "macs_epoch": passes
                * complexity(run, len(store.categories), 1, store.skeleton).macs_with_attention
                / 1e12,
                "seconds_epoch": seconds,
                "epochs": of_each,
                "trainings": trainings,
                "hours": trainings * (of_each * seconds + tested) / 3600,
                "memory_gb": speed.memory / 1e9,
            }
        )
    return pd.DataFrame(rows)


def trainings_of(study: Study, run: str) -> list[Path]:
    """Return a path for each training of a run: folds, seeds, protocols, those of leakage too."""
    protocols = [*study.protocols, *(study.compared_protocols if run in study.leakage else ())]
    return study.files(MODEL, [run] if run in study.runs else [], protocols)


def cost_markdown(
    table: pd.DataFrame, studies: Sequence[Study], device: torch.device, jobs: int
) -> str:
    """The table for people, with the sum of each study.

    Args:
        table: of ``cost_table``.
        studies: the same as there.
        device: where it was measured.
        jobs: trainings that run at a time.
    """
    shown = pd.DataFrame(
        {
            "Run": table["run"],
            "Windows to train on": table["train_windows"].map("{:,}".format),
            "to validate": table["validation_windows"].map("{:,}".format),
            "to test": table["test_windows"].map("{:,}".format),
            "Batch": table["batch_size"],
            "Micro-batch": table["micro_batch"],
            "MACs an epoch": table["macs_epoch"].map("{:,.2f}".format),
            "Seconds an epoch": table["seconds_epoch"].map("{:,.1f}".format),
            "Trainings": table["trainings"],
            "Hours": table["hours"].map("{:,.2f}".format),
            "Memory": table["memory_gb"].map("{:.2f} GB".format),
        }
    )
    each = (table["hours"] / table["trainings"]).set_axis(table["run"])
    sums = {
        study.name: sum(
            each[run] * len(set(trainings_of(study, run))) for run in study.runs if run in each
        )
        for study in studies
    }
    missing = dict.fromkeys(run for study in studies for run in study.runs if run not in each)
    total = table["hours"].sum()
    notes = [
        f"Measured on {name_of(device)}, a few steps of each run, in "
        f"{', '.join(table['precision'].unique())}. Windows of fold 0. MACs in 10^12, forward and "
        f"backward. Hours: of all trainings of a run and their tests, at {table['epochs'].max()} "
        "epochs a training at most (early stopping decides), without the start of each job. "
        "Memory: of the tensors of one training.",
        "Hours of each study, one training after the other: "
        + ", ".join(f"{name} {hours:,.2f}" for name, hours in sums.items())
        + f". Studies share trainings: all together, {total:,.2f} hours; {total / jobs:,.2f} with "
        f"{jobs} at a time, if they do not slow each other down.",
    ]
    if missing:
        notes.append(
            "Not measured, because the data lacks classes that they leave out: "
            f"{', '.join(missing)}."
        )
    return render(f"Cost of the runs on {studies[0].dataset}", shown, notes)
