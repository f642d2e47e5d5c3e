"""Protocols: which windows are for training, for validation and for the test, fold by fold.

``as-published``
    One test set for all folds, by trajectory; training and validation are split by *window*, so
    that windows of one trajectory, overlapping but for one row, are in both. The paper says
    only "3-fold cross-validation"; this is what a public implementation of the same group does.
``trajectory``
    All windows of a trajectory are in one part; every trajectory is tested in exactly one fold.
    People of one video may be in different parts.
``video``
    All windows of a video are in one part; every video is tested in exactly one fold. Leak-free:
    clips of one recording are one video, whatever their classes.
``group``
    The same of groups: subjects, cameras, shops. Leak-free.
``predefined``
    The parts that the data brings, train and test; one test set for all folds. Without a part for
    validation, each fold draws videos of its own from the training part. Folds are trained with
    different seeds.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.atomic import replacing, write_csv
from bptubeformer.data.store import RECORDING, FrameStore, video_of
from bptubeformer.data.windows import window_starts
from bptubeformer.errors import InputError
from bptubeformer.kinds import PROTOCOLS, Count, Fingerprint, Protocol, Seed
from bptubeformer.reading import read_parquet, reading
from bptubeformer.sections import Record
from bptubeformer.settings import DEFAULT_SPLIT, SplitSettings
from bptubeformer.texts import shown

PARTS_OF_SPLIT = ("train", "validation", "test")
QUARTILES = 4
WHOLE = {"group": ("groups", "video"), "video": ("recordings", "trajectory")}
"""Units that each protocol keeps whole, and the protocol with smaller units."""


class About(Record):
    """The entries of a split's file beside its windows."""

    expected = "a split"
    writer = "bptubeformer split"
    data: Fingerprint
    segment_length: Count
    seed: Seed


@dataclass(frozen=True)
class Split:
    """The windows of one fold."""

    starts: np.ndarray
    """int64 (W,): start index of each window in the frame store."""
    trajectory: np.ndarray
    """int64 (W,): index of each window's trajectory."""
    part: np.ndarray
    """int8 (W,): 0 train, 1 validation, 2 test."""
    data: str
    """Fingerprint of the store."""
    segment_length: int
    """Frames of a window."""
    seed: int = 0
    """Added to the seed of a training: all folds of ``predefined`` may have the same windows."""

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything in the split, 16 hexadecimal digits."""
        digest = hashlib.sha256(json.dumps(self._about(), sort_keys=True).encode())
        for array in (self.starts, self.trajectory, self.part):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def _about(self) -> dict[str, str | int]:
        return {"data": self.data, "segment_length": self.segment_length, "seed": self.seed}

    def windows(
        self, part: str, left_out: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Starts and trajectories of the windows of one part, int64 (n,) each.

        Args:
            part: one of ``PARTS_OF_SPLIT``.
            left_out: bool, for each trajectory of the store: its windows are left out.
        """
        chosen = self.part == PARTS_OF_SPLIT.index(part)
        if left_out is not None:
            chosen &= ~left_out[self.trajectory]
        return self.starts[chosen], self.trajectory[chosen]

    def save(self, path: Path) -> None:
        """Write a window a row: start, trajectory, part."""
        part = pd.Categorical.from_codes(self.part, categories=list(PARTS_OF_SPLIT))
        table = pd.DataFrame({"start": self.starts, "trajectory": self.trajectory, "part": part})
        table.attrs = self._about()
        with replacing(path) as partial:
            table.to_parquet(partial, index=False)

    @classmethod
    def load(cls, path: Path) -> "Split":
        """Read what ``save`` wrote.

        Raises:
            InputError: the file is not a split.
        """
        table, about = read_parquet(path, About)
        with reading(path, About.expected, About.writer):
            if set(table["part"].unique()) != set(PARTS_OF_SPLIT):
                raise ValueError(f"its parts are not {', '.join(PARTS_OF_SPLIT)}")
            if any(table[name].dtype.kind != "i" for name in ("start", "trajectory")):
                raise ValueError("its starts or trajectories are not whole numbers")
            return cls(
                starts=table["start"].to_numpy(np.int64),
                trajectory=table["trajectory"].to_numpy(np.int64),
                part=table["part"].cat.set_categories(PARTS_OF_SPLIT).cat.codes.to_numpy(),
                **about,
            )

    def check(self, store: FrameStore, length: int, path: Path) -> None:
        """Refuse windows of another store or length: their frames would be those of others.

        Args:
            store: the dataset.
            length: frames of a segment.
            path: of the split, for the message.

        Raises:
            InputError: the split was written for others, or a window does not lie within its
                trajectory.
        """
        if (self.data, self.segment_length) != (store.fingerprint, length):
            raise InputError(
                f"{path}: windows of {self.segment_length} frames of the store {self.data}; "
                f"expected {length} frames of {store.fingerprint}; write it for this store and "
                "length with: bptubeformer split"
            )
        check_windows(self.starts, self.trajectory, store, length, path)


def check_windows(
    starts: np.ndarray, trajectory: np.ndarray, store: FrameStore, length: int, path: Path
) -> None:
    """Refuse windows that do not lie within their trajectories.

    Args:
        starts: int64 (W,), first frame of each window in the store.
        trajectory: int64 (W,), its trajectory.
        store: the dataset.
        length: frames of a segment.
        path: of the file that has them, for the message.

    Raises:
        InputError: some do not.
    """
    known = (trajectory >= 0) & (trajectory < len(store.rows))
    owner = np.where(known, trajectory, 0)
    inside = (starts >= store.offsets[owner]) & (starts <= store.offsets[owner + 1] - length)
    if not (known & inside).all():
        raise InputError(
            f"{path}: {(~(known & inside)).sum()} windows of {length} frames do not lie within a "
            "trajectory of this store; write it again"
        )


def write_splits(
    store: Path,
    protocol: Protocol,
    segment_length: Count,
    output: Path,
    step: Count = 1,
    split: SplitSettings = DEFAULT_SPLIT,
) -> None:
    """Cut the windows into training, validation and test, fold by fold.

    Args:
        store: frame store, written by ingest.
        protocol: how to split: as-published, trajectory, video, group or predefined.
        segment_length: frames of a segment.
        output: folder for fold<k>.parquet and summary.csv.
        step: rows between the starts of two windows.
        split: folds, seed and fractions, as in config.yaml.

    Raises:
        InputError: a part of a fold has no window of some category.
    """
    frames = FrameStore.load(store)
    splits = make_splits(frames, protocol, segment_length, step, split)
    for fold, one in enumerate(splits):
        one.save(output / f"fold{fold}.parquet")
    summary = summarise(frames, splits)
    write_csv(output / "summary.csv", summary)
    print(summary.groupby(["fold", "part"], sort=False)["windows"].sum().unstack().to_string())


def make_splits(
    store: FrameStore, protocol: str, length: int, step: int, settings: SplitSettings
) -> list[Split]:
    """The folds of a protocol; a pure function of its arguments.

    Args:
        store: the dataset.
        protocol: one of ``PROTOCOLS``.
        length: frames of a segment.
        step: rows between the starts of two windows.
        settings: folds, seed and fractions.

    Raises:
        InputError: too few trajectories or videos for the folds, or a category without windows in
            some part of a fold: a model cannot learn it, or its recall is not defined.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}")
    starts, trajectory = window_starts(store.offsets, length, step)
    long_enough = (store.rows >= settings.minimum_rows)[trajectory]
    starts, trajectory = starts[long_enough], trajectory[long_enough]
    if protocol == "as-published":
        parts = _as_published(store.rows, trajectory, settings)
    elif protocol == "group":
        _refuse_no_groups(store)
        parts = _by_group(store, trajectory, settings, protocol, store.trajectories["group"])
    elif protocol == "video" and (store.trajectories[RECORDING] != "").any():
        parts = _by_group(store, trajectory, settings, protocol, _recordings(store.trajectories))
    elif protocol == "predefined":
        parts = _predefined(store, trajectory, settings)
    else:
        parts = _grouped(store, protocol, trajectory, settings)
    splits = [
        Split(starts, trajectory, part, store.fingerprint, length,
              seed=fold if protocol == "predefined" else 0)
        for fold, part in enumerate(parts)
    ]  # fmt: skip
    for fold, split in enumerate(splits):
        for part in PARTS_OF_SPLIT:
            _refuse_missing(store, split, f"protocol {protocol}, fold {fold}", part, length)
    return splits


def _refuse_missing(store: FrameStore, split: Split, place: str, part: str, length: int) -> None:
    """Refuse a part of a fold that lacks a category."""
    _, trajectory = split.windows(part)
    there = np.bincount(store.labels[trajectory], minlength=len(store.categories)) > 0
    missing = [name for name, found in zip(store.categories, there, strict=True) if not found]
    if missing:
        which = "any category" if not there.any() else ", ".join(missing)
        raise InputError(
            f"{place}: no window of {length} frames for {part} of {which}; "
            f"{(store.rows >= length).sum()} of {len(store.rows)} trajectories have {length} rows; "
            "leave out the runs of this segment_length (runs: {<name>: null}), leave the category "
            "out, or try another split.seed, a lower windows.step, or more data"
        )


def _as_published(
    rows: np.ndarray, trajectory: np.ndarray, settings: SplitSettings
) -> list[np.ndarray]:
    """Test by trajectory within quartiles of length; K-fold over the windows of the rest."""
    # Here, because training jobs read splits and need not wait a second for scikit-learn.
    from sklearn.model_selection import KFold

    eligible = np.flatnonzero(rows >= settings.minimum_rows)
    by_length = eligible[np.argsort(rows[eligible], kind="stable")]
    bounds = [round(len(by_length) * i / QUARTILES) for i in range(QUARTILES + 1)]
    generator = np.random.RandomState(settings.seed)
    training = []
    tested = np.zeros(len(rows), dtype=bool)
    for first, last in pairwise(bounds):
        shuffled = generator.permutation(by_length[first:last])
        cut = round((1 - settings.test_fraction) * len(shuffled))
        training.append(shuffled[:cut])
        tested[shuffled[cut:]] = True
    for_test = tested[trajectory]
    # The folds are drawn from the windows in the shuffled order of their trajectories.
    order = np.zeros(len(rows), dtype=np.int64)
    drawn = np.concatenate(training)
    order[drawn] = np.arange(len(drawn))
    rest = np.flatnonzero(~for_test)
    rest = rest[np.argsort(order[trajectory[rest]], kind="stable")]
    if len(rest) < settings.folds:
        raise InputError(
            f"protocol as-published: {len(rest)} windows are not for the test, fewer than the "
            f"{settings.folds} folds; leave out the runs of this segment_length (runs: "
            "{<name>: null}), or add data"
        )
    parts = []
    folds = KFold(settings.folds, shuffle=True, random_state=settings.seed)
    for _, validation in folds.split(rest):
        part = np.where(for_test, 2, 0).astype(np.int8)
        part[rest[validation]] = 1
        parts.append(part)
    return parts


def _grouped(
    store: FrameStore, protocol: str, trajectory: np.ndarray, settings: SplitSettings
) -> list[np.ndarray]:
    """Whole groups (trajectories or videos) in one part, dealt out class by class."""
    table = store.trajectories
    if protocol == "video":
        group = video_of(table)
    else:
        group = np.arange(len(table))
    eligible = store.rows >= settings.minimum_rows
    rows = np.bincount(group, weights=np.where(eligible, store.rows, 0))
    generator = np.random.RandomState(settings.seed)
    part_of_group = np.zeros((settings.folds, len(rows)), dtype=np.int8)
    for label, category in enumerate(store.categories):
        members = np.unique(group[eligible & (store.labels == label)])
        if len(members) < settings.folds:
            raise InputError(
                f"protocol {protocol}: category {category} has {_count(len(members), protocol)} "
                f"of at least {settings.minimum_rows} rows, fewer than the {settings.folds} folds; "
                "add data, lower split.folds, leave the category out, or do without this protocol "
                "(protocols; the leakage table needs all: leakage: {runs: []} leaves it out)"
            )
        members = generator.permutation(members)
        members = members[np.argsort(-rows[members], kind="stable")]
        tested = _deal(len(members), settings.folds, generator)
        for fold in range(settings.folds):
            rest = members[tested != fold]
            count = max(1, round(settings.validation_fraction * len(rest)))
            evenly = ((np.arange(count) + 0.5) * len(rest) / count).astype(int)
            part_of_group[fold, rest[evenly]] = 1
            part_of_group[fold, members[tested == fold]] = 2
    return [part[group[trajectory]] for part in part_of_group]


def _recordings(trajectories: pd.DataFrame) -> pd.Series:
    """Name the recording of each trajectory; one that was not cut is a video of its own."""
    videos = trajectories["category"] + "/" + trajectories["video"]
    return trajectories[RECORDING].where(trajectories[RECORDING] != "", videos)


def _refuse_no_groups(store: FrameStore) -> None:
    if (store.trajectories["group"] == "").all():
        raise InputError(
            "protocol group: the data has no groups; name them in dataset.group, or in the column "
            "group of dataset.labels"
        )


def _by_group(
    store: FrameStore,
    trajectory: np.ndarray,
    settings: SplitSettings,
    protocol: str,
    groups_of: pd.Series,
) -> list[np.ndarray]:
    """Whole groups (subjects, cameras, recordings) in one part; a group may have all classes.

    scikit-learn deals the groups out so that the classes are as even as they can be.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    units, finer = WHOLE[protocol]
    table = store.trajectories.assign(group=groups_of.to_numpy())
    used = table[store.rows >= settings.minimum_rows]
    for category, rows in used.groupby("category", sort=False):
        groups = sorted(rows["group"].unique())
        if len(groups) < 3:
            raise InputError(
                f"protocol {protocol}: category {category} is in {len(groups)} "
                f"{units} ({shown(', '.join(groups))}); expected three or more, for training, "
                f"validation and test; leave the category out, or take the protocol {finer}"
            )
    groups = used["group"].unique()
    if len(groups) < settings.folds + 1:
        raise InputError(
            f"protocol {protocol}: {len(groups)} {units}; expected at least "
            f"{settings.folds + 1} for {settings.folds} folds; lower split.folds"
        )
    label, group = store.labels[used.index], used["group"].to_numpy()
    dealt = StratifiedGroupKFold(settings.folds, shuffle=True, random_state=settings.seed)
    parts = []
    for rest, test in dealt.split(label, label, group):
        left = len(np.unique(group[rest]))
        shares = min(max(round(1 / settings.validation_fraction), 2), left)
        within = StratifiedGroupKFold(shares, shuffle=True, random_state=settings.seed)
        # Of the possible validation parts, the first with most classes.
        _, validation = max(
            within.split(rest, label[rest], group[rest]),
            key=lambda two: len(np.unique(label[rest][two[1]])),
        )
        of_trajectory = np.zeros(len(table), dtype=np.int8)
        of_trajectory[used.index[rest[validation]]] = 1
        of_trajectory[used.index[test]] = 2
        parts.append(of_trajectory[trajectory])
    return parts


def _predefined(
    store: FrameStore, trajectory: np.ndarray, settings: SplitSettings
) -> list[np.ndarray]:
    """The parts that the data brings: one test set in all folds.

    Without a part for validation, each fold draws videos of each class from the training part,
    with a seed of its own.
    """
    table = store.trajectories
    given = set(table["part"])
    if not {"train", "test"} <= given:
        found = ", ".join(sorted(filter(None, given))) or "none"
        raise InputError(
            f"protocol predefined: parts of the data: {found}; expected train and test: folders of "
            "these names around the classes, or the column part of dataset.labels"
        )
    without = table[table["part"] == ""]
    if len(without):
        one = without.iloc[0]
        raise InputError(
            f"protocol predefined: {len(without)} trajectories have no part, the first of video "
            f"{shown(one['category'])}/{shown(one['video'])}; expected train, validation or test"
        )
    video = video_of(table)
    shared = table["part"].groupby(video).agg(lambda parts: sorted(set(parts)))
    for number, parts_of_video in shared[shared.map(len) > 1].items():
        one = table[video == number].iloc[0]
        raise InputError(
            f"protocol predefined: video {shown(one['category'])}/{shown(one['video'])} is in "
            f"{' and in '.join(parts_of_video)}; expected one part"
        )
    parts = []
    for fold in range(settings.folds):
        of_trajectory = table["part"].map({"validation": 1, "test": 2}).fillna(0).to_numpy(np.int8)
        if "validation" not in given:
            generator = np.random.RandomState(settings.seed + fold)
            for label in range(len(store.categories)):
                own = (store.labels == label) & (table["part"] == "train").to_numpy()
                videos = generator.permutation(np.unique(video[own]))
                count = max(1, round(settings.validation_fraction * len(videos)))
                of_trajectory[np.isin(video, videos[:count]) & own] = 1
        parts.append(of_trajectory[trajectory])
    return parts


def _count(number: int, protocol: str) -> str:
    """A number of trajectories or videos in words."""
    plural = {"trajectory": "trajectories", "video": "videos"}
    return f"{number} {protocol if number == 1 else plural[protocol]}"


def _deal(count: int, hands: int, generator: np.random.RandomState) -> np.ndarray:
    """A hand for each of ``count`` cards: each round gives every hand one, in random order.

    Cards sorted by size are thus dealt evenly by number and by size.
    """
    rounds = [generator.permutation(hands) for _ in range(-(-count // hands))]
    return np.concatenate(rounds)[:count]


def summarise(store: FrameStore, splits: list[Split]) -> pd.DataFrame:
    """Videos, trajectories and windows of each category in each part of each fold.

    Returns:
        columns fold, part, category, videos, trajectories, windows.
    """
    video = video_of(store.trajectories)
    classes = len(store.categories)
    rows = []
    for fold, split in enumerate(splits):
        for part in PARTS_OF_SPLIT:
            _, trajectory = split.windows(part)
            distinct = np.unique(trajectory)
            _, first = np.unique(video[distinct], return_index=True)
            counts = [
                np.bincount(store.labels[members], minlength=classes)
                for members in (distinct[first], distinct, trajectory)
            ]
            rows += [(fold, part, *row) for row in zip(store.categories, *counts, strict=True)]
    columns = ["fold", "part", "category", "videos", "trajectories", "windows"]
    return pd.DataFrame(rows, columns=columns)
