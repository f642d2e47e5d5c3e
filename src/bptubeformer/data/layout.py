"""Where the trajectories stand: ``.../<Category>/<Video>/<person>.csv``, wherever the dots lead.

Nobody who wrote this has seen the archive of HR-Crime, so nothing here depends on the folders
above the categories, on their spelling, or on whether they came out of one zip or several.
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bptubeformer.errors import InputError

TREE_LINES = 40


@dataclass(frozen=True, order=True)
class TrajectoryFile:
    """One person's trajectory in one video."""

    category: str
    video: str
    person: str
    path: Path


@dataclass(frozen=True)
class Layout:
    """What was found below the folders of a dataset."""

    categories: tuple[str, ...]
    """Class names; their position is the class index."""

    files: tuple[TrajectoryFile, ...]
    """Sorted by category (in the order of ``categories``), video and person."""

    passed_over: tuple[Path, ...]
    """Files that are no trajectory of one of the categories."""

    left_out: tuple[str, ...] = ()
    """Folders beside the categories that are named after normal videos."""


def plain(name: str) -> str:
    """``name`` without case, spaces, hyphens and underscores: how category names are compared."""
    return "".join(letter for letter in name.casefold() if letter not in " -_")


def is_junk(name: str) -> bool:
    """Whether a file or folder name is left behind by an operating system."""
    return name.startswith(".") or name in {"__MACOSX", "Thumbs.db", "desktop.ini"}


def walk_files(folder: Path) -> list[Path]:
    """All files below ``folder``, sorted, without junk; symbolic links to folders not followed."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        found += [Path(parent, name) for name in sorted(files) if not is_junk(name)]
    return found


def folder_state(source: str) -> str:
    """Names, sizes and times of a local source in one hash, so that a change of it is noticed.

    Empty for a source that is not on this machine.
    """
    path = Path(source)
    if path.is_dir():
        files = walk_files(path)
    elif path.is_file():
        files = [path]
    else:
        return ""
    digest = hashlib.sha256()
    for file in files:
        state = file.stat()
        digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def find_trajectories(folders: Sequence[Path], categories: Sequence[str] | None) -> Layout:
    """Find the category folders and the trajectories in them.

    Args:
        folders: where to look, at any depth.
        categories: the names expected, in class order, matched up to case, spaces, hyphens and
            underscores; or None to read them from the folders (those named after normal
            videos are then left out: in HR-Crime they are no class of crime).

    Raises:
        InputError: nothing fits, a category is missing or empty, or one trajectory stands in two
            places.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give the folder that holds the categories")
    files = [(folder, path) for folder in folders for path in walk_files(folder)]
    if categories is None:
        trajectories, names, left_out = _by_place(folders, files)
    else:
        trajectories, names = _by_name(folders, files, categories)
        left_out = []
    _refuse_doubles(trajectories)
    _refuse_empty(folders, trajectories, names)
    rank = {name: position for position, name in enumerate(names)}
    trajectories.sort(key=lambda file: (rank[file.category], file.video, file.person))
    used = {file.path for file in trajectories}
    return Layout(
        categories=tuple(names),
        files=tuple(trajectories),
        passed_over=tuple(path for _, path in files if path not in used),
        left_out=tuple(left_out),
    )


def _is_trajectory(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _by_name(
    folders: Sequence[Path], files: Iterable[tuple[Path, Path]], categories: Sequence[str]
) -> tuple[list[TrajectoryFile], list[str]]:
    """Files that stand two levels below a folder with an expected name."""
    expected = {plain(name): name for name in categories}
    trajectories = []
    for folder, path in files:
        # The innermost <Category>/<Video>/<person>.csv; a dataset's own folder may be a category.
        parts = path.relative_to(folder.parent).parts
        if _is_trajectory(path) and len(parts) >= 3 and plain(parts[-3]) in expected:
            category = expected[plain(parts[-3])]
            trajectories.append(TrajectoryFile(category, parts[-2], path.stem, path))
    found = {file.category for file in trajectories}
    absent = [name for name in categories if name not in found and not _named(folders, [name])]
    if absent:
        raise InputError(
            f"{_places(folders)}: no folder <Category>/<Video>/<person>.csv for "
            f"{len(absent)} of the {len(categories)} categories: {', '.join(absent)}. Expected "
            f"{'/'.join((categories[0], categories[0] + '012', '0002.csv'))} and the like, at any "
            "depth; list the categories of this dataset in config.yaml under categories, or point "
            f"dataset.source at the folder that holds them. Found:\n{tree(folders)}"
        )
    return trajectories, list(categories)


def _by_place(
    folders: Sequence[Path], files: Iterable[tuple[Path, Path]]
) -> tuple[list[TrajectoryFile], list[str], list[str]]:
    """Files grouped by the folder three levels above them; one such folder holds the categories."""
    groups: dict[Path, list[Path]] = defaultdict(list)
    for folder, path in files:
        if _is_trajectory(path) and len(path.relative_to(folder).parts) >= 3:
            groups[path.parents[2]].append(path)
    named = [root for root in groups if plain(root.name).startswith("trajectories")]
    roots = named or list(groups)
    if not roots:
        raise InputError(
            f"{_places(folders)}: no trajectories. Expected <Category>/<Video>/<person>.csv, at "
            f"any depth; point dataset.source at the folder that holds the categories. Found:\n"
            f"{tree(folders)}"
        )
    if len(roots) > 1:
        raise InputError(
            f"{_places(folders)}: category folders stand in {len(roots)} places: "
            f"{', '.join(map(str, sorted(roots)))}; point dataset.source at one of them"
        )
    (root,) = roots
    with_trajectories = {path.parts[-3] for path in groups[root]}
    names, left_out = [], []
    for entry in sorted(root.iterdir()):
        if not entry.is_dir() or is_junk(entry.name):
            continue
        files = walk_files(entry)
        if _is_normal(entry.name):
            left_out.append(entry.name)
        elif entry.name in with_trajectories:
            names.append(entry.name)
        elif any(map(_is_trajectory, files)):
            raise InputError(
                f"{entry}: expected <Video>/<person>.csv in the category {entry.name}, found "
                f"{next(filter(_is_trajectory, files)).relative_to(root)}; give each video a folder"
            )
        elif not files:
            # Other files make it something else; no file at all, a category nobody has filled.
            names.append(entry.name)
    trajectories = [
        TrajectoryFile(path.parts[-3], path.parts[-2], path.stem, path)
        for path in groups[root]
        if path.parts[-3] in names
    ]
    if len(names) < 2:
        raise InputError(
            f"{root}: {len(names)} category ({', '.join(names)}); expected at least two folders "
            "<Category>/<Video>/<person>.csv; folders of normal videos do not count unless they "
            "are listed in config.yaml under categories"
        )
    return trajectories, names, left_out


def _is_normal(name: str) -> bool:
    """Whether a folder is named after normal videos: ``Normal``, ``Training-Normal-Videos``."""
    return re.search(r"(?<![a-z])normal", name, re.IGNORECASE) is not None


def _refuse_doubles(trajectories: Iterable[TrajectoryFile]) -> None:
    seen: dict[tuple[str, str, str], Path] = {}
    for file in trajectories:
        key = (file.category, file.video, file.person)
        if key in seen:
            raise InputError(
                f"{file.path}: trajectory {'/'.join(key)} also stands at {seen[key]}; "
                "point dataset.source at the folder that holds one copy of the trajectories"
            )
        seen[key] = file.path


def _refuse_empty(
    folders: Sequence[Path], trajectories: Iterable[TrajectoryFile], categories: Sequence[str]
) -> None:
    filled = {file.category for file in trajectories}
    empty = [name for name in categories if name not in filled]
    if empty:
        places = _named(folders, empty) or folders
        raise InputError(
            f"{places[0]}: category {empty[0]} is empty: expected <Video>/<person>.csv in it; add "
            "its trajectories, or remove it (the folder and its entry under categories)"
        )


def _named(folders: Sequence[Path], categories: Iterable[str]) -> list[Path]:
    """Folders, at any depth, with the name of one of ``categories``."""
    wanted = {plain(name) for name in categories}
    return sorted(
        Path(parent, name)
        for folder in folders
        for parent, names, _ in os.walk(folder)
        for name in names
        if plain(name) in wanted
    )


def _places(folders: Sequence[Path]) -> str:
    return " and ".join(map(str, folders))


def tree(folders: Sequence[Path], lines: int = TREE_LINES) -> str:
    """The folders and files below ``folders``, at most three entries a folder and ``lines`` lines.

    Enough for a person to see how the data lies.
    """
    drawn: list[str] = []

    def draw(folder: Path, depth: int) -> None:
        entries = sorted(entry for entry in folder.iterdir() if not is_junk(entry.name))
        shown = entries if depth == 0 else entries[:3]
        for entry in shown:
            drawn.append("  " * (depth + 1) + entry.name + ("/" if entry.is_dir() else ""))
            if entry.is_dir() and not entry.is_symlink():
                draw(entry, depth + 1)
        if len(entries) > len(shown):
            drawn.append("  " * (depth + 1) + f"... {len(entries) - len(shown)} more")

    for folder in folders:
        drawn.append(f"{folder}/")
        draw(folder, 0)
    if len(drawn) > lines:
        drawn[lines:] = [f"  ... {len(drawn) - lines} more lines"]
    return "\n".join(drawn)
