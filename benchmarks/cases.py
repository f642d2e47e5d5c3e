"""The measurements; each gives rows of the table."""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from bptubeformer.config import members_of, model_of, written_out
from bptubeformer.data.layout import find_trajectories
from bptubeformer.data.reader import ingest
from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import make_splits
from bptubeformer.data.synthetic import write_dataset
from bptubeformer.data.windows import window_starts
from bptubeformer.evaluation.complexity import complexity
from bptubeformer.evaluation.metrics import scores
from bptubeformer.models import build_model
from bptubeformer.settings import SplitSettings, TrainingSettings
from bptubeformer.training.forward import predict
from bptubeformer.training.loop import make_optimiser, seed_everything, train, train_epoch
from bptubeformer.training.step import Step
from commands import REPOSITORY, measured, train_command
from interruption import interruption
from plain import lightning_epoch, loader, materialised, plain_epoch, plain_model
from rehearsal import rehearsal, steps, tables
from scale import frame_store, rows_of_trajectories, write_csv_files
from timing import Row, in_turn, row

CONFIG = written_out(yaml.safe_load((REPOSITORY / "config.yaml").read_text()))
CLASSES = 13
CPU = torch.device("cpu")
THREADS = os.cpu_count() or 1
DIGITS = {"two decimals": 2, "all digits of a double": None}
CPU_SEGMENTS = {"BPT-V2": (1000, 3000), "ST-Tran": (100, 200), "M1.2": (1000, 10_000)}
"""Batch and windows of an epoch on a CPU; others: 200 and 600."""


def ingest_csv() -> Iterator[Row]:
    """(a) CSV files at HR-Crime's scale, against a loop of ``numpy.loadtxt``."""
    for form, decimals in DIGITS.items():
        with tempfile.TemporaryDirectory() as folder:
            write_csv_files(Path(folder), decimals=decimals)
            layout = find_trajectories([Path(folder)], None)

            def by_numpy(layout=layout) -> np.ndarray:
                files = [np.loadtxt(file.path, delimiter=",", ndmin=2) for file in layout.files]
                return np.concatenate(files)

            ways = {"ours": lambda layout=layout: ingest(layout, THREADS), "loadtxt": by_numpy}
            seconds = in_turn(ways, repeats=3, warm_up=0)
            peak = _peak_of_ingest(Path(folder))
            megabytes = sum(file.path.stat().st_size for file in layout.files) / 1e6
            note = f"{megabytes:,.0f} MB of CSV; peak memory of ingest and save {peak:,.0f} MB"
            yield row("ingest", f"{len(layout.files):,} files, {form}", seconds, "loadtxt",
                      note=note)  # fmt: skip


def _peak_of_ingest(folder: Path) -> float:
    """Return the peak of resident memory, in MB, of reading all files and writing the store."""
    with tempfile.TemporaryDirectory() as place:
        manifest = Path(place, "manifest.json")
        measured("acquire", {"source": folder, "folder": place, "output": manifest})
        store = Path(place, "frames.safetensors")
        _, peak = measured("ingest", {"manifest": manifest, "threads": THREADS, "output": store})
    return peak


def windows() -> Iterator[Row]:
    """(b) Memory of all windows and time of a batch, against materialised windows."""
    store = frame_store(rows_of_trajectories())
    for length in (24, 60):
        starts, trajectory = window_starts(store.offsets, length)
        segments = Segments.of(store, starts, trajectory, length, CPU)
        order = torch.randperm(len(segments))
        tensors = (segments.frames, segments.starts, segments.labels, order)
        ours = sum(t.numel() * t.element_size() for t in tensors) / 1e9
        copied = len(starts) * length * store.frames.shape[1] * 4 / 1e9
        frames = store.frames.nbytes / 1e9
        note = f"{ours / frames:.3f} times the frames; with the order of an epoch"
        yield Row("windows", f"memory, T = {length}, {len(starts):,} windows", ours, "", "GB",
                  "materialised (computed)", copied, copied / ours, note)  # fmt: skip
        some = Segments.of(store, starts[:50_000], trajectory[:50_000], length, CPU)
        batches = iter(loader(materialised(some), 1000))
        drawn = iter(torch.randperm(len(segments)).split(1000))
        ways = {"ours": lambda s=segments, d=drawn: s[next(d)], "DataLoader": lambda b=batches:
                next(b)}  # fmt: skip
        seconds = in_turn(ways, repeats=40)
        yield row("windows", f"a batch of 1000, T = {length}", seconds, "DataLoader", 1e3, "ms")


def random_segments(run: dict, count: int, device: torch.device) -> Segments:
    """Random windows of a store of the length that a run needs."""
    length = run["segment_length"]
    store = frame_store(np.full(-(-count // 200), 200 + length - 1))
    starts, trajectory = window_starts(store.offsets, length)
    return Segments.of(store, starts[:count], trajectory[:count], length, device)


def training(device: torch.device = CPU) -> Iterator[Row]:
    """(c), (d) An epoch of each run, data and steps, against a plain loop and Lightning."""
    torch.set_num_threads(THREADS)
    peak = matmul_peak(torch.float32)
    yield Row("peak", "matrix product 4096 x 4096, fp32", peak, "", "GFLOP/s")
    for name in members_of(CONFIG, "controls"):
        run = model_of(CONFIG, name)
        batch, count = CPU_SEGMENTS.get(name, (200, 600))
        segments = random_segments(run, count, device)
        data = loader(materialised(segments), batch)
        ways = {
            "ours": own_epoch(run, segments, batch),
            "plain loop": plain_epoch(plain_model(run, CLASSES), data, device),
        }
        if name == "BPT-V2":
            ways["Lightning"] = lightning_epoch(plain_model(run, CLASSES), data)
        seconds = in_turn(ways, repeats=5 if name == "BPT-V2" else 3)
        each, case = 1e3 / count, f"{name}, batch {batch}"
        for other in list(ways)[1:]:
            yield row("training", case, seconds, other, each, "ms a window")
        flops = 6 * complexity(run, CLASSES, 1).macs_with_attention * count / 1e9
        if name in ("BPT-V2", "ST-Tran"):
            now = statistics.median([peak, matmul_peak(torch.float32)])
            shares = {k: flops / statistics.median(v) / now for k, v in seconds.items()}
            yield Row("fraction of peak", case, shares["ours"], "", "of fp32 matrix products",
                      "plain loop", shares["plain loop"],
                      shares["ours"] / shares["plain loop"])  # fmt: skip


def own_epoch(
    run: dict, segments: Segments, batch: int, precision: str = "fp32", captured: bool = True
) -> Callable[[], object]:
    """An epoch of this package."""
    model = build_model(run, CLASSES).to(segments.frames.device)
    settings = TrainingSettings(batch_size=batch, precision=precision)
    step = Step(model, make_optimiser(model, settings), segments, batch, precision, captured)
    order = torch.Generator(segments.frames.device).manual_seed(0)
    return lambda: train_epoch(step, order)


def matmul_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of a large matrix product on the CPU, median of several."""
    a, b = (torch.randn(4096, 4096).to(dtype) for _ in range(2))
    seconds = in_turn({"ours": lambda: a @ b}, repeats=5)["ours"]
    return 2 * 4096**3 / statistics.median(seconds) / 1e9


def linear() -> Iterator[Row]:
    """(e) Time of an epoch's batches against the number of windows; the slope must be 1."""
    store = frame_store(rows_of_trajectories())
    starts, trajectory = window_starts(store.offsets, 24)
    # From all of the frames, also where the windows are few: caches then hold as little of them.
    shuffled = np.random.default_rng(0).permutation(len(starts))
    sizes = [10_000, 100_000, 1_000_000, 4_000_000]
    medians = []
    for size in sizes:
        chosen = shuffled[:size]
        segments = Segments.of(store, starts[chosen], trajectory[chosen], 24, CPU)

        def epoch(segments=segments) -> None:
            for index in torch.randperm(len(segments)).split(1000):
                segments[index]

        seconds = in_turn({"ours": epoch}, repeats=5)
        medians.append(statistics.median(seconds["ours"]))
        yield row("linear", f"batches of {size:,} windows", seconds, scale=1e6 / size,
                  unit="us a window")  # fmt: skip
    slope = np.polyfit(np.log(sizes), np.log(medians), 1)[0]
    yield Row("linear", "exponent of the number of windows", slope, "", "")


def precision() -> Iterator[Row]:
    """bfloat16 against float32 on the CPU: speed, and accuracy over seeds."""
    torch.set_num_threads(THREADS)
    for name, count in (("BPT-V2", 1000), ("ST-Tran", 100)):
        run = model_of(CONFIG, name)
        segments = random_segments(run, count, CPU)
        ways = {"ours": own_epoch(run, segments, count, "bf16"),
                "fp32": own_epoch(run, segments, count)}  # fmt: skip
        seconds = in_turn(ways, repeats=5)
        yield row("bf16", f"{name}, batch {count}", seconds, "fp32", 1e3 / count, "ms a window")
    for kind in ("fp32", "bf16"):
        values = _accuracies(kind)
        yield Row(
            "bf16", f"balanced accuracy of BPT-V2 on the demonstration's data, {kind}",
            statistics.mean(values), f"{min(values):.4f} to {max(values):.4f}", "",
            note=f"mean of seeds 0 to {len(values) - 1}: "
            + ", ".join(f"{value:.4f}" for value in values),
        )  # fmt: skip


def _accuracies(kind: str) -> list[float]:
    """Balanced accuracy on the test windows of a fold, seed by seed."""
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), seed=9)
        store, _ = ingest(find_trajectories([Path(folder)], None))
    fold, *_ = make_splits(store, "as-published", 24, 16, SplitSettings())
    parts = {
        part: Segments.of(store, *fold.windows(part), 24, CPU)
        for part in ("train", "validation", "test")
    }
    run, found = model_of(CONFIG, "BPT-V2"), []
    for seed in range(3):
        settings = TrainingSettings(batch_size=16, max_epochs=8, precision=kind, seed=seed)
        seed_everything(seed)
        model = build_model(run, CLASSES)
        model.load_state_dict(train(model, parts["train"], parts["validation"], settings).weights)
        logits = predict(model, parts["test"], kind).numpy()
        found.append(scores(parts["test"].labels.numpy(), logits)["balanced_accuracy"])
    return found


def start_up() -> Iterator[Row]:
    """From the start of a training's process to its first epoch, on the demonstration's data."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_dataset(folder / "raw", seed=9)
        store, _ = ingest(find_trajectories([folder / "raw"], None))
        store.save(folder / "frames.safetensors")
        fold, *_ = make_splits(store, "as-published", 24, 16, SplitSettings())
        fold.save(folder / "fold0.parquet")
        run, settings = model_of(CONFIG, "BPT-V4"), {"max_epochs": 1}
        call = train_command(folder, run, settings, "auto", folder / "out")
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            with subprocess.Popen(
                call, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
            ) as process:
                for line in process.stdout:
                    if "epoch 1/1" in line:
                        seconds.append(time.perf_counter() - began)
            seconds[-1] -= pd.read_csv(folder / "out" / "history.csv")["seconds"].sum()
    yield row("start-up", "start of the process to the first step", {"ours": seconds})


CASES = {
    "ingest": ingest_csv,
    "windows": windows,
    "linear": linear,
    "training": training,
    "precision": precision,
    "start-up": start_up,
}
ON_REQUEST = {
    "interruption": interruption, "rehearsal": rehearsal, "tables": tables, "steps": steps,
}  # fmt: skip
"""Those that take long, and run by name only."""
