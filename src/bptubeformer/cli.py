"""One command a stage; a rule of the workflow is one call of one command.

Each command imports what it needs itself, so that ``--help`` is quick, and so that a change in
one stage does not touch the fingerprint of another.
"""

import argparse
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from bptubeformer.atomic import full_disk
from bptubeformer.errors import InputError, is_out_of_memory, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Option = tuple[str, dict[str, Any]]
Settings = TypeVar("Settings", bound="DataclassInstance")
Number = TypeVar("Number", int, float)
LARGEST = 2**53
"""Numbers on the command line are below it; NaN and infinity are not."""
SECTIONS_NEEDED = ("dataset", "protocols", "split", "seeds", "runs", "statistics", "figures")
COMMANDS: dict[str, tuple[Callable[..., None], Sequence[Option]]] = {}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; wrong input ends in one line on standard error and exit status 1."""
    parser = argparse.ArgumentParser(
        prog="bptubeformer", description="Stages of the BPTubeFormer replication."
    )
    stages = parser.add_subparsers(metavar="<stage>", required=True)
    for name, (function, options) in COMMANDS.items():
        text = function.__doc__ or ""
        stage = stages.add_parser(name, help=text.partition("\n")[0], description=text)
        for flag, settings in options:
            stage.add_argument(flag, **settings)
        stage.set_defaults(function=function)
    given = vars(parser.parse_args(arguments))
    # Names of files may hold what the terminal cannot show.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        given.pop("function")(**given)
    except InputError as error:
        sys.exit(f"bptubeformer: {error}")
    except OSError as error:
        sys.exit(f"bptubeformer: {_explain(error)}")
    except (MemoryError, RuntimeError) as error:
        sys.exit(f"bptubeformer: {_out_of_memory(error)}")
    except KeyboardInterrupt:
        sys.exit("bptubeformer: interrupted; what is done stays, run the same command again")


def _explain(error: OSError) -> str:
    """Return what a person can do about an error of the operating system.

    Raises:
        OSError: the error itself, where that is nothing.
    """
    if full_disk(error):
        return "the disk is full; make room, then run the same command again"
    if isinstance(error, FileNotFoundError):
        return f"{shown(error.filename)}: no such file; check the path given"
    paths = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
    if isinstance(error, paths) or error.errno == errno.ENAMETOOLONG:
        return f"{shown(error.filename)}: {error.strerror}; check the path and your rights"
    raise error


def _out_of_memory(error: Exception) -> str:
    """Return what a person can do if memory is too short.

    Raises:
        Exception: the error itself, where it says something else.
    """
    if is_out_of_memory(error):
        return (
            "too little memory; let fewer jobs run at a time (--cores, slots_per_gpu), or use a "
            "machine or device with more"
        )
    raise error


def command(*options: Option) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the command of its name."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        COMMANDS[function.__name__] = (function, options)
        return function

    return register


def option(flag: str, help: str, **settings: Any) -> Option:
    """An option of a command; required unless it has a default."""
    if "default" in settings:
        if settings["default"] not in (None, ""):
            help += " (default: %(default)s)"
    else:
        settings["required"] = True
    return flag, {"help": help, **settings}


def argument(name: str, help: str, **settings: Any) -> Option:
    """Describe an argument of a command that has no flag."""
    return name, {"help": help, **settings}


def mapping(text: str) -> Mapping[str, Any]:
    """A JSON or YAML mapping given on the command line."""
    value = _parsed(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a mapping like '{{key: value}}': {text}")
    return value


def runs(text: str) -> Mapping[str, Any]:
    """Runs by name, given on the command line as JSON or YAML."""
    value = mapping(text)
    for name, run in value.items():
        for key in ("experiment", "model", "segment_length"):
            if not isinstance(run, dict) or key not in run:
                raise argparse.ArgumentTypeError(f"run {name} names no {key}: {run}")
    return value


def configuration(text: str) -> Mapping[str, Any]:
    """The configuration of a run, given on the command line as JSON or YAML."""
    value = mapping(text)
    missing = [key for key in SECTIONS_NEEDED if not value.get(key)]
    if missing:
        raise argparse.ArgumentTypeError(f"it has no {missing[0]}; give all of config.yaml")
    return value


def names(text: str) -> list[str]:
    """A JSON or YAML list of names given on the command line; a name may begin with a dash."""
    value = _parsed(text)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise argparse.ArgumentTypeError(f"not a list of names like '[a, b]': {text}")
    return value


def _parsed(text: str) -> Any:
    try:
        # JSON first: YAML takes 1e-09 for text.
        return json.loads(text)
    except RecursionError as error:
        raise argparse.ArgumentTypeError("too deep") from error
    except json.JSONDecodeError:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise argparse.ArgumentTypeError(f"neither JSON nor YAML: {text}") from error


def count(text: str) -> int:
    """A whole number of at least 1, given on the command line."""
    return _number(text, int, 1)


def natural(text: str) -> int:
    """A whole number from 0, given on the command line."""
    return _number(text, int, 0)


def share(text: str) -> float:
    """A number from 0, given on the command line."""
    return _number(text, float, 0)


def _number(text: str, kind: Callable[[str], Number], least: int) -> Number:
    try:
        value = kind(text)
    except ValueError:
        value = kind("-1")
    if not least <= value < LARGEST:
        words = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"not {words} of at least {least}: {text}")
    return value


def settings_of(kind: type[Settings], given: Mapping[str, Any], section: str) -> Settings:
    """A settings dataclass from a section of ``config.yaml``; what is left out keeps its default.

    Raises:
        InputError: a key that the dataclass does not have, or a value of another kind.
    """
    known = [field.name for field in fields(kind)]
    for key in given:
        if key not in known:
            raise InputError(f"{section}.{key}: unknown key; known: {', '.join(known)}")
    try:
        return kind(**given)
    except InputError as error:
        raise InputError(f"{section}.{error}") from error


STORE = option("--store", "frame store, written by ingest", type=Path)
SPLIT = option("--split", "windows of the fold, written by split", type=Path)
MODEL = option("--model", "model.safetensors, written by train", type=Path)
RUN = option("--run", "model and hyperparameters, as in config.yaml", type=mapping)
RUNS = option("--runs", "experiment, model and hyperparameters of each run", type=runs)
RUN_OF_MODEL = option(
    "--run", "refuse a model of another run than this one", type=mapping, default="{}"
)
DEVICE = option("--device", "auto, cpu, cuda or cuda:<n>", default="auto")
THREADS = option("--threads", "CPU threads of torch", type=count, default=1)
SLOTS = option("--slots-per-gpu", "jobs that share a GPU", type=count, default=1)
PRECISION = option("--precision", "of matrix products: fp32, tf32 or bf16", default="fp32")
BATCH_SIZE = option("--batch-size", "segments of a batch", type=count, default=1000)
SEED = option("--seed", "of the random choices", type=natural, default=0)
RESULTS = option("--results", "results/<dataset>, with all folds below it", type=Path)
PROTOCOLS = option("--protocols", "names of the protocols", nargs="+")
FOLDS = option("--folds", "number of folds", type=count)
SEEDS = option("--seeds", "each fold was trained with each", type=natural, nargs="+", default=[0])
BOOTSTRAP = option("--bootstrap", "resamples and seed", type=natural, nargs=2, default=[2000, 0])
CONFIG = option("--config", "the configuration of the run, as JSON or YAML", type=configuration)


def output(help: str) -> Option:
    """The option ``--output``."""
    return option("--output", help, type=Path)


@command(
    option("--source", "doi:..., http(s) address, archive or folder"),
    option("--server", "Dataverse installation of a doi: source", default=""),
    option("--checksum", "algorithm:digest of an http(s) source", default=""),
    option("--max-gigabytes", "no more is downloaded or unpacked", type=share, default=100),
    option("--folder", "where downloads and unpacked archives go", type=Path),
    output("manifest (JSON) of what was acquired"),
)
def acquire(
    source: str, server: str, checksum: str, max_gigabytes: float, folder: Path, output: Path
) -> None:
    """Download or find the trajectories, verify and unpack them."""
    from bptubeformer.data.acquire import acquire

    acquire(
        source,
        folder,
        output,
        server=server,
        checksum=checksum or None,
        max_gigabytes=max_gigabytes,
    )


@command(
    SEED,
    option("--size", "factor on the number of videos", type=share, default=1.0),
    option("--folder", "where the dataset goes", type=Path),
    output("manifest (JSON) of what was made"),
)
def synthetic(seed: int, size: float, folder: Path, output: Path) -> None:
    """Make the demonstration dataset, in HR-Crime's layout."""
    from bptubeformer.data.acquire import write_manifest
    from bptubeformer.data.synthetic import write_dataset

    write_dataset(folder, seed=seed, size=size)
    write_manifest(output, f"synthetic, seed {seed}, size {size}", [folder])


@command(
    option("--manifest", "written by acquire or synthetic", type=Path),
    option("--categories", "class names; [] or left out: read from the folders", type=names,
           default="[]"),
    option("--max-rejected", "largest share of files that are not trajectories", type=share,
           default=0.01),
    option("--threads", "files are read by so many at a time", type=count, default=1),
    output("frame store (safetensors); rejected.csv is written beside it"),
)  # fmt: skip
def ingest(
    manifest: Path, categories: list[str], max_rejected: float, threads: int, output: Path
) -> None:
    """Read all trajectories into one frame store."""
    from bptubeformer.atomic import write_csv
    from bptubeformer.data.acquire import manifest_folders
    from bptubeformer.data.layout import find_trajectories
    from bptubeformer.data.reader import check_rejected, ingest

    layout = find_trajectories(manifest_folders(manifest), categories or None)
    store, rejected = ingest(layout, threads)
    # Also where the store is refused: the list says what to mend.
    listed = output.with_name("rejected.csv")
    write_csv(listed, rejected)
    for row in rejected.head(5).itertuples():
        print(f"rejected: {row.file}: {row.reason}")
    if len(rejected):
        print(f"{len(rejected)} files rejected, listed in {listed}")
    check_rejected(rejected, store, max_rejected)
    store.save(output)
    print(
        f"{len(layout.categories)} categories, {len(store.rows)} trajectories, "
        f"{len(store.frames)} frames, {store.empty_frames} of them without any joint"
    )
    for reason, count in layout.passed_over.items():
        print(f"passed over: {count} {reason}")
    if layout.left_out:
        print(
            f"left out as normal videos: {', '.join(layout.left_out)} (list the categories in "
            "config.yaml to have them as a class)"
        )


@command(
    STORE,
    option("--protocol", "how to split", choices=("as-published", "trajectory", "video")),
    option("--segment-length", "frames of a segment", type=count),
    option("--step", "rows between the starts of two windows", type=count, default=1),
    option("--settings", "folds, seed and fractions, as under split in config.yaml", type=mapping),
    output("folder for fold<k>.parquet and summary.csv"),
)
def split(
    store: Path, protocol: str, segment_length: int, step: int, settings: Mapping[str, Any],
    output: Path,
) -> None:  # fmt: skip
    """Cut the windows into training, validation and test, fold by fold."""
    from bptubeformer.atomic import write_csv
    from bptubeformer.data.splits import SplitSettings, make_splits, summarise
    from bptubeformer.data.store import FrameStore

    frames = FrameStore.load(store)
    how = settings_of(SplitSettings, settings, "split")
    splits = make_splits(frames, protocol, segment_length, step, how)
    for fold, one in enumerate(splits):
        one.save(output / f"fold{fold}.parquet")
    summary = summarise(frames, splits)
    write_csv(output / "summary.csv", summary)
    print(summary.groupby(["fold", "part"], sort=False)["windows"].sum().unstack().to_string())


@command(
    STORE,
    SPLIT,
    RUN,
    option("--training", "training settings, as in config.yaml", type=mapping, default="{}"),
    option(
        "--checkpoint-seconds",
        "between checkpoints; 0 for one after each epoch",
        type=natural,
        default=0,
    ),
    DEVICE,
    SLOTS,
    THREADS,
    output("folder for model.safetensors, history.csv and run.json"),
)
def train(
    store: Path, split: Path, run: Mapping[str, Any], training: Mapping[str, Any],
    checkpoint_seconds: int, device: str, slots_per_gpu: int, threads: int, output: Path,
) -> None:  # fmt: skip
    """Train one run on one fold."""
    from bptubeformer.training.job import train_fold
    from bptubeformer.training.loop import TrainingSettings

    settings = settings_of(TrainingSettings, training, "training")
    train_fold(
        store, split, run, settings, device, threads, output, slots_per_gpu, checkpoint_seconds
    )


@command(
    STORE, SPLIT, MODEL, RUN_OF_MODEL, PRECISION, DEVICE, SLOTS, THREADS,
    output("predictions (parquet)"),
)  # fmt: skip
def test(
    store: Path, split: Path, model: Path, run: Mapping[str, Any], precision: str, device: str,
    slots_per_gpu: int, threads: int, output: Path,
) -> None:  # fmt: skip
    """Classify the test segments of a fold with a trained model."""
    from bptubeformer.evaluation.job import TrainedFold, predict_fold

    fold = TrainedFold.open(store, split, model, run, device, threads, slots_per_gpu)
    predict_fold(fold, precision, output)


@command(
    argument("model", "model.safetensors, written by train", type=Path),
    argument("trajectories", "a trajectory (.csv), or a folder of them at any depth", type=Path),
    option("--step", "rows between the starts of two segments", type=count, default=1),
    DEVICE,
    option("--threads", "CPU threads", type=count, default=os.cpu_count() or 1),
    option("--output", "folder for segments.csv, trajectories.csv, videos.csv and rejected.csv",
           type=Path, default="predictions"),
)  # fmt: skip
def predict(
    model: Path, trajectories: Path, step: int, device: str, threads: int, output: Path
) -> None:
    """Classify trajectories with a trained model: probabilities, and attention to body parts."""
    from bptubeformer.evaluation.classify import classify_trajectories

    classify_trajectories(
        model, trajectories, output, step=step, device_name=device, threads=threads
    )


@command(
    RESULTS,
    STORE,
    RUNS,
    PROTOCOLS,
    FOLDS,
    SEEDS,
    option("--baseline", "the run that the others are compared with"),
    option(
        "--learned",
        "balanced accuracy from which a model has learned; 0: a sixth of the way from chance to 1",
        type=share,
        default=0.0,
    ),
    output("accuracy.csv; .md, and metrics, recalls, folds and counts, are written beside it"),
)
def accuracy(
    results: Path, store: Path, runs: Mapping[str, Any], protocols: list[str], folds: int,
    seeds: list[int], baseline: str, learned: float, output: Path,
) -> None:  # fmt: skip
    """Table 1: balanced accuracy of all runs, beside the paper's, with intervals."""
    from bptubeformer.evaluation.accuracy import evaluate, write_accuracy

    evaluation = evaluate(results, store, list(runs), protocols, folds, seeds)
    write_accuracy(evaluation, runs, baseline, learned or None, results.name, output)


@command(
    RESULTS,
    STORE,
    option("--runs", "names of the runs", nargs="+"),
    PROTOCOLS,
    FOLDS,
    SEEDS,
    output("leakage.csv; .md is written beside it"),
)
def leakage(
    results: Path, store: Path, runs: list[str], protocols: list[str], folds: int,
    seeds: list[int], output: Path,
) -> None:  # fmt: skip
    """The same runs under each protocol, and the gaps."""
    from bptubeformer.evaluation.accuracy import evaluate
    from bptubeformer.evaluation.leakage import write_leakage

    evaluation = evaluate(results, store, runs, protocols, folds, seeds)
    write_leakage(results, evaluation, output)


@command(
    STORE,
    RUNS,
    BATCH_SIZE,
    output("complexity.csv; .md and the tables of stages, transformers and ratios beside it"),
)
def complexity(store: Path, runs: Mapping[str, Any], batch_size: int, output: Path) -> None:
    """Table 2: MACs and parameters of all runs, beside the paper's, and where they arise."""
    from bptubeformer.data.store import read_trajectories
    from bptubeformer.evaluation.complexity import write_complexity

    _, categories = read_trajectories(store)
    write_complexity(runs, len(categories), batch_size, output)


@command(
    STORE,
    option("--splits", "folder with <protocol>/T<length>/fold<k>.parquet", type=Path),
    CONFIG,
    option("--epochs", "epochs of a training to reckon with", type=count, default=15),
    option("--jobs", "trainings that run at a time", type=count, default=1),
    DEVICE,
    SLOTS,
    THREADS,
    output("cost.csv; .md is written beside it"),
)
def cost(
    store: Path, splits: Path, config: Mapping[str, Any], epochs: int, jobs: int, device: str,
    slots_per_gpu: int, threads: int, output: Path,
) -> None:  # fmt: skip
    """Estimate windows, MACs, time and memory of all runs on this device, before any training."""
    import torch

    from bptubeformer.data.store import FrameStore
    from bptubeformer.evaluation.cost import cost_markdown, cost_table
    from bptubeformer.evaluation.tables import write_table
    from bptubeformer.training.device import choose_device

    torch.set_num_threads(threads)
    chosen = choose_device(device, slots_per_gpu)
    table = cost_table(FrameStore.load(store), splits, config, chosen, epochs)
    text = cost_markdown(table, config["dataset"]["name"], chosen, jobs)
    write_table(output, table, text)
    print(text)


@command(
    STORE,
    SPLIT,
    MODEL,
    RUN_OF_MODEL,
    option("--per-class", "test segments of each class, at most", type=count, default=500),
    SEED,
    DEVICE,
    SLOTS,
    THREADS,
    output("embeddings (safetensors)"),
)
def embed(
    store: Path, split: Path, model: Path, run: Mapping[str, Any], per_class: int, seed: int,
    device: str, slots_per_gpu: int, threads: int, output: Path,
) -> None:  # fmt: skip
    """Class-token embeddings of test segments, for t-SNE and silhouettes."""
    from bptubeformer.evaluation.job import TrainedFold, embed_fold

    fold = TrainedFold.open(store, split, model, run, device, threads, slots_per_gpu)
    embed_fold(fold, per_class, seed, output)


@command(
    STORE,
    MODEL,
    RUN_OF_MODEL,
    option("--predictions", "written by test", type=Path),
    option("--category", "whose surest correct test segment to take", default=""),
    output("attention (safetensors)"),
)
def attend(
    store: Path, model: Path, run: Mapping[str, Any], predictions: Path, category: str, output: Path
) -> None:
    """Attention of a model for one test segment."""
    from bptubeformer.evaluation.job import attend_segment

    attend_segment(store, model, run, predictions, category, output)


@command(
    STORE, SPLIT, MODEL, RUN_OF_MODEL, SEED, DEVICE, SLOTS, THREADS, output("movement (parquet)")
)  # fmt: skip
def attention_movement(
    store: Path, split: Path, model: Path, run: Mapping[str, Any], seed: int, device: str,
    slots_per_gpu: int, threads: int, output: Path,
) -> None:  # fmt: skip
    """Attention and movement of all test segments, in true and in shuffled order of frames."""
    from bptubeformer.evaluation.attention_movement import write_attention_movement
    from bptubeformer.evaluation.job import TrainedFold

    fold = TrainedFold.open(store, split, model, run, device, threads, slots_per_gpu)
    write_attention_movement(fold, seed, output)


@command(
    STORE,
    option("--folds", "movement.parquet of each fold", type=Path, nargs="+"),
    BOOTSTRAP,
    output("movement.csv; .md is written beside it"),
)
def movement(store: Path, folds: list[Path], bootstrap: list[int], output: Path) -> None:
    """Rank correlation of attention and movement, with intervals."""
    from bptubeformer.evaluation.movement import write_movement

    write_movement(folds, store, bootstrap, output)


@command(
    STORE,
    option("--embeddings", "written by embed, a file a fold; the first is shown", type=Path,
           nargs="+"),
    SEED,
    output("silhouettes.csv; silhouette_counts.csv is written beside it"),
)  # fmt: skip
def silhouettes(store: Path, embeddings: list[Path], seed: int, output: Path) -> None:
    """Silhouettes of class tokens, by true class and by k-means cluster."""
    from bptubeformer.evaluation.clusters import write_silhouettes

    write_silhouettes(embeddings, store, seed, output)


@command(
    option("--embeddings", "written by embed", type=Path),
    option("--name", "of the embedding, as TensorBoard shows it"),
    output("projector_config.pbtxt; the vectors and classes are written beside it"),
)
def projector(embeddings: Path, name: str, output: Path) -> None:
    """Class tokens for TensorBoard's embedding projector (tensorboard --logdir <folder>)."""
    from bptubeformer.evaluation.inspection import Embeddings
    from bptubeformer.figures.projector import write_projector

    write_projector(Embeddings.load(embeddings), name, output)


@command(
    RESULTS,
    CONFIG,
    option("--scope", "folder of the tables on accuracy: tables or extended", default="tables"),
    output("verdict.csv; .md and .html are written beside it"),
)
def verdict(results: Path, config: Mapping[str, Any], scope: str, output: Path) -> None:
    """A verdict on every claim of the paper."""
    from bptubeformer.verdict.evidence import Evidence
    from bptubeformer.verdict.page import count_verdicts, write_verdict

    table = write_verdict(Evidence(results, config, scope), output)
    print(count_verdicts(table).to_string())


@command(
    RESULTS,
    CONFIG,
    option("--base", "config.yaml as it is in the repository", type=Path),
    output("Markdown file; a page (.html) with the whole configuration is written beside it"),
)
def summary(results: Path, config: Mapping[str, Any], base: Path, output: Path) -> None:
    """All tables of a finished run on one page, with its data, machine and settings."""
    from bptubeformer.verdict.evidence import Evidence
    from bptubeformer.verdict.summary import write_summary

    given = yaml.safe_load(base.read_text(encoding="utf-8"))
    write_summary(Evidence(results, config), given, output)


@command(
    option("--notebook", "the notebook to execute", type=Path),
    option("--parameters", "values for its cell tagged parameters", type=mapping),
    output("the executed notebook; .html is written beside it"),
)
def notebook(notebook: Path, parameters: Mapping[str, Any], output: Path) -> None:
    """Execute a notebook with papermill."""
    from bptubeformer.figures.execute import execute_notebook

    execute_notebook(notebook, output, parameters)


@command(
    RESULTS,
    CONFIG,
    option("--rules", "shell command of each rule of the workflow", type=mapping, default="{}"),
    option("--checkout", "folder of the Snakefile", type=Path, default="."),
    output("the crate, a zip archive"),
)
def crate(
    results: Path, config: Mapping[str, Any], rules: Mapping[str, str], checkout: Path, output: Path
) -> None:
    """A finished run as an RO-Crate, to be handed on."""
    from bptubeformer.provenance.crate import Run, write_crate

    write_crate(Run(results, config, rules, checkout), output)


@command(argument("crate", "the archive of a crate, or the folder it was unpacked to", type=Path))
def check(crate: Path) -> None:
    """Verify a received crate, and compute its tables and verdicts again from its predictions."""
    from bptubeformer.provenance.check import check_crate

    check_crate(crate)
