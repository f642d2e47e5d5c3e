"""Received runs that are consistent file by file, and false; and the level that finds each."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bptubeformer.checks import left_in
from bptubeformer.config import model_of, training_of
from bptubeformer.data.ingest import write_store
from bptubeformer.data.splits import Split
from bptubeformer.data.synthetic import write_synthetic
from bptubeformer.evaluation.predict import predict_folds
from bptubeformer.evaluation.trained import TrainedFolds
from bptubeformer.settings import TrainingSettings
from bptubeformer.training.job import train_folds
from fakes import CONTENT, FINGERPRINT
from provenance.tiny import CLASSES, Forger

CONSISTENT, REPLAYED, REPRODUCED = "consistent", "replayed", "reproduced"
FILES = ("model.safetensors", "predictions.parquet", "run.json", "history.csv")


@dataclass(frozen=True)
class Forgery:
    """A way to forge a run."""

    what: str
    """In the words of docs/checking.md."""
    level: str
    """The first that finds it."""
    change: Callable[[Forger], Any]
    found: str
    """Pattern of the finding."""


def copied(source: str, target: str, *names: str) -> Callable[[Forger], None]:
    """Copy files from one fold over those of another; each is run/fold or protocol/run/fold."""

    def change(forger: Forger) -> None:
        folders = [
            forger.results.joinpath(*([] if name.count("/") > 1 else ["video"]), *name.split("/"))
            for name in (source, target)
        ]
        for name in names or [path.name for path in folders[0].iterdir()]:
            shutil.copy(folders[0] / name, folders[1] / name)
        if names and "run.json" not in names:
            forger.adopt(folders[1])

    return change


def of_record(**changes: Any) -> Callable[[Forger], None]:
    return lambda forger: forger.record(forger.fold("tubelets"), **changes)


def of_settings(change: Callable[[dict[str, Any]], Any]) -> Callable[[Forger], None]:
    return lambda forger: forger.settings(change)


def of_split(change: Callable[[pd.DataFrame], Any]) -> Callable[[Forger], None]:
    return lambda forger: forger.table(split_of(forger), change)


def split_of(forger: Forger, fold: int = 0, protocol: str = "video") -> Path:
    return forger.results / "data" / "splits" / protocol / "T12" / f"fold{fold}.parquet"


def of_predictions(change: Callable[[pd.DataFrame], Any]) -> Callable[[Forger], None]:
    return lambda forger: forger.table(forger.fold("tubelets") / "predictions.parquet", change)


def of_logits(change: Callable[[pd.DataFrame], Any]) -> Callable[[Forger], None]:
    def forge(forger: Forger) -> None:
        of_predictions(change)(forger)
        forger.refit(forger.fold("tubelets"))

    return forge


def of_history(change: Callable[[pd.DataFrame], Any], **record: Any) -> Callable[[Forger], None]:
    def forge(forger: Forger) -> None:
        forger.csv(forger.fold("tubelets") / "history.csv", change)
        forger.record(forger.fold("tubelets"), **record)

    return forge


def of_model(change: Callable[[dict, dict], Any]) -> Callable[[Forger], None]:
    return lambda forger: forger.model(forger.fold("tubelets"), change)


def of_arrays(name: str, change: Callable[[dict, dict], Any]) -> Callable[[Forger], None]:
    return lambda forger: forger.arrays(forger.fold("tubelets") / name, change)


def of_store(change: Callable[[dict, dict], Any]) -> Callable[[Forger], None]:
    return lambda forger: forger.arrays(forger.results / "data" / "frames.safetensors", change)


def of_inputs(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Forger], None]:
    return lambda forger: forger.json(
        forger.results / "inputs.json", lambda content: change(content["files"])
    )


def of_movement(change: Callable[[pd.DataFrame], Any]) -> Callable[[Forger], None]:
    return lambda forger: forger.table(forger.fold("tubelets") / "movement.parquet", change)


def fold_over_fold(forger: Forger) -> None:
    """The folds of as-published have one test set; the file of the model says the other split."""
    copied(
        "as-published/plain/fold0", "as-published/plain/fold1",
        "model.safetensors", "predictions.parquet",
    )(forger)  # fmt: skip
    folder = forger.fold("plain", "fold1", "as-published")
    split = Split.load(split_of(forger, 1, "as-published")).fingerprint
    forger.model(folder, lambda arrays, about: about.update(split=split))


def class_of_first(forger: Forger) -> None:
    """The first trajectory of the store gets another class, and so do its predictions."""

    def change(arrays: dict, about: dict) -> None:
        about["trajectories"]["category"][0] = CLASSES[1]

    of_store(change)(forger)


def renamed_class(forger: Forger) -> None:
    """The first video is of another class everywhere."""
    names: dict[str, str] = {}

    def change(arrays: dict, about: dict) -> None:
        table = about["trajectories"]
        names["video"] = table["video"][0]
        for row, video in enumerate(table["video"]):
            if video == names["video"]:
                table["video"][row] = f"New{video}"

    of_store(change)(forger)

    def paths(files: list[dict[str, Any]]) -> None:
        for one in files:
            one["path"] = one["path"].replace(f"/{names['video']}/", f"/New{names['video']}/")

    of_inputs(paths)(forger)
    shown = forger.fold("tubelets") / "attention.safetensors"

    def text(arrays: dict, about: dict) -> None:
        if about["video"] == names["video"]:
            about["video"] = f"New{about['video']}"

    forger.arrays(shown, text)


def drop_epoch(forger: Forger) -> None:
    folder = forger.fold("tubelets")
    forger.csv(folder / "history.csv", lambda table: table.drop(table.index[1:], inplace=True))
    forger.record(folder, epochs=1, best_epoch=1)


def add_epoch(forger: Forger) -> None:
    path = forger.fold("tubelets") / "history.csv"
    table = pd.read_csv(path)
    last = table.iloc[[-1]].assign(
        epoch=len(table) + 1, validation_loss=table["validation_loss"].max() + 1, best=False,
        seconds=0.0,
    )  # fmt: skip
    pd.concat([table, last]).to_csv(path, index=False)
    forger.record(forger.fold("tubelets"), epochs=len(table) + 1)


def zeros(arrays: dict, about: dict) -> None:
    for values in arrays.values():
        values.zero_()


def overflowing(arrays: dict, about: dict) -> None:
    for name, values in arrays.items():
        if name.startswith("head"):
            values.fill_(3e38)


def noise(arrays: dict, about: dict) -> None:
    generator = torch.Generator().manual_seed(0)
    for values in arrays.values():
        values += 0.05 * torch.randn(values.shape, generator=generator)


def flatter_one(table: pd.DataFrame) -> None:
    """One segment that was wrong becomes right."""
    logits = [name for name in table if name.startswith("logit")]
    predicted = table[logits].to_numpy().argmax(axis=1)
    row = int(np.argmax(predicted != table["label"].cat.codes.to_numpy()))
    table.loc[row, f"logit {table['label'][row]}"] = table.loc[row, logits].max() + 0.1


def flatter_all(table: pd.DataFrame) -> None:
    for name in table:
        if name.startswith("logit"):
            table[name] = (table["label"] == name.removeprefix("logit ")).astype(np.float32) * 5


def surer(table: pd.DataFrame) -> None:
    for name in table:
        if name.startswith("logit"):
            table[name] *= 1.5


def exchange_columns(table: pd.DataFrame) -> pd.DataFrame:
    first, second = (f"logit {name}" for name in CLASSES[:2])
    return table.rename(columns={first: second, second: first})


def shown_embeddings(forger: Forger, change: Callable[[dict, dict], Any]) -> None:
    forger.arrays(forger.fold("tubelets") / "embeddings.safetensors", change)


def predicted_true(arrays: dict, about: dict) -> None:
    arrays["predicted"] = arrays["label"].clone()
    arrays["predicted"][0] = (arrays["label"][0] + 1) % len(CLASSES)


def shorter(forger: Forger) -> None:
    def change(arrays: dict, about: dict) -> None:
        for name in ("segment", "frame_number"):
            arrays[name] = arrays[name][:-1].clone()

    of_arrays("attention.safetensors", change)(forger)


def apart(arrays: dict, about: dict) -> None:
    arrays["embedding"] += arrays["label"][:, None].float()


def focused(arrays: dict, about: dict) -> None:
    weights = arrays["attention body parts"]
    weights[:] = 0
    weights[:, :, 1] = 1


def of_training(seed: int = 0, leak: bool = False, **settings: Any) -> Callable[[Forger], None]:
    """A model that was trained otherwise; model, record and history say what they should."""

    def change(forger: Forger) -> None:
        folder = forger.fold("tubelets")
        config = left_in(json.loads((forger.results / "config.json").read_text()))
        run = model_of(config, "tubelets")
        honest = TrainingSettings(**training_of(config, "tubelets"), seed=0)
        with tempfile.TemporaryDirectory() as place:
            work = Path(place)
            write_synthetic(work / "raw", work / "manifest.json", **config["synthetic"])
            store = work / "frames.safetensors"
            write_store(work / "manifest.json", store, CLASSES)
            split_file = work / "fold0.parquet"
            shutil.copy(split_of(forger), split_file)
            if leak:
                table = pd.read_parquet(split_file)
                parts = list(table["part"])
                rows = [row for row, part in enumerate(parts) if part == "test"]
                for row in rows[::2]:
                    parts[row] = "train"
                table["part"] = pd.Categorical(parts, categories=table["part"].cat.categories)
                table.to_parquet(split_file)
            otherwise = TrainingSettings(**{**vars(honest), "seed": seed, **settings})
            train_folds(store, work, run, work / "new", otherwise)
            for name in ("model.safetensors", "history.csv"):
                shutil.copy(work / "new" / name, folder / name)
            record = json.loads((work / "new" / "run.json").read_text())
            split = Split.load(split_of(forger))
            said = {**vars(honest), "betas": list(honest.betas)}

            def about_it(arrays: dict, about: dict) -> None:
                about |= {"training": said, "split": split.fingerprint}

            forger.record(
                folder,
                epochs=record["epochs"], best_epoch=record["best_epoch"], ended=record["ended"],
                seconds=record["seconds"],
            )  # fmt: skip
            forger.csv(folder / "history.csv", lambda table: rate(table, honest.learning_rate))
            forger.model(folder, about_it)
            shutil.copy(split_of(forger), split_file)
            _predict_again(forger, folder, store, work, run, config)

    return change


def all_right_by_little(forger: Forger) -> None:
    """Logits that differ next to nothing: a little more makes each predicted class the true one."""
    folder = forger.fold("tubelets")

    def shrink(arrays: dict, about: dict) -> None:
        for name, values in arrays.items():
            if name.startswith("head"):
                values *= 1e-6

    forger.model(folder, shrink)

    def logits(table: pd.DataFrame) -> None:
        for name in table:
            if name.startswith("logit"):
                right = table["label"] == name.removeprefix("logit ")
                table[name] = (1e-6 * table[name] + 8e-5 * right).astype(np.float32)

    of_predictions(logits)(forger)
    forger.refit(folder)


def rate(table: pd.DataFrame, value: float) -> None:
    table["learning_rate"] = value


def _predict_again(
    forger: Forger, folder: Path, store: Path, work: Path, run: dict, config: dict
) -> None:
    """Let everything in the folder of a fold be what its model makes."""
    from bptubeformer.evaluation.attend import attend_segment
    from bptubeformer.evaluation.attention_movement import write_attention_movement
    from bptubeformer.evaluation.embed import embed_folds

    folds = TrainedFolds(store, work, folder, run)
    predict_folds(folds)
    embed_folds(folds, config["figures"]["per_class"], config["figures"]["seed"])
    write_attention_movement(folds, config["figures"]["seed"])
    attend_segment(
        store, folder / "model.safetensors", folder / "predictions.parquet",
        folder / "attention.safetensors", category=config["figures"]["category"],
    )  # fmt: skip


def lower_losses(table: pd.DataFrame) -> None:
    table["validation_loss"] *= 0.9


def later_epochs(table: pd.DataFrame) -> None:
    """All but the best epoch."""
    table.loc[~table["best"] | (table.index < table["best"].idxmax()), "train_loss"] *= 0.9
    table.loc[0, "train_loss"] *= 0.9


def part_of_other(table: pd.DataFrame) -> None:
    part = table["part"].to_numpy(object).copy()
    part[np.flatnonzero(part == "test")[0]] = "train"
    table["part"] = pd.Categorical(part, categories=table["part"].cat.categories)


FORGERIES = (
    Forgery("all files of a run under the name of another architecture", CONSISTENT,
            copied("plain/fold0", "tubelets/fold0", *FILES), r"run\.json, run, model: ttran"),
    Forgery("all files of a run under the name of one that was trained otherwise", CONSISTENT,
            copied("twin/fold0", "tubelets/fold0", *FILES), r"training, learning_rate: 0\.002"),
    Forgery("model and predictions of a run under the name of one that was trained otherwise",
            CONSISTENT,
            copied("twin/fold0", "tubelets/fold0", "model.safetensors", "predictions.parquet"),
            r"model\.safetensors, training: "),
    Forgery("all files of a fold over those of another", CONSISTENT,
            copied("twin/fold0", "twin/fold1", *FILES), r"fold1/run\.json, fingerprints, split"),
    Forgery("model and predictions of a fold over those of another with the same test set",
            CONSISTENT,
            copied("as-published/plain/fold0", "as-published/plain/fold1",
                   "model.safetensors", "predictions.parquet"),
            r"fold1/model\.safetensors, split"),
    Forgery("the same, and the file of the model names the split of the other", CONSISTENT,
            fold_over_fold, r"fold1/model\.safetensors: the weights of .*fold0"),
    Forgery("all files of a seed over those of another", CONSISTENT,
            copied("twin/fold0-seed1", "twin/fold0", *FILES), r"training, seed: 1"),
    Forgery("all weights of a model set to zero", CONSISTENT, of_model(zeros),
            "is zero everywhere"),
    Forgery("a weight that is not a number", CONSISTENT,
            of_model(lambda arrays, about: next(iter(arrays.values())).fill_(float("nan"))),
            "has values that are not finite"),
    Forgery("a model that names other classes", CONSISTENT,
            of_model(lambda arrays, about: about["categories"].reverse()),
            r"model\.safetensors, categories"),
    Forgery("a model that names other data", CONSISTENT,
            of_model(lambda arrays, about: about.update(data=FINGERPRINT)),
            r"model\.safetensors, data"),
    Forgery("a model with other joints", CONSISTENT,
            of_model(lambda arrays, about: about["skeleton"]["limbs"].pop()),
            r"model\.safetensors, skeleton"),
    Forgery("another learning rate in the configuration than in the records", CONSISTENT,
            of_settings(lambda config: config["training"].update(learning_rate=0.01)),
            r"training, learning_rate: 0\.001; all else says 0\.01"),
    Forgery("another architecture in the configuration than in the records", CONSISTENT,
            of_settings(lambda config: config["runs"]["tubelets"].update(depth=2)),
            r"run, depth: 1; all else says 2"),
    Forgery("seeds in the configuration that were not trained", CONSISTENT,
            of_settings(lambda config: config.update(seeds=[0, 2])),
            "the first that differs: .*-seed"),
    Forgery("a run that was trained, and is not in the configuration", CONSISTENT,
            of_settings(lambda config: (config["runs"].update(twin=None),
                                        config["studies"]["alone"]["runs"].remove("twin"))),
            r"there are 24; the first that differs: .*twin/fold0"),
    Forgery("another step between windows in the configuration", CONSISTENT,
            of_settings(lambda config: config["windows"].update(step=20)),
            r"fold0\.parquet: \d+ windows; the configuration makes \d+"),
    Forgery("another seed of the split in the configuration", CONSISTENT,
            of_settings(lambda config: config["split"].update(seed=1)),
            r"fold\d\.parquet, row \d+: not the windows"),
    Forgery("other classes in the configuration", CONSISTENT,
            of_settings(lambda config: config["categories"]["tiny"].reverse()),
            "categories: not those of the configuration"),
    Forgery("a test window that is also for training", CONSISTENT, of_split(part_of_other),
            r"fold0\.parquet, row \d+: not the windows"),
    Forgery("a split without the last windows", CONSISTENT, of_split(lambda table: table[:-3]),
            r"fold0\.parquet: \d+ windows; the configuration makes \d+"),
    Forgery("the split of another protocol", CONSISTENT,
            lambda forger: shutil.copy(split_of(forger, 0, "trajectory"), split_of(forger)),
            r"video/T12/fold0\.parquet, row \d+: not the windows"),
    Forgery("a split that names another segment length", CONSISTENT,
            of_split(lambda table: table.attrs.update(segment_length=24)),
            r"fold0\.parquet, segment_length: 24"),
    Forgery("a split that names other data", CONSISTENT,
            of_split(lambda table: table.attrs.update(data=FINGERPRINT)),
            rf"fold0\.parquet, data: {FINGERPRINT}"),
    Forgery("a split that adds another seed", CONSISTENT,
            of_split(lambda table: table.attrs.update(seed=7)), r"fold0\.parquet, seed: 7"),
    Forgery("other counts beside the splits", CONSISTENT,
            lambda forger: forger.csv(split_of(forger).with_name("summary.csv"),
                                      lambda table: table.update(table[["windows"]] + 1)),
            r"summary\.csv: not the counts"),
    Forgery("a split that no run uses", CONSISTENT,
            lambda forger: shutil.copytree(split_of(forger).parent,
                                           split_of(forger).parents[1] / "T24"),
            r"T24/fold0\.parquet: a split of no run"),
    Forgery("a trajectory of another class in the store", CONSISTENT, class_of_first,
            r"is none of the files of inputs\.json|summary\.json: not of this store"),
    Forgery("a store that names another fingerprint", CONSISTENT,
            of_store(lambda arrays, about: about.update(fingerprint=FINGERPRINT)),
            rf"data: .*all else says {FINGERPRINT}|; the store and the configuration make "),
    Forgery("an input in the folder of another class", CONSISTENT,
            of_inputs(lambda files: [one.update(path=one["path"].replace("/Abuse/", "/Robbery/"))
                                     for one in files]),
            r"is none of the files of inputs\.json"),
    Forgery("other counts of the data", CONSISTENT,
            lambda forger: forger.json(forger.results / "data" / "summary.json",
                                       lambda one: one["categories"][0].update(videos=99)),
            r"summary\.json: not of this store"),
    Forgery("another true class of a segment in the predictions", CONSISTENT,
            of_predictions(
                lambda table: table.assign(label=table["label"][::-1].array.copy())),
            r"predictions\.parquet, row \d+, label"),
    Forgery("predictions without the segments that were wrong", CONSISTENT,
            of_predictions(lambda table: table[:-2]), r"predictions\.parquet: \d+ rows; expected"),
    Forgery("predictions in another order", CONSISTENT,
            of_predictions(lambda table: table[::-1].reset_index(drop=True)),
            r"predictions\.parquet, row 1, window_start"),
    Forgery("two classes exchanged in the predictions", CONSISTENT,
            of_predictions(exchange_columns), r"predictions\.parquet, (categories|row \d+, label)"),
    Forgery("predictions that name other data", CONSISTENT,
            of_predictions(lambda table: table.attrs.update(data=FINGERPRINT)),
            r"predictions\.parquet, data"),
    Forgery("predictions that name another model", CONSISTENT,
            of_predictions(lambda table: table.attrs.update(model=CONTENT)),
            r"predictions\.parquet, model"),
    Forgery("more epochs in the record than in the history", CONSISTENT, of_record(epochs=90),
            r"run\.json, epochs: 90"),
    Forgery("another best epoch in the record than in the history", CONSISTENT,
            of_record(best_epoch=90), r"run\.json, best_epoch: 90"),
    Forgery("more training segments in the record than in the split", CONSISTENT,
            of_record(segments={"train": 10_000}), r"run\.json, segments, train: 10000"),
    Forgery("a training by other code", CONSISTENT, of_record(fingerprints={"code": FINGERPRINT}),
            rf"fingerprints, code: {FINGERPRINT}"),
    Forgery("a micro-batch larger than the batch", CONSISTENT, of_record(micro_batch=999),
            "micro_batch: larger than the batch"),
    Forgery("a training shorter than its epochs", CONSISTENT,
            of_history(lambda table: table.update(table[["seconds"]] + 100)),
            "took longer than the training"),
    Forgery("the split of another fold in the record", CONSISTENT,
            of_record(split="results/tiny/data/splits/video/T12/fold1.parquet"),
            r"run\.json, split: .*fold1\.parquet is not that of its fold"),
    Forgery("a training resumed after an epoch that it does not have", CONSISTENT,
            of_record(resumed_after_epochs=[50]), "resumed after an epoch"),
    Forgery("a training that ended too early", CONSISTENT, drop_epoch,
            "had not ended by its stopping rule"),
    Forgery("a training that went on too long", CONSISTENT, add_epoch,
            "had ended before by its stopping rule"),
    Forgery("another epoch marked as the best", CONSISTENT,
            of_history(lambda table: table.update(~table[["best"]])), r"history\.csv, row 1, best"),
    Forgery("another learning rate in the history", CONSISTENT,
            of_history(lambda table: table.update(table[["learning_rate"]] * 2)),
            r"history\.csv, row 1, learning_rate"),
    Forgery("a validation accuracy above 1", CONSISTENT,
            of_history(lambda table: table.update(table[["validation_accuracy"]] + 1)),
            "an accuracy that is not a share"),
    Forgery("embeddings of other segments", CONSISTENT,
            of_arrays("embeddings.safetensors",
                      lambda arrays, about: arrays["trajectory"].add_(1)),
            r"embeddings\.safetensors, row 1, trajectory"),
    Forgery("other predicted classes in the embeddings", CONSISTENT,
            of_arrays("embeddings.safetensors", predicted_true),
            r"embeddings\.safetensors, row \d+, predicted"),
    Forgery("embeddings of another model", CONSISTENT,
            of_arrays("embeddings.safetensors", lambda arrays, about: about.update(model=CONTENT)),
            r"embeddings\.safetensors, model"),
    Forgery("the attention of another person", CONSISTENT,
            of_arrays("attention.safetensors", lambda arrays, about: about.update(person="9999")),
            r"attention\.safetensors, person: 9999"),
    Forgery("the attention of a segment that was classified otherwise", CONSISTENT,
            of_arrays("attention.safetensors",
                      lambda arrays, about: about.update(probability="0.9999")),
            r"attention\.safetensors, probability: 0\.9999"),
    Forgery("attention and movement of another model", CONSISTENT,
            of_movement(lambda table: table.attrs.update(model=CONTENT)),
            r"movement\.parquet, model"),
    Forgery("attention and movement of some segments only", CONSISTENT,
            of_movement(lambda table: table[:-1]), r"movement\.parquet: \d+ rows; expected"),
    Forgery("a training without a history", CONSISTENT,
            lambda forger: (forger.fold("tubelets") / "history.csv").unlink(),
            r"history\.csv: missing"),
    Forgery("the attention of a shorter segment", CONSISTENT, shorter,
            "a segment of another length or skeleton"),
    Forgery("another skeleton in the configuration", CONSISTENT,
            of_settings(lambda config: config["dataset"].update(skeleton="halpe-26", source="x")),
            "skeleton: coco-17 is not that of the configuration"),
    Forgery("a file among the results that nothing makes", CONSISTENT,
            lambda forger: (forger.fold("tubelets") / ".notes.json").write_text("{}"),
            r"\.notes\.json: nothing in the configuration makes it"),
    Forgery("predictions in which one wrong segment became right", REPLAYED,
            of_logits(flatter_one), r"predictions\.parquet, row \d+, logit"),
    Forgery("predictions that are all right", REPLAYED, of_logits(flatter_all),
            r"predictions\.parquet, row \d+, logit"),
    Forgery("predictions that are surer than the model", REPLAYED, of_logits(surer),
            r"predictions\.parquet, row \d+, logit"),
    Forgery("predictions that are all right, of a model whose classes differ next to nothing",
            REPLAYED, all_right_by_little, r"predictions\.parquet, row \d+, logit"),
    Forgery("a model that gives values that are not finite", REPLAYED, of_model(overflowing),
            "gives values that are not finite"),
    Forgery("a model that was changed after it was tested", REPLAYED, of_model(noise),
            r"predictions\.parquet, row \d+, logit"),
    Forgery("class tokens that lie further apart", REPLAYED,
            of_arrays("embeddings.safetensors", apart), r"embeddings\.safetensors, row"),
    Forgery("attention to one body part", REPLAYED, of_arrays("attention.safetensors", focused),
            r"attention\.safetensors, row \d+, attention body parts"),
    Forgery("another skeleton below the attention", REPLAYED,
            of_arrays("attention.safetensors", lambda arrays, about: arrays["segment"].add_(1)),
            "segment: not the frames of the data"),
    Forgery("attention that follows movement", REPLAYED,
            of_movement(lambda table: table.update(
                table.filter(like="tubelets").filter(like="true") * 0 + 0.9)),
            r"movement\.parquet, row \d+, tubelets"),
    Forgery("lower losses in the history", REPLAYED, of_history(lower_losses),
            r"history\.csv, row \d+, validation_loss"),
    Forgery("a higher validation accuracy in the history", REPLAYED,
            of_history(lambda table: table.update(table[["validation_accuracy"]] / 2 + 0.5)),
            r"history\.csv, row \d+, validation_accuracy"),
    Forgery("a video renamed in every record", REPLAYED, renamed_class,
            "its trajectories, classes or joints are not those of the data"),
    Forgery("other numbers of the data", REPLAYED,
            lambda forger: forger.json(forger.results / "data" / "summary.json",
                                       lambda one: one.update(missing_joints=0)),
            r"summary\.json: not the numbers of the data"),
    Forgery("another list of rejected files", REPLAYED,
            lambda forger: (forger.results / "data" / "rejected.csv").write_text(
                "category,video,person,file,row,column,reason\nAbuse,a,1,a.csv,1,x0,none\n"),
            r"rejected\.csv: not the rejected files of the data"),
    Forgery("another checksum of an input", REPLAYED,
            of_inputs(lambda files: files[0].update(sha256=CONTENT)),
            "is not in the data, or has another content there"),
    Forgery("an input that is not listed", REPLAYED,
            of_inputs(lambda files: files.remove(
                next(one for one in files if "/Arson/" in one["path"]))),
            "is in the data, and not listed"),
    Forgery("a model trained with another learning rate", REPRODUCED,
            of_training(learning_rate=0.0011), "another model comes of its settings and seed"),
    Forgery("a model trained with another seed, the best of many", REPRODUCED,
            of_training(seed=5), "another model comes of its settings and seed"),
    Forgery("a model trained with segments of the test", REPRODUCED, of_training(leak=True),
            "another model comes of its settings and seed"),
    Forgery("other losses in epochs whose weights were not kept", REPRODUCED,
            of_history(later_epochs), r"history\.csv, row \d+"),
)  # fmt: skip
