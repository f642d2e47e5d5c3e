"""Every row of docs/own-data.md is a source that can be read as it says."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml

from bptubeformer.checks import check_config
from bptubeformer.config import reading_of
from bptubeformer.data.ingest import write_store
from bptubeformer.data.store import FrameStore
from bptubeformer.settings import ReadingSettings
from checkout import base_config
from conftest import REPOSITORY
from data.test_formats import people
from data.writers import ALONE, WRITERS

PAGE = (REPOSITORY / "docs" / "own-data.md").read_text()
ROWS = re.findall(r"^\| (.+?) \| `(.+?)` \| (nothing|`.+?`) \|$", PAGE, re.M)


def trajectories(folder, poses):
    rows = np.nan_to_num(poses[:, 0]).reshape(len(poses), -1)
    lines = [",".join(map(str, (frame, *row))) for frame, row in enumerate(rows.tolist())]
    (folder / "0001.csv").write_text("\n".join(lines) + "\n")


MADE_BY = {
    "CSV of HR-Crime": (trajectories, WRITERS["alphapose"][1]),
    "AlphaPose, with": WRITERS["alphapose"], "AlphaPose, Halpe": WRITERS["alphapose-untracked"],
    "AlphaPose, `--format": WRITERS["alphapose-open"], "tracked people": WRITERS["tracked-person"],
    "OpenPose, BODY_25": WRITERS["openpose"], "OpenPose, COCO": WRITERS["openpose-18"],
    "Ultralytics, `save": WRITERS["ultralytics"], "Ultralytics, `to": WRITERS["ultralytics-json"],
    "MMPose, the": WRITERS["mmpose"], "MMPose, `top": WRITERS["mmpose-demo"],
    "COCO, results": WRITERS["coco"], "COCO, anno": WRITERS["coco-annotations"],
    "MediaPipe, `MP": WRITERS["mediapipe-npy"], "MediaPipe, CSV with a header": WRITERS["csv-wide"],
    "MediaPipe, CSV of 132": WRITERS["csv-wide-bare"],
    "MediaPipe, CSV with a row": WRITERS["csv-long"], "NTU": WRITERS["ntu"],
    "Kinetics": WRITERS["kinetics"], "Kinect v1": WRITERS["kinect-v1"],
    "Azure": WRITERS["kinect-azure"], "MMAction2": WRITERS["pyskl"],
}  # fmt: skip
"""Writer and joints of each row, by how it begins."""
OF_THE_FILE = ("NTU", "Kinetics", "Kinect v1", "MMAction2")
"""Rows whose class the files name."""


def test_every_row_has_a_writer():
    assert len(ROWS) == len(MADE_BY)


def write(source, row, place):
    """Write a recording of a row into a class, with the names that the page gives; return it."""
    writer, joints = next(made for begin, made in MADE_BY.items() if row.startswith(begin))
    alone = any(writer is WRITERS[name][0] for name in ALONE) or writer is trajectories
    folder = source / place
    folder.mkdir(parents=True)
    writer(folder, people(joints, 1 if alone else 2))
    return folder


@pytest.mark.parametrize(("row", "below", "added"), ROWS, ids=[row for row, _, _ in ROWS])
def test_what_the_page_says_is_enough(row, below, added, tmp_path):
    source = tmp_path / "source"
    for place in ("Walking/one", "Falling/two"):
        folder = write(source, row, place)
        if below.count("/") == 0:  # the file itself is the recording
            (path,) = folder.iterdir()
            path.rename(folder.with_suffix(path.suffix))
            folder.rmdir()
    if row.startswith(OF_THE_FILE):
        other = {"NTU": "A058", "Kinetics": "falling", "Kinect v1": "8", "MMAction2": "4"}
        rename_class(source / "Falling", other[next(k for k in OF_THE_FILE if row.startswith(k))])
    more = {} if added == "nothing" else yaml.safe_load(f"{{{added.strip('`')}}}")
    config = base_config()
    config["dataset"] |= {"name": "mine", "source": str(source), **more}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"source": "", "folders": [str(source)], "files": []}))
    output = tmp_path / "frames.safetensors"
    write_store(manifest, output, None, ReadingSettings(**reading_of(check_config(config))), 1)
    store = FrameStore.load(output)
    assert len(store.categories) == 2
    assert len(store.rows) >= 2
    if not row.startswith(OF_THE_FILE):
        assert store.categories == ("Falling", "Walking")


def rename_class(folder, label):
    """Give the recordings of a folder another class, where their format has it."""
    import pickle

    for path in list(folder.rglob("*.*")):
        if path.suffix == ".skeleton":
            shutil.move(path, path.with_name(f"S1C1P1R1{label}.skeleton"))
        elif path.suffix == ".json":
            path.write_text(json.dumps({**json.loads(path.read_text()), "label": label}))
        elif path.suffix == ".csv":
            path.write_text(path.read_text().replace(";7\n", f";{label}\n"))
        elif path.suffix == ".pkl":
            content = pickle.loads(path.read_bytes())
            content["annotations"][0]["label"] = int(label)
            path.write_bytes(pickle.dumps(content))
