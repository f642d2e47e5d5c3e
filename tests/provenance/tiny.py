"""A finished run that is as small as one can be, its crate, and a forger who signs everything."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rocrate.rocrate import ROCrate
from safetensors import safe_open
from safetensors.torch import save_file

from bptubeformer.checks import check_config, left_in
from bptubeformer.config import (
    model_of,
    reading_of,
    studies_of,
    training_of,
    without_local_paths,
    # fmt: skip,
)
from bptubeformer.data.ingest import write_store
from bptubeformer.data.splits import write_splits
from bptubeformer.data.store import FrameStore
from bptubeformer.data.synthetic import write_synthetic
from bptubeformer.evaluation.attend import attend_segment
from bptubeformer.evaluation.attention_movement import write_attention_movement
from bptubeformer.evaluation.calibrate import calibrate_folds
from bptubeformer.evaluation.embed import embed_folds
from bptubeformer.evaluation.identify import identify_folds
from bptubeformer.evaluation.inspection import choose_segment, sample_per_class
from bptubeformer.evaluation.predict import predict_folds
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.evaluation.trained import TrainedFolds
from bptubeformer.metadata import content_of, pack, unpack
from bptubeformer.provenance.crate import CODE, described_training, write_crate
from bptubeformer.settings import ReadingSettings, SplitSettings, TrainingSettings
from bptubeformer.stages import STAGES, TABLES, module_of, table_files
from bptubeformer.study import Study
from bptubeformer.training.job import train_folds
from checkout import REPOSITORY, base_config

METADATA = "ro-crate-metadata.json"
RESULTS = Path("results", "tiny")
SEEDS = [0, 1]
CLASSES = ["Abuse", "Arrest", "Fighting", "Robbery"]


def config(**dataset: Any) -> dict[str, Any]:
    """Four runs under a leak-free protocol; two pairs of them differ in their training alone."""
    whole = base_config()
    tubelets = {"model": "bptubeformer", "experiment": "x", "segment_length": 12,
                "kernel": [4, "part", "part"], "stride": [4, "part", "part"]}  # fmt: skip
    plain = {"model": "ttran", "experiment": "x", "segment_length": 12}
    runs = {
        "tubelets": tubelets,
        "twin": {**tubelets, "training": {"learning_rate": 0.002}},
        "plain": plain,
        "again": {**plain, "training": {"start_from": "plain", "epochs_of": ["plain"]}},
    }
    study = {"question": "Does it hold?", "runs": list(runs), "baseline": "plain",
             "shown": "tubelets", "leakage": ["plain"], "identity": ["plain"],
             "calibration": ["again"],
             "findings": {"Is one better?": ["tubelets", "plain"],
                          "Does it know noise?": ["again", "chance", "noise"]}}  # fmt: skip
    whole["dataset"] |= {"name": "tiny", "source": "synthetic", **dataset}
    whole["training"] |= {"batch_size": 32, "max_epochs": 3, "early_stopping_patience": 2}
    whole["architecture"] |= {"token_width": 8, "depth": 1, "heads": 2}
    whole["statistics"]["bootstrap_samples"] = 100
    whole |= {
        "synthetic": {"seed": 6, "size": 0.6}, "categories": {"tiny": CLASSES}, "runs": runs,
        "protocols": ["video"], "windows": {"step": 30}, "studies": {"alone": study},
        "seeds": SEEDS,
    }  # fmt: skip
    whole["split"]["folds"] = 2
    whole["figures"]["per_class"] = 5
    return check_config(whole, data_elsewhere=True)


def build(folder: Path, **dataset: Any) -> Path:
    """Run every stage by itself in a folder; return the crate, unpacked.

    Args:
        folder: where the run is.
        dataset: settings of the dataset.
    """
    settings = config(**dataset)
    for name in CODE:
        (folder / name).symlink_to(REPOSITORY / name)
    with contextlib.chdir(folder):
        data = RESULTS / "data"
        store, manifest = data / "frames.safetensors", data / "manifest.json"
        write_synthetic(data / "raw", manifest, **settings["synthetic"])
        write_store(manifest, store, CLASSES, ReadingSettings(**reading_of(settings)))
        (study,) = studies_of(settings).values()
        for protocol in study.compared_protocols:
            splits = data / "splits" / protocol / "T12"
            step, split = settings["windows"]["step"], SplitSettings(**settings["split"])
            write_splits(store, protocol, 12, splits, step, split)
            for run in study.runs if protocol == study.protocol else study.leakage:
                _train(study, store, splits, protocol, run, settings)
        _show(study, store, settings)
        _probe(study, store, settings)
        tables_again(study)
        sent = without_local_paths(settings)
        write_crate(RESULTS, sent, Path("crate.zip"), {"train": "python src train"})
        shutil.unpack_archive("crate.zip", "crate")
    return folder / "crate"


def _train(
    study: Study, store: Path, splits: Path, protocol: str, run: str, settings: dict[str, Any]
) -> None:
    for seed, ending in zip(SEEDS, ("", "-seed1"), strict=True):
        folder = study.results / protocol / run / f"fold{{fold}}{ending}"
        model = model_of(settings, run)
        training = TrainingSettings(**training_of(settings, run), seed=seed)
        others = folder.parents[1] / "{run}" / folder.name
        train_folds(store, splits, model, folder, training, folds=[0, 1], others=others)
        predict_folds(TrainedFolds(store, splits, folder, model, folds=[0, 1]))


def _show(study: Study, store: Path, settings: dict[str, Any]) -> None:
    splits = study.results / "data" / "splits" / study.protocol / "T12"
    figures = settings["figures"]
    for ending in ("", "-seed1"):
        folder = study.results / study.protocol / study.shown / f"fold{{fold}}{ending}"
        folds = TrainedFolds(store, splits, folder, folds=[0, 1])
        if not ending:
            embed_folds(folds, figures["per_class"], figures["seed"])
        write_attention_movement(folds, figures["seed"])
    place = study.shown_folder
    attend_segment(
        store, place / "model.safetensors", place / "predictions.parquet",
        place / "attention.safetensors", category=figures["category"],
    )  # fmt: skip


def _probe(study: Study, store: Path, settings: dict[str, Any]) -> None:
    """Probe the runs that the study names, under the protocols that it asks for."""
    figures = settings["figures"]
    sample = figures["per_class"], figures["seed"]

    def folds(protocol: str, run: str, ending: str) -> TrainedFolds:
        splits = study.results / "data" / "splits" / protocol / "T12"
        folder = study.results / protocol / run / f"fold{{fold}}{ending}"
        return TrainedFolds(store, splits, folder, folds=[0, 1])

    for ending in ("", "-seed1"):
        for protocol in study.compared_protocols:
            for run in study.identity:
                identify_folds(folds(protocol, run, ending), *sample)
        for run in study.calibration:
            calibrate_folds(folds(study.protocol, run, ending), None, 1, *sample)


def tables_again(study: Study) -> None:
    """Write the tables and the summary of a study, whatever its records say."""
    for table in TABLES:
        if table.wanted(study):
            write = getattr(import_module(module_of(table.name)), _function(table.name))
            write(Study.read(study.part(*table.reads)), study.table(next(table_files(table))))
    summary = getattr(import_module(module_of("summary")), _function("summary"))
    summary(study, REPOSITORY / "config.yaml", study.folder / "summary.md")


def _function(stage: str) -> str:
    return STAGES[stage].partition(":")[2]


class Forger:
    """Changes a crate, and then makes tables, hashes, checksums and metadata fit."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.results = folder / RESULTS

    def fold(self, run: str, fold: str = "fold0", protocol: str = "video") -> Path:
        """Return the folder of a fold."""
        return self.results / protocol / run / fold

    def json(self, path: Path, change: Callable[[Any], Any]) -> None:
        """Change the content of a JSON file in place."""
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content, indent=1) + "\n")

    def record(self, folder: Path, **changes: Any) -> None:
        """Change entries of ``run.json``; a mapping changes those that it has."""

        def change(content: dict[str, Any]) -> None:
            for key, value in changes.items():
                if isinstance(value, dict):
                    content[key] |= value
                else:
                    content[key] = value

        self.json(folder / "run.json", change)

    def table(self, path: Path, change: Callable[[pd.DataFrame], Any]) -> None:
        """Change a parquet file, or what is said about it (``attrs``)."""
        table = pd.read_parquet(path)
        changed = change(table)
        if isinstance(changed, pd.DataFrame):
            changed.attrs = table.attrs
            table = changed
        table.to_parquet(path, index=False)

    def csv(self, path: Path, change: Callable[[pd.DataFrame], Any]) -> None:
        """Change a CSV file."""
        table = pd.read_csv(path)
        change(table)
        table.to_csv(path, index=False)

    def arrays(self, path: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
        """Change a safetensors file: its arrays, and what is said about them."""
        with safe_open(path, framework="pt") as file:
            about = unpack(file.metadata())
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        change(arrays, about)
        if "content" in about:
            said = {key: value for key, value in about.items() if key != "content"}
            about["content"] = content_of(arrays, said)
        save_file(arrays, path, metadata=pack(about))

    def model(self, folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
        """Change the model of a fold, and let everything made of it name the new one."""
        self.arrays(folder / "model.safetensors", change)
        self.adopt(folder)

    def adopt(self, folder: Path) -> None:
        """Let all that lies in the folder of a fold name the model in it."""
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            content = unpack(file.metadata())["content"]
        self.record(folder, fingerprints={"model": content})
        for name in ("predictions.parquet", "movement.parquet"):
            if (folder / name).exists():
                self.table(folder / name, lambda table: table.attrs.update(model=content))
        for name in ("embeddings.safetensors", "attention.safetensors"):
            if (folder / name).exists():
                self.arrays(folder / name, lambda arrays, about: about.update(model=content))

    def refit(self, folder: Path) -> None:
        """Let embeddings and attention of a fold say what its predictions say."""
        tested = Predictions.load(folder / "predictions.parquet")
        settings = json.loads((self.results / "config.json").read_text())["figures"]
        sample = sample_per_class(tested.labels, settings["per_class"], settings["seed"])
        predicted = torch.tensor(tested.logits.argmax(axis=1))

        def classes(arrays: dict[str, Any], about: dict[str, Any]) -> None:
            arrays["predicted"] = predicted[sample]

        def text(arrays: dict[str, Any], about: dict[str, Any]) -> None:
            one = choose_segment(
                tested.labels, tested.logits, tested.categories, settings["category"]
            )
            store = FrameStore.outline(self.results / "data" / "frames.safetensors")
            person = store.trajectories.iloc[tested.trajectory[one]]
            about |= {key: person[key] for key in ("category", "video", "person")}
            probability = torch.tensor(tested.logits[one]).softmax(0)
            about["predicted"] = tested.categories[int(probability.argmax())]
            about["probability"] = f"{probability.max():.4f}"

        self.arrays(folder / "embeddings.safetensors", classes)
        self.arrays(folder / "attention.safetensors", text)

    def settings(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change ``config.json``."""
        self.json(self.results / "config.json", change)

    def sign(self, tables: bool = True) -> None:
        """Make tables, checksums and metadata fit the files."""
        settings = left_in(json.loads((self.results / "config.json").read_text()))
        if tables:
            for study in studies_of(settings, self.results.parent).values():
                tables_again(study)
        self.sign_files()
        ROCrate(self.folder)

    def sign_files(self) -> None:
        """Make checksums and metadata fit the files."""
        metadata = json.loads((self.folder / METADATA).read_text())
        files = {str(p.relative_to(self.folder)): p for p in self.folder.rglob("*") if p.is_file()}
        listed = {entity["@id"]: entity for entity in metadata["@graph"]}
        root = listed["./"]
        for name in files.keys() - listed.keys():
            listed[name] = {"@id": name, "@type": "File"}
            metadata["@graph"].append(listed[name])
            root["hasPart"].append({"@id": name})
        gone = {
            name for name, entity in listed.items()
            if "sha256" in entity and name not in files
        }  # fmt: skip
        metadata["@graph"] = [one for one in metadata["@graph"] if one["@id"] not in gone]
        root["hasPart"] = [part for part in root["hasPart"] if part["@id"] not in gone]
        for name, path in files.items():
            content = path.read_bytes()
            listed[name] |= {
                "sha256": hashlib.sha256(content).hexdigest(), "contentSize": str(len(content)),
            }  # fmt: skip
            if path.name == "run.json":
                place = Path(name).parent
                action = listed.get(f"#{place}")
                with contextlib.suppress(Exception):  # the record is not one
                    action |= described_training(json.loads(content), RESULTS, place)
        (self.folder / METADATA).write_text(json.dumps(metadata))
