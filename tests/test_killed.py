"""Every stage, killed on the way and run again, ends with the bytes of an undisturbed one.

Killed by SIGKILL before it touches its folder for the n-th time, for n over the whole way. What
stands under its final name then is whole: nothing half-written is ever taken for a result.
"""

import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from bptubeformer.provenance.received import METADATA
from bptubeformer.stages import TABLES
from checkout import RESULTS, study_of_one_run
from conftest import REPOSITORY, trajectory_rows, write_csv
from data.dataverse_server import DOI, RemoteFile, dataverse

POINTS = 8
"""Times that each stage is killed."""
RUN = json.dumps({"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1})
TRAINING = json.dumps({"batch_size": 16, "max_epochs": 4})
SPLIT = json.dumps({"folds": 2, "seed": 42, "minimum_rows": 24, "test_fraction": 0.2,
                    "validation_fraction": 0.25})  # fmt: skip
_, STUDY = study_of_one_run(Path("../made"), 1, json.loads(RUN))
PLACE = "video/mine/fold{fold}"
STORE = ["--store", "../made/data/frames.safetensors"]
MODEL = [*STORE, "--model", "../made/video/mine/fold0/model.safetensors"]
# A job reads a model in the folder that it writes to.
OF_FOLD = ["--store", "data/frames.safetensors", "--splits", "split", "--folder", PLACE]
MADE = {
    name: ["--study", json.dumps(STUDY), "--output", f"t/{name}.csv"]
    for name in (table.name for table in TABLES)
}
GIVEN = {
    **dict.fromkeys(
        ("predict", "embed", "attention_movement", "identify", "calibrate"),
        ("data/frames.safetensors", "split/fold0.parquet", "video/mine/fold0/model.safetensors"),
    ),
    "notebook": ("made/data/frames.safetensors", "made/alone/tables/movement.csv"),
}
"""Files in the folder of a stage before it begins: it writes next to them."""

STAGES = {
    "synthetic": ["--seed", "13", "--size", "0.2", "--folder", "raw", "--output", "manifest.json"],
    "acquire": ["--source", "../made/data.zip", "--folder", "raw", "--output", "manifest.json"],
    "ingest": ["--manifest", "../made/manifest.json", "--output", "data/frames.safetensors"],
    "split": [*STORE, "--protocol", "video", "--segment-length", "24", "--step", "24",
              "--split", SPLIT, "--output", "split"],
    "train": [*STORE, "--splits", "../made/split", "--run", RUN, "--training", TRAINING,
              "--folds", "[0, 1]", "--output", PLACE],
    "predict": OF_FOLD,
    "embed": [*OF_FOLD, "--per-class", "3"],
    "attend": [*MODEL, "--predictions", "../made/video/mine/fold0/predictions.parquet",
               "--output", "attention.safetensors"],
    "attention_movement": OF_FOLD,
    "identify": [*OF_FOLD, "--per-class", "3"],
    "calibrate": [*OF_FOLD, "--per-class", "3"],
    **MADE,
    "overview": [*STORE, "--summary", "../made/data/summary.json", "--output", "overview.html"],
    "projector": ["--embeddings", "../made/video/mine/fold0/embeddings.safetensors",
                  "--name", "mine", "--output", "projector/p.pbtxt"],
    "summary": ["--study", json.dumps(STUDY), "--base", str(REPOSITORY / "config.yaml"),
                "--output", "summary.md"],
    "notebook": ["--notebook", str(REPOSITORY / "notebooks" / "movement.ipynb"),
                 "--parameters", json.dumps({"study": {**STUDY, "results": "made"}}),
                 "--output", "notebooks/movement.ipynb"],
}  # fmt: skip


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
    made = root / "made"
    run, study = killable(made), json.dumps({**STUDY, "results": "../made"})
    store = ["--store", "data/frames.safetensors"]
    run("acquire", "--source", "data.zip", "--folder", made / "raw", "--output", "manifest.json")
    run("ingest", "--manifest", "manifest.json", "--output", store[1])
    run("split", *store, *STAGES["split"][2:])
    run("train", *store, "--splits", "split", "--run", RUN, "--training", TRAINING,
        "--output", PLACE)  # fmt: skip
    for stage in ("predict", "embed", "attention_movement", "identify", "calibrate"):
        run(stage, *STAGES[stage])
    for protocol in ("as-published", "trajectory"):
        (made / protocol).symlink_to("video")
    run("attend", *store, "--model", "video/mine/fold0/model.safetensors", "--predictions",
        "video/mine/fold0/predictions.parquet", "--output",
        "video/mine/fold0/attention.safetensors")  # fmt: skip
    for table in ("movement", "accuracy"):
        run(table, "--study", study, "--output", f"alone/tables/{table}.csv")
    (made / "made").symlink_to(".")
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
    """Return the files that have their final names; a checkpoint is not a result."""
    hidden = re.compile(r"\.partial-|\.part-|checkpoint\.safetensors|\.lock")
    return {
        str(path.relative_to(folder)): meaning(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(map(hidden.match, path.relative_to(folder).parts))
    }


def check(commands, *arguments, points=POINTS, whole=lambda name: True, given=()):
    folder = commands.folder

    def afresh():
        shutil.rmtree(folder)
        folder.mkdir()
        for name in given:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder.with_name("made") / name, folder / name)

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
    # What is unpacked, or made for the demonstration, is complete when the manifest is there.
    raw = stage in ("synthetic", "acquire")
    check(
        commands, stage, *STAGES[stage], points=3 if stage in ("notebook", "overview") else POINTS,
        given=GIVEN.get(stage, ()),
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
