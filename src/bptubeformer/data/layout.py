"""Find the trajectories of a dataset: ``.../<Category>/<Video>/<person>.csv``, at any depth.

Nobody who wrote this has seen the archive of HR-Crime, so nothing here depends on the folders
above the categories, on their spelling, or on whether they came out of one zip or several.
"""

import hashlib
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bptubeformer.errors import InputError
from bptubeformer.texts import shown

TREE_LINES, TREE_DEPTH = 40, 8
JUNK = "left behind by an operating system"
LOOP = "links to folders that are there already"
OUTSIDE = "links to a folder around this one, or to the system's own"
SYSTEM = ("proc", "sys", "dev")
NORMAL = "of normal videos"
FOREIGN = "not .csv"
ELSEWHERE = ".csv files elsewhere"


class SeveralPlaces(InputError):
    """Folders of categories that are in several places: parts, groups, or two datasets."""


@dataclass(frozen=True, order=True)
class TrajectoryFile:
    """One person's trajectory in one video."""

    category: str
    video: str
    person: str
    path: Path


@dataclass(frozen=True)
class Layout:
    """The files found below the folders of a dataset."""

    categories: tuple[str, ...]
    """Class names; their position is the class index."""

    files: tuple[TrajectoryFile, ...]
    """Sorted by category (in the order of ``categories``), video and person."""

    passed_over: Mapping[str, int]
    """Number of entries that are not a trajectory of one of the categories, by reason."""

    left_out: tuple[str, ...] = ()
    """Folders beside the categories that are named after normal videos."""


def plain(name: str) -> str:
    """``name`` without case, spaces, hyphens and underscores: how category names are compared."""
    one_form = unicodedata.normalize("NFC", name)
    return "".join(letter for letter in one_form.casefold() if letter not in " -_")


def is_junk(name: str) -> bool:
    """Return True for the name of a file or folder that operating systems leave behind."""
    return name.startswith(".") or name in {"__MACOSX", "Thumbs.db", "desktop.ini"}


@dataclass
class Walk:
    """All entries below a folder, folder by folder, sorted, without junk."""

    files: list[Path] = field(default_factory=list)
    """Everything that is not a folder: files, links that lead nowhere, pipes, devices."""
    folders: list[Path] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    """Junk, and links that lead round in a circle, by reason; a folder of junk counts once."""


def walk(folder: Path) -> Walk:
    """Look through a folder and all below it, into each folder once; a file is all there is.

    Links to folders are followed behind all else, unless they lead to where it was already.

    Raises:
        InputError: a folder cannot be looked into: what it holds would be lost without a word.
    """
    if is_file(folder):
        return Walk([folder])
    found, seen = Walk(), set[tuple[int, int]]()
    waiting, links = [folder], list[Path]()
    while waiting or links:
        linked = not waiting
        here = links.pop(0) if linked else waiting.pop()
        if linked and _leads_out(folder, here):
            found.passed_over[OUTSIDE] += 1
            continue
        try:
            state = here.stat()
            if (state.st_dev, state.st_ino) in seen:
                found.passed_over[LOOP] += 1
                continue
            seen.add((state.st_dev, state.st_ino))
            entries = list(os.scandir(here))
        except OSError as error:
            raise InputError(
                f"{shown(here)}: the folder cannot be looked into ({error.strerror}); give "
                "yourself the right to read it, or move it out of the dataset"
            ) from error
        if here != folder:
            found.folders.append(here)
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = here / entry.name
            if is_junk(entry.name):
                found.passed_over[JUNK] += 1
            elif not is_folder(path):
                found.files.append(path)
            else:
                (links if entry.is_symlink() else waiting).append(path)
    found.files.sort()
    found.folders.sort()
    return found


def _leads_out(folder: Path, link: Path) -> bool:
    """Return True if a link leads to a folder around it, or into the system's own folders."""
    target, top = _real(link), _real(folder)
    around = target != top and top.is_relative_to(target)
    return around or target.parts[1:2] in [(name,) for name in SYSTEM]


def _real(path: Path) -> Path:
    """Return the path without links; a link to itself stays (``Path.resolve`` refuses it)."""
    return Path(os.path.realpath(path))


def is_folder(path: Path) -> bool:
    """Return True for a folder or a link to one; False for a path that cannot be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Return True for a plain file or a link to one; False for a path that cannot be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def walk_files(folder: Path) -> list[Path]:
    """All files below ``folder`` that are not junk, in the order of ``walk``."""
    return walk(folder).files


def folder_state(source: str) -> str:
    """Names, sizes and times of a local source in one hash, so that a change of it is noticed.

    Empty for a source that is not on this machine.
    """
    path = Path(source)
    if is_folder(path):
        files = walk_files(path)
    elif is_file(path):
        files = [path]
    else:
        return ""
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(file) + b"\0")
        with suppress(OSError):  # it is rejected when it is read
            state = file.stat()
            digest.update(f"{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def find_trajectories(folders: Sequence[Path], categories: Sequence[str] | None) -> Layout:
    """Find the category folders and the trajectories in them.

    Args:
        folders: where to look, at any depth.
        categories: the names expected, in class order, matched up to case, spaces, hyphens and
            underscores; or None to read them from the folders (those named after normal
            videos are then left out: in HR-Crime they are not a class of crime).

    Raises:
        InputError: nothing fits, a category is missing or empty, or one trajectory is in two
            places.
    """
    for folder in folders:
        if not is_folder(folder):
            raise InputError(
                f"{shown(folder)}: no such folder; give the folder that holds the categories"
            )
    walks = [(folder, walk(folder)) for folder in folders]
    files = [(folder, path) for folder, found in walks for path in found.files]
    # A folder where a trajectory is expected is no other file: it is rejected when it is read.
    places = [(folder, path) for folder, found in walks for path in found.folders]
    if categories is None:
        trajectories, names, left_out = _by_place(folders, files, places)
    else:
        trajectories, names = _by_name(folders, [*files, *places], categories)
        left_out = []
    _refuse_doubles(trajectories)
    _refuse_empty(folders, trajectories, names)
    _refuse_unprintable(names)
    rank = {name: position for position, name in enumerate(names)}
    trajectories.sort(key=lambda file: (rank[file.category], file.video, file.person))
    passed_over = sum((found.passed_over for _, found in walks), Counter[str]())
    used = {file.path for file in trajectories}
    passed_over.update(_reason(folder, path) for folder, path in files if path not in used)
    return Layout(
        categories=tuple(names),
        files=tuple(trajectories),
        passed_over=passed_over,
        left_out=tuple(left_out),
    )


def find_unlabelled(source: Path, left_out: Path | None = None) -> Layout:
    """Trajectories whose category is not known: a file, or every ``.csv`` below a folder.

    The folder that a file is in names its video, as a path below ``source``; its person is the
    file's own name. Files below ``left_out`` are left out.

    Raises:
        InputError: there is none, or one trajectory is in two places.
    """
    if is_file(source):
        files, top = [source], source.parent
    elif is_folder(source):
        files, top = [path for path in walk_files(source) if _is_trajectory(path)], source
        if left_out is not None:
            own = _real(left_out)
            files = [path for path in files if not _real(path).is_relative_to(own)]
    else:
        raise InputError(
            f"{shown(source)}: no such file or folder; give a trajectory (.csv) or a folder of them"
        )
    if not files:
        raise InputError(
            f"{shown(source)}: no .csv file in it; give a trajectory or a folder of them"
        )
    name = _real(top).name
    trajectories = [
        TrajectoryFile("", name if path.parent == top else str(path.parent.relative_to(top)),
                       path.stem, path)
        for path in files
    ]  # fmt: skip
    _refuse_doubles(trajectories)
    return Layout(categories=(), files=tuple(sorted(trajectories)), passed_over={})


def _reason(folder: Path, path: Path) -> str:
    """Return why a file is not a trajectory of one of the categories."""
    if not _is_trajectory(path):
        return FOREIGN
    above = path.relative_to(folder).parts[:-1]
    return NORMAL if any(map(is_normal, above)) else ELSEWHERE


def _is_trajectory(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _by_name(
    folders: Sequence[Path], files: Iterable[tuple[Path, Path]], categories: Sequence[str]
) -> tuple[list[TrajectoryFile], list[str]]:
    """Files that are two levels below a folder with an expected name."""
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
    folders: Sequence[Path], files: Sequence[tuple[Path, Path]], places: Sequence[tuple[Path, Path]]
) -> tuple[list[TrajectoryFile], list[str], list[str]]:
    """Files grouped by the folder three levels above them; one such folder holds the categories."""
    groups: dict[Path, list[Path]] = defaultdict(list)
    for folder, path in files:
        deep = len(path.relative_to(folder).parts) >= 3
        # A video's folder is not named like a trajectory.
        if deep and _is_trajectory(path) and not _is_trajectory(path.parent):
            groups[path.parents[2]].append(path)
    for folder, path in places:
        deep = len(path.relative_to(folder).parts) >= 3
        if deep and _is_trajectory(path) and path.parents[2] in groups:
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
        raise SeveralPlaces(
            f"{_places(folders)}: category folders are in {len(roots)} places: "
            f"{', '.join(map(shown, sorted(roots)))}; point dataset.source at one of them"
        )
    (root,) = roots
    with_trajectories = {path.parts[-3] for path in groups[root]}
    inside: dict[Path, list[Path]] = {
        place: [] for _, place in places if place.parent == root and not is_junk(place.name)
    }
    for _, path in files:
        for place in path.parents:
            if place in inside:
                inside[place].append(path)
    names, left_out = [], []
    for entry, own in sorted(inside.items()):
        if is_normal(entry.name):
            left_out.append(entry.name)
        elif entry.name in with_trajectories:
            names.append(entry.name)
        elif any(map(_is_trajectory, own)):
            raise InputError(
                f"{shown(entry)}: expected <Video>/<person>.csv in the category "
                f"{shown(entry.name)}, found "
                f"{shown(next(filter(_is_trajectory, own)).relative_to(root))}; give each video "
                "a folder"
            )
        elif not own:
            # Other files make it something else; no file at all, a category nobody has filled.
            names.append(entry.name)
    trajectories = [
        TrajectoryFile(path.parts[-3], path.parts[-2], path.stem, path)
        for path in groups[root]
        if path.parts[-3] in names
    ]
    if len(names) < 2:
        raise InputError(
            f"{shown(root)}: {len(names)} category ({shown(', '.join(names))}); expected at least "
            "two folders <Category>/<Video>/<person>.csv; folders of normal videos do not count "
            "unless they are listed in config.yaml under categories"
        )
    return trajectories, names, left_out


def is_normal(name: str) -> bool:
    """Return True for a folder of normal videos: ``Normal``, ``Training-Normal-Videos``."""
    return re.search(r"(?<![a-z])normal", name, re.IGNORECASE) is not None


def _refuse_doubles(trajectories: Iterable[TrajectoryFile]) -> None:
    seen: dict[tuple[str, str, str], Path] = {}
    for file in trajectories:
        key = (file.category, file.video, file.person)
        if key in seen:
            raise InputError(
                f"{shown(file.path)}: trajectory {shown('/'.join(filter(None, key)))} also stands "
                f"at {shown(seen[key])}; give the folder that holds one copy of the trajectories"
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
            f"{shown(places[0])}: category {shown(empty[0])} is empty: expected "
            "<Video>/<person>.csv in it; add its trajectories, or remove it (the folder "
            "and its entry under categories)"
        )


def _refuse_unprintable(categories: Iterable[str]) -> None:
    for name in categories:
        if shown(name) != name:
            raise InputError(
                f"category {shown(name)}: its name has characters that cannot be printed; expected "
                "a name that fits into tables and figures; rename its folder"
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
    return " and ".join(map(shown, folders))


def tree(folders: Sequence[Path], lines: int = TREE_LINES) -> str:
    """The folders and files below ``folders``, at most three entries a folder and ``lines`` lines.

    Enough for a person to see how the data lies.
    """
    drawn: list[str] = []

    def draw(folder: Path, depth: int) -> None:
        entries = sorted(entry for entry in folder.iterdir() if not is_junk(entry.name))
        first = entries if depth == 0 else entries[:3]
        for entry in first:
            drawn.append("  " * (depth + 1) + shown(entry.name) + ("/" if is_folder(entry) else ""))
            if is_folder(entry) and not entry.is_symlink() and depth < TREE_DEPTH:
                draw(entry, depth + 1)
        if len(entries) > len(first):
            drawn.append("  " * (depth + 1) + f"... {len(entries) - len(first)} more")

    for folder in folders:
        drawn.append(f"{shown(folder)}/")
        draw(folder, 0)
    if len(drawn) > lines:
        drawn[lines:] = [f"  ... {len(drawn) - lines} more lines"]
    return "\n".join(drawn)
