"""Every stage, killed on the way and run again, ends with the bytes of an undisturbed one.

Killed by SIGKILL before it touches its folder for the n-th time, for n over the whole way. What
stands under its final name then is whole: nothing half-written is ever taken for a result.
"""

import json
import re
import shutil
import zipfile

import pytest
import yaml

from bptubeformer.provenance.check import METADATA
from checkout import RESULTS
from conftest import REPOSITORY, trajectory_rows, write_csv
from data.dataverse_server import DOI, RemoteFile, dataverse

POINTS = 8
"""Times that each stage is killed."""
RUN = json.dumps({"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1})
RUNS = json.dumps({"mine": {"experiment": "x", **json.loads(RUN)}})
TRAINING = json.dumps({"batch_size": 16, "max_epochs": 4})
SPLIT = json.dumps({"folds": 2, "seed": 42, "minimum_rows": 24, "test_fraction": 0.2,
                    "validation_fraction": 0.25})  # fmt: skip
STORE = ["--store", "../made/frames.safetensors"]
FOLD = [*STORE, "--split", "../made/split/fold0.parquet"]
MODEL = ["--model", "../made/video/mine/fold0/model.safetensors"]
FOLDS = ["--results", "../made", *STORE, "--protocols", "video", "--folds", "1"]
EMBEDDINGS = ["--embeddings", "../made/video/mine/fold0/embeddings.safetensors"]
FEW = ["--bootstrap", "100", "0"]
NOTEBOOK = str(REPOSITORY / "notebooks" / "movement.ipynb")
PARAMETERS = json.dumps({"table": "../made/movement.csv", "run": "mine", "figures": "figures"})

STAGES = {
    "synthetic": ["--seed", "13", "--size", "0.2", "--folder", "raw", "--output", "manifest.json"],
    "acquire": ["--source", "../made/data.zip", "--folder", "raw", "--output", "manifest.json"],
    "ingest": ["--manifest", "../made/manifest.json", "--output", "data/frames.safetensors"],
    "split": [*STORE, "--protocol", "video", "--segment-length", "24", "--step", "24",
              "--settings", SPLIT, "--output", "split"],
    "train": [*FOLD, "--run", RUN, "--training", TRAINING, "--output", "video/mine/fold0"],
    "test": [*FOLD, *MODEL, "--output", "predictions.parquet"],
    "embed": [*FOLD, *MODEL, "--per-class", "3", "--output", "embeddings.safetensors"],
    "attend": [*STORE, *MODEL, "--predictions", "../made/video/mine/fold0/predictions.parquet",
               "--output", "attention.safetensors"],
    "attention_movement": [*FOLD, *MODEL, "--output", "movement.parquet"],
    "accuracy": [*FOLDS, "--runs", RUNS, "--baseline", "mine", "--output", "t/accuracy.csv"],
    "leakage": [*FOLDS, "--runs", "mine", "--output", "t/leakage.csv"],
    "complexity": [*STORE, "--runs", RUNS, "--output", "t/complexity.csv"],
    "movement": [*STORE, "--folds", "../made/video/mine/fold0/movement.parquet", *FEW,
                 "--output", "t/movement.csv"],
    "silhouettes": [*STORE, *EMBEDDINGS, "--output", "t/silhouettes.csv"],
    "projector": [*EMBEDDINGS, "--name", "mine", "--output", "projector/p.pbtxt"],
    "verdict": ["--results", "../made", "--output", "t/verdict.csv"],
    "summary": ["--results", "../made", "--base", str(REPOSITORY / "config.yaml"),
                "--output", "summary.md"],
    "notebook": ["--notebook", NOTEBOOK, "--parameters", PARAMETERS,
                 "--output", "notebooks/movement.ipynb"],
}  # fmt: skip


def config():
    settings = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    settings["dataset"] |= {"name": "mine", "source": "synthetic"}
    settings["runs"] = json.loads(RUNS)
    return settings | {"protocols": ["video"], "split": {**settings["split"], "folds": 1}}


@pytest.fixture(scope="module")
def commands(killable, tmp_path_factory):
    """Commands, and beside their folder ``made``, which holds what each stage needs."""
    root = tmp_path_factory.mktemp("killed")
    for name in ("made", "work"):
        (root / name).mkdir()
    for category in ("walk", "jump"):
        for video in "abcdef":
            write_csv(root / "raw" / category / video / "1.csv", trajectory_rows(60))
    shutil.make_archive(root / "made" / "data", "zip", root / "raw")
    run = killable(root / "made")
    mine = "video/mine/fold0"
    made = ["--store", "frames.safetensors", "--split", "split/fold0.parquet"]
    run("acquire", "--source", "data.zip", "--folder", str(root / "made" / "raw"),
        "--output", "manifest.json")  # fmt: skip
    run("ingest", "--manifest", "manifest.json", "--output", "frames.safetensors")
    run("split", *made[:2], *STAGES["split"][2:])
    run("train", *made, "--run", RUN, "--training", TRAINING, "--output", mine)
    trained = [*made, "--model", f"{mine}/model.safetensors"]
    run("test", *trained, "--output", f"{mine}/predictions.parquet")
    run("embed", *trained, "--per-class", "3", "--output", f"{mine}/embeddings.safetensors")
    run("attend", *made[:2], *trained[4:], "--predictions", f"{mine}/predictions.parquet",
        "--output", f"{mine}/attention.safetensors")  # fmt: skip
    run("attention_movement", *trained, "--output", f"{mine}/movement.parquet")
    run("movement", *made[:2], "--folds", f"{mine}/movement.parquet", *FEW,
        "--output", "movement.csv")  # fmt: skip
    (root / "made" / "data").mkdir()
    shutil.copy(root / "made" / "frames.safetensors", root / "made" / "data")
    return killable(root / "work")


def meaning(path):
    """The content of a file without what the clock wrote into it."""
    content = path.read_bytes()
    if path.name == "history.csv":
        return re.sub(rb",[^,]*(,(True|False))?\n", rb"\1\n", content)
    if path.name == "run.json":
        record = json.loads(content)
        clock = {
            "ended",
            "seconds",
            "seconds_before_first_epoch",
            "peak_memory_mb",
            "resumed_after_epochs",
        }
        return {key: value for key, value in record.items() if key not in clock}
    if path.suffix == ".ipynb":
        cells = json.loads(content)["cells"]
        return [(cell["source"], cell.get("outputs")) for cell in cells]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members[METADATA] = re.sub(rb'"datePublished": "[^"]+"', b"", members[METADATA])
        return members
    return content


def results(folder):
    """What stands under its final name; a checkpoint is no result."""
    hidden = re.compile(r"\.partial-|\.part-|checkpoint\.safetensors|\.training\.lock")
    return {
        str(path.relative_to(folder)): meaning(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(map(hidden.match, path.relative_to(folder).parts))
    }


def check(commands, *arguments, points=POINTS, whole=lambda name: True):
    folder = commands.folder

    def afresh():
        shutil.rmtree(folder)
        folder.mkdir()

    afresh()
    touches = commands(*arguments)["touches"]
    undisturbed = results(folder)
    assert undisturbed
    assert touches > 0
    for point in sorted({1 + round(i * (touches - 1) / (points - 1)) for i in range(points)}):
        afresh()
        commands(*arguments, kill_at=point)
        for name, content in results(folder).items():
            if whole(name):
                assert content == undisturbed[name], (point, name)
        commands(*arguments)
        assert results(folder) == undisturbed, point
        left = [path.name for path in folder.rglob("*") if path.name.startswith((".part", "check"))]
        assert left == [], point


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_on_the_way_ends_with_the_same_bytes(commands, stage):
    arguments = [stage, *STAGES[stage]]
    if stage in ("verdict", "summary"):
        arguments += ["--config", json.dumps(config())]
    # What is unpacked, or made for the demonstration, is complete when the manifest is there.
    raw = stage in ("synthetic", "acquire")
    check(
        commands, *arguments, points=3 if stage == "notebook" else POINTS,
        whole=lambda name: not (raw and name.startswith("raw/")),
    )  # fmt: skip


def test_a_crate_killed_on_the_way_ends_with_the_same_bytes(commands, finished):
    checkout, _ = finished
    with zipfile.ZipFile(checkout / RESULTS / "crate.zip") as archive:
        settings = archive.read(f"{RESULTS}/config.json").decode()
    check(
        commands, "crate", "--results", checkout / RESULTS, "--checkout", checkout,
        "--config", settings, "--output", "crate.zip", points=3,
    )  # fmt: skip


def test_a_download_killed_on_the_way_ends_with_the_same_bytes(commands):
    files = [RemoteFile(f"{i}.csv", bytes([i]) * 300_000, folder=f"a/v{i}") for i in range(4)]
    with dataverse(*files) as server:
        check(
            commands, "acquire", "--source", DOI, "--server", server.address, "--folder", "raw",
            "--output", "manifest.json", whole=lambda name: not re.search(r"/tmp\w+$", name),
        )  # fmt: skip
