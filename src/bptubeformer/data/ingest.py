"""The stage that reads a source into one frame store."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bptubeformer.atomic import write_csv, write_text
from bptubeformer.data.labels import Clip, in_groups, labelled, of_categories
from bptubeformer.data.layout import Layout, SeveralPlaces, find_trajectories, find_unlabelled
from bptubeformer.data.manifest import manifest_folders
from bptubeformer.data.reader import REJECTED, check_rejected, ingest, text_of
from bptubeformer.data.recordings import (
    TRAJECTORIES,
    Found,
    Trajectory,
    find_recordings,
    format_of,
    read_recordings,
)
from bptubeformer.data.store import TEXTS, FrameStore
from bptubeformer.data.summary import HALF, summary_of, visible
from bptubeformer.data.trust import check_units
from bptubeformer.errors import InputError
from bptubeformer.kinds import Count
from bptubeformer.settings import DEFAULT_READING, ReadingSettings
from bptubeformer.skeleton import Skeleton, load_skeleton
from bptubeformer.texts import shown

BESIDE = "files that do not contain skeletons"


class Read(NamedTuple):
    """A source that was read."""

    store: FrameStore
    rejected: pd.DataFrame
    passed_over: Counter[str]
    """Number of other entries, by reason."""
    left_out: Sequence[str]
    """Classes of normal videos."""
    marked: int
    """Missing joints that were not at 0, 0."""
    inferred: int = 0
    """Recordings whose people were tracked."""


def write_store(
    manifest: Path,
    output: Path,
    categories: list[str] | None = None,
    reading: ReadingSettings = DEFAULT_READING,
    threads: Count = 1,
) -> None:
    """Read a source into one frame store.

    Args:
        manifest: written by acquire or synthetic.
        output: frame store (safetensors); rejected.csv and summary.json are written to its folder.
        categories: class names; [] or left out: read from the folders or labels.
        reading: how the source is read, as in config.yaml.
        threads: files that are read at a time.

    Raises:
        InputError: the source is not a set of skeletons in pixels, too many of its files cannot be
            read, or a category is empty.
    """
    folders = manifest_folders(manifest)
    skeleton = load_skeleton(reading.skeleton)
    kind = format_of(folders, reading)
    listed = output.with_name("rejected.csv")
    layout = None
    if kind == TRAJECTORIES and reading.labels is None and reading.group is None:
        with suppress(SeveralPlaces):  # they may be parts or groups
            layout = find_trajectories(folders, categories or None)
    if layout is not None:
        read = _read_layout(layout, skeleton, threads, listed)
    else:
        found, passed_over = read_source(folders, kind, skeleton, reading, threads)
        read = _with_classes(found, passed_over, folders, categories, skeleton, reading, listed)
    check_rejected(read.rejected, read.store, reading.max_rejected)
    check_units(read.store, ", ".join(map(shown, folders)))
    store = read.store
    if reading.min_visible is not None:
        store = chosen(store, visible(store) >= reading.min_visible)
        empty = set(store.categories) - set(store.trajectories["category"])
        if empty:
            raise InputError(
                f"dataset.min_visible = {reading.min_visible}: no trajectory of "
                f"{shown(', '.join(sorted(empty)))} is left; lower it, or leave the category out"
            )
        gone = len(read.store.rows) - len(store.rows)
        print(
            f"left out: {gone} trajectories with a joint in fewer than "
            f"{reading.min_visible:.0%} of their frames (dataset.min_visible)"
        )
    store.save(output)
    summary = {"format": kind, "identities_inferred": read.inferred, **summary_of(store)}
    write_text(output.with_name("summary.json"), json.dumps(summary, indent=1) + "\n")
    _tell(summary, read, visible(store))


def _read_layout(layout: Layout, skeleton: Skeleton, threads: int, listed: Path) -> Read:
    """Read a dataset in the layout of HR-Crime, whose folders are the classes."""
    store, rejected = ingest(layout, threads, skeleton)
    _list_rejected(rejected, listed)
    passed_over = Counter(layout.passed_over)
    passed_over[BESIDE] += rejected.attrs["foreign"]
    return Read(store, rejected, passed_over, layout.left_out, rejected.attrs["marked"])


def _with_classes(
    found: Found,
    passed_over: Counter[str],
    folders: Sequence[Path],
    categories: Sequence[str] | None,
    skeleton: Skeleton,
    reading: ReadingSettings,
    listed: Path,
) -> Read:
    """Give the trajectories of a source of any other kind their classes and groups."""
    rejected = table_of_rejected(found)
    _list_rejected(rejected, listed)
    passed_over[BESIDE] += found.foreign
    clips, without = labelled(found.trajectories, reading.labels, folders[0])
    clips, names, left_out = of_categories(clips, categories or None)
    store = store_of(in_groups(clips, reading.group), names, skeleton)
    if without:
        print(f"{without} trajectories without a label in {shown(reading.labels or '')}")
    if found.inferred:
        print(f"identities inferred by tracking in {found.inferred} recordings")
    if found.repeated:
        print(f"left out: {found.repeated} people without a joint, or twice in a frame")
    return Read(store, rejected, passed_over, left_out, found.marked, found.inferred)


def _list_rejected(rejected: pd.DataFrame, listed: Path) -> None:
    """Write the list of rejected files: also where the store is refused, it says what to mend."""
    write_csv(listed, rejected)
    for row in rejected.head(5).itertuples():
        print(f"rejected: {row.file}: {row.reason}")
    if len(rejected):
        print(f"{len(rejected)} files rejected, listed in {listed}")


def _tell(summary: Mapping[str, Any], read: Read, share: np.ndarray) -> None:
    """Print what a person should look at before the data is used."""
    print(
        f"{len(summary['categories'])} categories, {len(share)} trajectories, "
        f"{summary['frames']} frames of {summary['skeleton']} ({summary['format']}), "
        f"{summary['frames_without_joints']} of them without any joint"
    )
    if (share == 0).any():
        print(
            f"{(share == 0).sum()} trajectories have no joint in any frame, "
            f"{(share < HALF).sum()} in fewer than half of them; dataset.min_visible leaves them "
            "out"
        )
    if read.marked:
        print(f"{read.marked} joints at -1, -1 or NaN, NaN: taken for missing")
    for one in summary["categories"]:
        print(
            f"{shown(one['category'])}: {one['videos']} videos, {one['trajectories']} "
            f"trajectories, {one['frames']} frames"
        )
    (left, *_, right), (top, *_, bottom) = summary["x"], summary["y"]
    print(f"x from {left:g} to {right:g} pixels, y from {top:g} to {bottom:g}")
    for reason, count in (+read.passed_over).items():
        print(f"passed over: {count} {reason}")
    if read.left_out:
        print(
            f"left out as normal videos: {', '.join(read.left_out)} (list the categories in "
            "config.yaml to have them as a class)"
        )


def read_source(
    folders: Sequence[Path],
    kind: str,
    skeleton: Skeleton,
    reading: ReadingSettings,
    threads: int,
    left_out: Path | None = None,
) -> tuple[Found, Counter[str]]:
    """Read the trajectories of a source of any format, without their classes.

    Args:
        folders: of the source; or one file.
        kind: the format.
        skeleton: whose joints are taken.
        reading: how the source is read.
        threads: files that are read at a time.
        left_out: a folder that does not belong to it.

    Returns:
        What was found, and how many other files there are, by reason.
    """
    if kind != TRAJECTORIES:
        recordings, passed_over = find_recordings(folders, kind)
        return read_recordings(recordings, kind, skeleton, reading, threads), passed_over
    found = Found()
    for folder in folders:
        layout = find_unlabelled(folder, left_out)
        store, rejected = ingest(layout, threads, skeleton)
        found.foreign += rejected.attrs["foreign"]
        found.marked += rejected.attrs["marked"]
        found.rejected += [(None, row) for row in rejected.to_dict("records")]
        for one, begin, end in zip(
            store.trajectories.itertuples(), store.offsets, store.offsets[1:], strict=False
        ):
            found.trajectories.append(
                Trajectory(
                    name=Path(one.video).parts, person=one.person,
                    number=store.frame_number[begin:end], frames=store.frames[begin:end],
                    label=None,
                )
            )  # fmt: skip
    return found, Counter()


def table_of_rejected(found: Found) -> pd.DataFrame:
    """Return the files that cannot be read, a row each: ``reader.REJECTED``."""
    rows = [
        reason if recording is None else {
            "category": "", "video": shown("/".join(recording.name)), "person": "",
            "file": shown(recording.place), "row": None, "column": None, "reason": reason,
        }
        for recording, reason in found.rejected
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(REJECTED)).astype({"row": "Int64"})


def store_of(clips: Sequence[Clip], categories: Sequence[str], skeleton: Skeleton) -> FrameStore:
    """Return the store of clips, sorted by category, video and person."""
    rank = {name: place for place, name in enumerate(categories)}
    ordered = sorted(clips, key=lambda clip: (rank[clip.category], clip.video, clip.person))
    rows = np.array([len(clip.number) for clip in ordered], dtype=np.int64)
    table = pd.DataFrame(
        [
            (c.category, *map(text_of, (c.video, c.person, c.group, c.part, c.recording)))
            for c in ordered
        ],
        columns=list(TEXTS),
    )
    return FrameStore(
        frames=np.concatenate(
            [np.empty((0, skeleton.values), np.float32), *(clip.frames for clip in ordered)]
        ),
        frame_number=np.concatenate([np.empty(0, np.int32), *(clip.number for clip in ordered)]),
        offsets=np.concatenate([[0], np.cumsum(rows)]).astype(np.int64),
        trajectories=table.assign(rows=rows),
        categories=tuple(categories),
        skeleton=skeleton,
    )


def chosen(store: FrameStore, wanted: np.ndarray) -> FrameStore:
    """Return a store with some of its trajectories, bool (N,)."""
    return FrameStore(
        frames=store.frames[np.repeat(wanted, store.rows)],
        frame_number=store.frame_number[np.repeat(wanted, store.rows)],
        offsets=np.concatenate([[0], np.cumsum(store.rows[wanted])]).astype(np.int64),
        trajectories=store.trajectories[wanted].reset_index(drop=True),
        categories=store.categories,
        skeleton=store.skeleton,
    )
