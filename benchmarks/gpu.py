"""Benchmarks on a GPU: every run at HR-Crime's scale, CUDA graphs, slots, a whole training."""

import json
import multiprocessing
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch

from bptubeformer.config import members_of, model_of
from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import make_splits
from bptubeformer.data.windows import window_starts
from bptubeformer.errors import InputError
from bptubeformer.evaluation.complexity import complexity
from bptubeformer.evaluation.cost import FORWARD_AND_BACKWARD, measure
from bptubeformer.settings import SplitSettings, TrainingSettings
from bptubeformer.training.memory import release_memory
from bptubeformer.training.precision import PRECISIONS, check_precision
from cases import CLASSES, CONFIG, own_epoch, random_segments
from commands import REPOSITORY, train_command
from plain import loader, materialised, plain_epoch, plain_model
from scale import frame_store, rows_of_trajectories
from timing import Row, in_turn, row

HR_CRIME_TRAIN, HR_CRIME_VALIDATION = 2_300_000, 1_150_000
"""Windows of 24 frames that a fold of HR-Crime has to train and to validate on."""
EPOCHS = 15
"""Epochs of a training, for the projection of a sweep."""
BATCH = 1000
SLOTS = (1, 2, 4)
SLOT_WINDOWS, SLOT_EPOCHS = 50_000, 3


def gpu() -> Iterator[Row]:
    """Measure an epoch of every run of the paper, and project the sweep from it."""
    if not torch.cuda.is_available():
        yield Row("gpu", "no GPU on this machine: not measured", float("nan"), "", "")
        return
    device = torch.device("cuda")
    store = frame_store(rows_of_trajectories())
    for kind in PRECISIONS:
        try:
            check_precision(kind, device)
        except InputError as error:
            yield Row("gpu", f"{kind}: not measured", float("nan"), "", "", note=str(error))
            continue
        total = 0.0
        for name in members_of(CONFIG, "controls"):
            run, settings = model_of(CONFIG, name), TrainingSettings(precision=kind)
            length = run["segment_length"]
            windows_of = Segments.of(store, *window_starts(store.offsets, length), length, device)
            speed = measure(run, settings, windows_of, CLASSES)
            scale = len(windows_of) / len(window_starts(store.offsets, 24)[0])
            epoch = scale * (HR_CRIME_TRAIN / speed.train + HR_CRIME_VALIDATION / speed.predict)
            total += CONFIG["split"]["folds"] * EPOCHS * epoch
            macs = complexity(run, CLASSES, 1).macs_with_attention
            rate = 2 * FORWARD_AND_BACKWARD * macs * speed.train / 1e12
            yield Row("gpu", f"epoch of {name}, {kind}", epoch, "", "s",
                      note=f"micro-batch {speed.micro_batch}, {speed.memory / 1e9:.1f} GB, "
                      f"{rate:.1f} TFLOP/s")  # fmt: skip
            release_memory()
        yield Row("gpu", f"sweep of Table 1, {EPOCHS} epochs a fold, {kind}", total / 3600, "", "h")


def gpu_graphs() -> Iterator[Row]:
    """Compare captured steps with eager ones and with a plain loop over five encoders a part."""
    device = torch.device("cuda")
    for name in members_of(CONFIG, "controls"):
        run, count = model_of(CONFIG, name), 5 * BATCH
        segments = random_segments(run, count, device)
        ways = {
            "ours": own_epoch(run, segments, BATCH),
            "without CUDA graphs": own_epoch(run, segments, BATCH, captured=False),
            "plain loop": plain_epoch(
                plain_model(run, CLASSES).to(device), loader(materialised(segments), BATCH), device
            ),
        }
        # Graphs are captured within the first epoch of five steps.
        seconds = in_turn(ways, repeats=3)
        for other in list(ways)[1:]:
            yield row("gpu-graphs", f"{name}, fp32, batch {BATCH}", seconds, other, 1e6 / count,
                      "us a window")  # fmt: skip
        del ways
        release_memory()


def gpu_slots() -> Iterator[Row]:
    """Share the GPU between trainings of BPT-V2: windows a second of all of them."""
    for precision in ("fp32", "bf16"):
        alone = 0.0
        for jobs in SLOTS:
            spawn = multiprocessing.get_context("spawn")
            start, rates = spawn.Barrier(jobs), spawn.Queue()
            processes = [
                spawn.Process(target=_train_beside, args=(start, rates, precision))
                for _ in range(jobs)
            ]
            for process in processes:
                process.start()
            total = sum(rates.get(timeout=300) for _ in processes)
            for process in processes:
                process.join()
            alone = alone or total
            yield Row("gpu-slots", f"BPT-V2, {precision}, {jobs} at a time", total, "",
                      "windows a second", "one", alone, total / alone)  # fmt: skip


def _train_beside(start, rates, precision: str) -> None:
    run = model_of(CONFIG, "BPT-V2")
    segments = random_segments(run, SLOT_WINDOWS, torch.device("cuda"))
    epoch = own_epoch(run, segments, BATCH, precision)
    epoch()
    start.wait()
    began = time.perf_counter()
    for _ in range(SLOT_EPOCHS):
        epoch()
    rates.put(SLOT_EPOCHS * SLOT_WINDOWS / (time.perf_counter() - began))


def gpu_training() -> Iterator[Row]:
    """Train BPT-V2 by its command on data of HR-Crime's size: start, epochs, memory."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store = frame_store(rows_of_trajectories())
        store.save(folder / "frames.safetensors")
        fold, *_ = make_splits(store, "as-published", 24, 1, SplitSettings())
        fold.save(folder / "fold0.parquet")
        for precision in ("fp32", "bf16"):
            settings = {"max_epochs": 2, "precision": precision}
            began = time.perf_counter()
            subprocess.run(
                train_command(
                    folder, model_of(CONFIG, "BPT-V2"), settings, "cuda", folder / precision
                ),
                check=True,
                cwd=REPOSITORY,
            )
            wall = time.perf_counter() - began
            record = json.loads((folder / precision / "run.json").read_text())
            seconds = pd.read_csv(folder / precision / "history.csv")["seconds"]
            memory = record["peak_memory_mb"]
            counts = record["segments"]
            yield Row(
                "gpu-training", f"epoch of BPT-V2 by its command, {precision}",
                statistics.median(seconds), f"{seconds.min():.4g} to {seconds.max():.4g}", "s",
                note=f"{counts['train']:,} and {counts['validation']:,} windows; the other "
                f"{wall - seconds.sum():.1f} s of the process: start, data, files; captured: "
                f"{record['cuda_graphs']}; allocated {memory['device_allocated'] / 1e3:.2f} GB, "
                f"reserved {memory['device_reserved'] / 1e3:.2f} GB",
            )  # fmt: skip


GPU_CASES = {
    "gpu": gpu,
    "gpu-graphs": gpu_graphs,
    "gpu-slots": gpu_slots,
    "gpu-training": gpu_training,
}
