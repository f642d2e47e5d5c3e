"""The class and the group of each trajectory: from a table, the format, or the folders."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bptubeformer.data.layout import is_normal, plain
from bptubeformer.data.recordings import Trajectory
from bptubeformer.errors import InputError
from bptubeformer.reading import reading
from bptubeformer.texts import shown

NEEDED = ("video", "label")
OPTIONAL = ("person", "first_frame", "last_frame", "group", "part")
PARTS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "validation", "valid": "validation", "validation": "validation",
}  # fmt: skip
"""Names that people give to the parts of a split."""
OPEN = (-(2**31), 2**31)
"""First and last frame of a row of a table that names none."""


@dataclass(frozen=True)
class Clip:
    """A trajectory, or a part of one, with its class."""

    category: str
    video: str
    person: str
    number: np.ndarray
    frames: np.ndarray
    group: str = ""
    """A subject, a camera, a shop, ...; what the protocol ``group`` keeps together."""
    part: str = ""
    """``train``, ``validation`` or ``test``, for the protocol ``predefined``."""
    recording: str = ""
    """The recording that it was cut from, which may have clips of several classes."""

    def cut(self, rows: np.ndarray | slice, video: str) -> "Clip":
        """Return some rows as a clip of another video, cut from this one."""
        return replace(
            self, video=video, number=self.number[rows], frames=self.frames[rows],
            recording=self.video,
        )  # fmt: skip


def read_labels(path: Path) -> pd.DataFrame:
    """Return a table of labels: texts video, label, person, group; first_frame, last_frame.

    Raises:
        InputError: it is not such a table; names the row.
    """
    with reading(path, "a table of labels", "your hands: video,label"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
        lacking = [name for name in NEEDED if name not in table]
        if lacking:
            raise ValueError(f"no column {lacking[0]}; it has {', '.join(map(str, table.columns))}")
        unknown = [str(name) for name in table if name not in (*NEEDED, *OPTIONAL)]
        if unknown:
            raise ValueError(f"an unknown column {unknown[0]}; known: {', '.join(OPTIONAL)}")
        for name in ("first_frame", "last_frame"):
            given = table.get(name, pd.Series("", index=table.index)).str.strip()
            wrong = np.flatnonzero(~given.str.fullmatch(r"-?\d{1,9}|"))
            if len(wrong):
                raise ValueError(f"row {wrong[0] + 2}: {name} {given[wrong[0]]!r} is not a number")
            table[name] = given.where(given != "", str(OPEN[name == "last_frame"])).astype(np.int64)
        table["label"] = table["label"].str.strip()
        for name in ("person", "group", "part"):
            table[name] = table.get(name, pd.Series("", index=table.index)).str.strip()
        wrong = np.flatnonzero(~table["part"].str.lower().isin(["", *PARTS]))
        if len(wrong):
            raise ValueError(
                f"row {wrong[0] + 2}: part {table['part'][wrong[0]]!r} is not train, "
                "validation or test"
            )
        table["part"] = table["part"].str.lower().replace(PARTS)
        empty = np.flatnonzero((table["video"].str.strip() == "") | (table["label"] == ""))
        if len(empty):
            raise ValueError(f"row {empty[0] + 2}: video or label is empty")
        return table


def by_table(trajectories: Sequence[Trajectory], path: Path) -> tuple[list[Clip], int]:
    """Return clips with the labels of a table, and how many trajectories have none.

    A video is named by its path below the source, without suffix, or by its last part where that
    is of one video only.

    Raises:
        InputError: the table names a video or person that is not there, or labels a frame twice.
    """
    table = read_labels(path)
    full = {"/".join(one.name): one.name for one in trajectories}
    short: dict[str, set[str]] = defaultdict(set)
    for name, parts in full.items():
        short[parts[-1]].add(name)
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in table.itertuples():
        given = Path(row.video.strip())
        exact = {str(given), str(given.parent / given.stem)} & set(full)
        found = exact or short.get(str(given)) or short.get(_without_folder(given)) or set()
        if len(found) != 1:
            what = "several videos" if found else "no video"
            raise InputError(
                f"{shown(path)}, row {row.Index + 2}: {what} of the source called "
                f"{shown(row.video)}; expected one such as {shown(next(iter(full)))}"
            )
        rows[next(iter(found))].append(row)
    clips, without = [], 0
    for one in trajectories:
        name = "/".join(one.name)
        mine = [row for row in rows.get(name, ()) if row.person in ("", one.person)]
        without += not mine
        taken = np.zeros(len(one.number), dtype=bool)
        for row in mine:
            inside = (one.number >= row.first_frame) & (one.number <= row.last_frame)
            if (inside & taken).any():
                raise InputError(
                    f"{shown(path)}, row {row.Index + 2}: frames of {shown(name)} that another row "
                    "labels too; expected one label a frame"
                )
            taken |= inside
            if inside.any():
                whole = len(mine) == 1 and row.first_frame == OPEN[0]
                first = row.first_frame if row.first_frame != OPEN[0] else one.number[0]
                clips.append(
                    Clip(row.label, name if whole else f"{name}-{first}", one.person,
                         one.number[inside], one.frames[inside], row.group, row.part,
                         recording=name if len(rows[name]) > 1 else "")
                )  # fmt: skip
    people = {("/".join(one.name), one.person) for one in trajectories}
    for name, mine in rows.items():
        for row in mine:
            if row.person and (name, row.person) not in people:
                raise InputError(
                    f"{shown(path)}, row {row.Index + 2}: no person {shown(row.person)} in "
                    f"{shown(name)}"
                )
    return clips, without


def _without_folder(video: Path) -> str:
    """Return the name of a video without its suffix; empty if a folder is named too."""
    return video.stem if len(video.parts) == 1 else ""


def by_format(trajectories: Iterable[Trajectory]) -> Iterator[Clip]:
    """Yield clips with the labels that the files hold: one, or one for each frame."""
    for one in trajectories:
        clip = Clip(one.label or "", "/".join(one.name), one.person, one.number, one.frames)
        if one.labels is None:
            yield clip
            continue
        changes = np.flatnonzero([a != b for a, b in zip(one.labels, one.labels[1:], strict=False)])
        for number, rows in enumerate(np.split(np.arange(len(one.labels)), changes + 1)):
            label = one.labels[rows[0]]
            if label is not None:
                yield replace(clip.cut(rows, f"{clip.video}-{number}"), category=label)


def by_folder(trajectories: Sequence[Trajectory], source: Path) -> list[Clip]:
    """Return clips whose class is the folder that their video is in.

    Folders of classes may stand in folders that are parts (``train``, ``test``) or, all of them,
    groups (subjects, cameras).

    Raises:
        InputError: a video is in no such folder, or the classes are in several places.
    """
    flat = [one for one in trajectories if len(one.name) < 2]
    if flat:
        raise InputError(
            f"{shown(source)}: the recording {shown('/'.join(flat[0].name))} is in no folder that "
            "names its class; expected <Category>/<Video>, or a table of labels (dataset.labels)"
        )
    places = {one.name[:-2] for one in trajectories}
    parts = {place: PARTS.get(place[-1].lower(), "") if place else "" for place in places}
    if len(places) > 1 and not all(parts.values()):
        # Groups share classes; folders with different classes are neither parts nor groups.
        classes = [{o.name[-2] for o in trajectories if o.name[:-2] == place} for place in places]
        alike = all(one & other for one in classes for other in classes)
        if alike and all(places) and not any(parts.values()):
            return [
                Clip(one.name[-2], "/".join((*one.name[:-2], one.name[-1])), one.person, one.number,
                     one.frames, group="/".join(one.name[:-2]))
                for one in trajectories
            ]  # fmt: skip
        each = ", ".join(sorted("/".join(place) or "." for place in places)[:5])
        raise InputError(
            f"{shown(source)}: category folders are in {len(places)} places: {shown(each)}; point "
            "dataset.source at one of them, or give a table of labels (dataset.labels)"
        )
    return [
        Clip(one.name[-2], "/".join((*one.name[:-2][-1:] * (len(places) > 1), one.name[-1])),
             one.person, one.number, one.frames, part=parts[one.name[:-2]])
        for one in trajectories
    ]  # fmt: skip


def labelled(
    trajectories: Sequence[Trajectory], labels: str | None, source: Path
) -> tuple[list[Clip], int]:
    """Return clips with their classes, and how many trajectories have none.

    A table comes first; then what every file says of itself; then the folders.

    Raises:
        InputError: as for ``by_table`` and ``by_folder``.
    """
    if labels is not None:
        return by_table(trajectories, Path(labels))
    if all(one.label is not None or one.labels is not None for one in trajectories):
        clips = list(by_format(trajectories))
        return clips, 0
    return by_folder(trajectories, source), 0


def in_groups(clips: Iterable[Clip], pattern: str | None) -> list[Clip]:
    """Return clips with the group that a pattern finds in ``<Category>/<Video>/<person>``.

    Raises:
        InputError: the pattern is not valid, has not one group, or does not fit.
    """
    if pattern is None:
        return list(clips)
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise InputError(f"dataset.group {pattern!r}: not a pattern ({error})") from error
    if wanted.groups != 1:
        raise InputError(f"dataset.group {pattern!r}: {wanted.groups} groups; expected one: (...)")
    found = []
    for clip in clips:
        name = f"{clip.category}/{clip.video}/{clip.person}"
        matched = wanted.search(name)
        if matched is None:
            raise InputError(f"dataset.group {pattern!r}: not found in {shown(name)}")
        found.append(replace(clip, group=matched[1] or ""))
    return found


def of_categories(
    clips: Sequence[Clip], expected: Sequence[str] | None
) -> tuple[list[Clip], list[str], list[str]]:
    """Return the clips of the wanted classes, the classes, and the names that were left out.

    Args:
        clips: of any class.
        expected: class names in their order, matched up to case, spaces, hyphens and underscores;
            None: all but those named after normal videos.

    Raises:
        InputError: a class is missing, or fewer than two are left.
    """
    names = sorted({clip.category for clip in clips})
    if expected is None:
        left_out = [name for name in names if is_normal(name)]
        named: Mapping[str, str] = {name: name for name in names if name not in left_out}
        classes = list(named)
    else:
        wanted = {plain(name): name for name in expected}
        named = {name: wanted[plain(name)] for name in names if plain(name) in wanted}
        left_out = [name for name in names if name not in named]
        classes = list(expected)
    absent = [name for name in classes if name not in named.values()]
    if absent or len(classes) < (2 if expected is None else 1):
        raise InputError(
            f"{len(named)} classes ({shown(', '.join(named))}); expected "
            + (f"also {shown(', '.join(absent))}" if absent else "at least two")
            + "; list the classes in config.yaml under categories, or mend the folders or labels"
        )
    kept = [replace(c, category=named[c.category]) for c in clips if c.category in named]
    return kept, classes, left_out
