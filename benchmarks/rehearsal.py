"""Rehearse HR-Crime with data of its size: from a local Dataverse server to the tables."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bptubeformer.checks import check_config
from bptubeformer.config import members_of, model_of, studies_of, training_of
from bptubeformer.data.splits import PARTS_OF_SPLIT, Split, make_splits
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.sections import parsed_yaml
from bptubeformer.settings import SplitSettings
from bptubeformer.stages import NOTEBOOK_RESULTS, TABLES, table_files
from bptubeformer.study import HISTORY, PREDICTIONS, Study
from bptubeformer.training.record import COLUMNS
from commands import REPOSITORY, checkout, measured, train_command
from scale import TRAJECTORIES, VIDEOS, frame_store, rows_of_trajectories, write_csv_files
from timing import Row

sys.path.append(str(REPOSITORY / "tests" / "data"))
from dataverse_server import DOI, RemoteFile, dataverse

NORMAL = 782
"""Videos without a crime; they are not part of the classification."""
DECIMALS = 2
LENGTHS = {"T24": 24, "T60": 60}
SCALING = ("accuracy", "leakage", "learning", "confusion")
"""Tables and figures that are made of all predictions, or of all trainings."""
EPOCHS = 20
STEPS, VALIDATED = 50, 10_000


def rehearsal() -> Iterator[Row]:
    """Download, unpack, read and split an archive of HR-Crime's size, by the workflow."""
    with tempfile.TemporaryDirectory() as folder:
        archive = _archive(Path(folder))
        place = checkout(Path(folder, "checkout"))
        with dataverse(RemoteFile(archive.name, archive.read_bytes())) as server:
            overlay = Path(folder, "rehearsal.yaml")
            overlay.write_text(json.dumps({"dataset": {"source": DOI, "server": server.address}}))
            splits = Path("results", "hr-crime", "data", "splits", "as-published")
            targets = [str(splits / length / "fold0.parquet") for length in LENGTHS]
            subprocess.run(
                [sys.executable, "-m", "snakemake", "--cores", "all", *targets, "--configfile",
                 str(overlay)], cwd=place, check=True, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        results = place / "results" / "hr-crime"
        sizes = {"acquire": f"archive of {archive.stat().st_size / 1e6:,.0f} MB"}
        for table in sorted((results / "benchmarks").rglob("*.tsv"), key=os.path.getmtime):
            found = pd.read_csv(table, sep="\t").iloc[0]
            name = " ".join(table.relative_to(results / "benchmarks").with_suffix("").parts)
            note = f"{pd.to_numeric(found['max_rss'], errors='coerce'):,.0f} MB of memory"
            note = "; ".join([note, *([sizes[name]] if name in sizes else [])])
            yield Row("rehearsal", name, float(found["s"]), "", "s", note=note)
        data = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
        yield Row("rehearsal", "disk, from the archive to the splits", data / 1e9, "", "GB")


def _archive(folder: Path) -> Path:
    """Write a zip in HR-Crime's layout, with normal videos and what an operating system adds."""
    place = folder / "dataverse_files" / "trajectories_all"
    write_csv_files(place, DECIMALS)
    people = sorted((place / "Trajectories").rglob("*.csv"))[: NORMAL * TRAJECTORIES // VIDEOS]
    for number, person in enumerate(people):
        video = place / "Trajectories" / "Normal" / f"Normal{number % NORMAL:03d}"
        video.mkdir(parents=True, exist_ok=True)
        os.link(person, video / f"{number // NORMAL:04d}.csv")
    (place / ".DS_Store").write_bytes(bytes(6148))
    archive = folder / "dataverse_files.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for path in sorted(place.parent.rglob("*")):
            if path.is_file():
                file.write(path, path.relative_to(folder))
    shutil.rmtree(place.parent)
    return archive


def tables() -> Iterator[Row]:
    """Make what the study ``paper`` makes of all predictions, at that size."""
    config = check_config(parsed_yaml((REPOSITORY / "config.yaml").read_text()))
    with tempfile.TemporaryDirectory() as folder:
        study = studies_of(config, Path(folder))["paper"]
        windows = _predict(study)
        for result in (*TABLES, *NOTEBOOK_RESULTS):
            if result.name not in SCALING:
                continue
            part = study.part(*result.reads)
            if result in TABLES:
                output = study.table(next(table_files(result)))
                seconds, peak = measured(result.name, {"study": part, "output": str(output)})
            else:
                notebook = REPOSITORY / "notebooks" / f"{result.name}.ipynb"
                output = study.folder / "notebooks" / notebook.name
                output.parent.mkdir(parents=True, exist_ok=True)
                options = {"notebook": str(notebook), "parameters": {"study": part}}
                seconds, peak = measured("notebook", {**options, "output": str(output)})
            trained = {path.parent for path in result.needs(study) if "fold" in path.parent.name}
            note = f"{len(trained)} trainings, up to {windows:,} segments; {peak:,.0f} MB of memory"
            yield Row("tables", result.name, seconds, "", "s", note=note)


def steps() -> Iterator[Row]:
    """Train each run of the paper for 50 steps of the paper's batch on fold 0, then validate."""
    config = check_config(parsed_yaml((REPOSITORY / "config.yaml").read_text()))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store = frame_store(rows_of_trajectories())
        store.save(folder / "frames.safetensors")
        written = 0
        for name in members_of(config, "paper"):
            run, settings = model_of(config, name), training_of(config, name)
            split, *_ = make_splits(
                store, "as-published", run["segment_length"], 1, SplitSettings()
            )
            drawn(split, STEPS * settings["batch_size"]).save(folder / "fold0.parquet")
            began = _seconds_of_children()
            subprocess.run(
                train_command(folder, run, {**settings, "max_epochs": 1}, "auto", folder / name),
                check=True, cwd=REPOSITORY, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            seconds = _seconds_of_children() - began
            record = json.loads((folder / name / "run.json").read_text())
            counts, memory = record["segments"], record["peak_memory_mb"]["host"]
            yield Row(
                "steps", name, seconds, "", "CPU s",
                note=f"{STEPS} steps of {settings['batch_size']:,} segments, "
                f"{counts['validation']:,} to validate; on {record['device']}, "
                f"{record['threads']} thread; {memory:,.0f} MB of memory",
            )  # fmt: skip
            written += sum(path.stat().st_size for path in (folder / name).iterdir())
        yield Row("steps", "disk of these trainings", written / 1e6, "", "MB")


def drawn(split: Split, count: int) -> Split:
    """Draw so many windows for training and ``VALIDATED`` for validation."""
    generator = np.random.default_rng(0)
    kept = np.concatenate(
        [
            generator.choice(np.flatnonzero(split.part == part), most, replace=False)
            for part, most in enumerate((count, VALIDATED, VALIDATED))
        ]
    )
    return replace(
        split, starts=split.starts[kept], trajectory=split.trajectory[kept], part=split.part[kept]
    )


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _predict(study: Study) -> int:
    """Write the store, and predictions and a history of each training; return most segments."""
    generator = np.random.default_rng(0)
    store = frame_store(rows_of_trajectories())
    study.store.parent.mkdir(parents=True)
    store.save(study.store)
    history = pd.DataFrame({name: np.linspace(1, 0.5, EPOCHS) for name in COLUMNS})
    history = history.astype({"epoch": int, "best": bool}).assign(epoch=range(1, EPOCHS + 1))
    most = 0
    wanted = dict.fromkeys(study.compared_protocols, study.leakage)
    wanted |= dict.fromkeys(study.protocols, study.runs)
    for protocol, runs in wanted.items():
        lengths = {study.runs[run]["segment_length"] for run in runs}
        tested = {length: list(_tested(store, protocol, length)) for length in lengths}
        for run in runs:
            for fold, _, place in study.fold_folders(protocol, run):
                starts, trajectory = tested[study.runs[run]["segment_length"]][fold]
                labels = store.labels[trajectory]
                logits = generator.normal(size=(len(starts), len(store.categories)))
                logits[np.arange(len(starts)), labels] += 1
                place.mkdir(parents=True)
                Predictions(
                    starts, trajectory, labels, logits.astype(np.float32), store.categories,
                    store.fingerprint, "0" * 64,
                ).save(place / PREDICTIONS)  # fmt: skip
                history.to_csv(place / HISTORY, index=False)
                most = max(most, len(starts))
    return most


def _tested(store: Any, protocol: str, length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for split in make_splits(store, protocol, length, 1, SplitSettings()):
        yield split.windows(PARTS_OF_SPLIT[-1])
