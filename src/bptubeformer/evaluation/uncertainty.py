"""Recalls and their differences, with the two sources of their error; not in the paper.

*Test videos*: segments of one video are much alike, so the video is the unit of sampling. Its share
of the variance is that of a jackknife: each video is left out in turn, within its class and test
set, so that no class ever vanishes. *Training*: models of one run differ between folds and seeds.
Three folds have two degrees of freedom, so the covariance of the recalls over folds is pooled over
all runs of a study. Letters: F folds, S seeds, N trajectories, V videos, C classes.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95
LEAST_VIDEOS = 2
"""Test videos of a class from which its variance can be estimated."""
SHARE = (0.0, 1.0)
"""Values that a balanced accuracy can have."""
POWER = 0.8
"""Share of repetitions in which the smallest resolvable difference is decided."""


@dataclass(frozen=True)
class Estimate:
    """A number that test videos and trainings determine, and how well."""

    value: float
    video_variance: float = 0.0
    training_variance: float = 0.0
    freedom: float = np.inf
    """Degrees of freedom, by Welch and Satterthwaite."""
    trajectories: int = 0
    """Tested by all models that are compared."""
    fewest_videos: int = 0
    """Test videos of the class that has fewest, of those that the number depends on."""

    @property
    def error(self) -> float:
        """Standard error."""
        return float(np.sqrt(self.video_variance + self.training_variance))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Both ends of the interval by Student's t; infinite where the error is not known."""
        half = self.error and self.error * quantile(confidence, self.freedom)
        return self.value - half, self.value + half

    @property
    def resolvable(self) -> float:
        """Smallest true difference that a 95 % interval tells from 0 in 80 % of repetitions."""
        return self.error and self.error * (
            quantile(CONFIDENCE, self.freedom) + float(ndtri(POWER))
        )

    def __sub__(self, other: "Estimate | float") -> "Estimate":
        """Difference to a number, or to an estimate from other videos and trainings."""
        if not isinstance(other, Estimate):
            return Estimate(
                self.value - other, self.video_variance, self.training_variance, self.freedom,
                self.trajectories, self.fewest_videos,
            )  # fmt: skip
        return Estimate(
            self.value - other.value,
            self.video_variance + other.video_variance,
            self.training_variance + other.training_variance,
            satterthwaite([self.error**2, other.error**2], [self.freedom, other.freedom]),
            self.trajectories + other.trajectories,
            min(self.fewest_videos, other.fewest_videos),
        )


def quantile(confidence: float, freedom: float) -> float:
    """Half-width of a two-sided interval in standard errors, by Student's t."""
    tail = (1 + confidence) / 2
    return float(stdtrit(freedom, tail) if np.isfinite(freedom) else ndtri(tail))


def satterthwaite(variances: Sequence[float], freedoms: Sequence[float]) -> float:
    """Degrees of freedom of a sum of independent variances."""
    total = float(np.sum(variances))
    if not 0 < total < np.inf:
        return np.inf
    shares = np.square(np.divide(variances, total))
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(shares > 0, shares / np.asarray(freedoms, float), 0.0).sum()
    return float(1 / lost) if lost else np.inf


@dataclass(frozen=True)
class Counts:
    """Test segments of each trajectory, and those classified correctly, for all models of a study.

    ``correct`` may also hold sums of any other score of the segments, such as silhouettes.
    """

    tested: Mapping[Any, np.ndarray]
    """By run: int64 (F, S, N), test segments of each trajectory."""
    correct: Mapping[Any, np.ndarray]
    """By run: (F, S, N)."""
    video: np.ndarray
    """int64 (N,): video of each trajectory."""
    labels: np.ndarray
    """int64 (V,): class of each video."""
    categories: tuple[str, ...]
    pool_classes: bool = False
    """Pool the variance over folds over the classes too: where there is one run only."""

    @classmethod
    def of(
        cls, table: pd.DataFrame, categories: Sequence[str], key: Sequence[str] = ("run",)
    ) -> Self:
        """Counts from their table.

        Args:
            table: columns run, protocol, fold, seed, category, video, trajectory, tested and
                correct; one row a model and trajectory.
            categories: class names, in class order.
            key: columns that name a run; one column gives plain names, several give tuples.
        """
        trajectory, first = np.unique(table["trajectory"], return_index=True)
        owners = table.iloc[first]
        video = owners.groupby(["category", "video"], sort=False).ngroup().to_numpy(np.int64)
        _, of_video = np.unique(video, return_index=True)
        labels = pd.Index(categories).get_indexer(owners["category"].iloc[of_video])
        axes = [np.unique(table[name], return_inverse=True) for name in ("fold", "seed")]
        place = np.searchsorted(trajectory, table["trajectory"])
        shape = (len(axes[0][0]), len(axes[1][0]), len(trajectory))
        arrays: tuple[dict[Any, np.ndarray], dict[Any, np.ndarray]] = ({}, {})
        for name, rows in table.groupby(list(key), sort=False).indices.items():
            name = name[0] if len(key) == 1 and isinstance(name, tuple) else name
            where = (axes[0][1][rows], axes[1][1][rows], place[rows])
            for array, column in zip(arrays, ("tested", "correct"), strict=True):
                values = table[column].to_numpy()[rows]
                array[name] = np.zeros(shape, values.dtype)
                array[name][where] = values
        return cls(*arrays, video, labels, tuple(categories))

    def recalls(self, run: Hashable) -> np.ndarray:
        """Recall of each class in each fold, mean over seeds, float64 (F, C); NaN if not tested."""
        tested, correct = (self._by_class(array[run]) for array in (self.tested, self.correct))
        with np.errstate(invalid="ignore"):
            return (correct / tested).mean(axis=1)

    def balanced_accuracy(
        self, run: Hashable, minus: Hashable | None = None, *, common: bool = True
    ) -> Estimate:
        """Mean balanced accuracy of a run, or its paired difference to another run's.

        Args:
            run: its name.
            minus: the run to subtract.
            common: of a difference: count only trajectories that both runs test.
        """
        mean = np.full(len(self.categories), 1 / len(self.categories))
        weights = {run: mean} if minus is None else {run: mean, minus: -mean}
        return self.contrast(weights, common=common)

    def recall(self, weights: Mapping[tuple[Any, str], float]) -> Estimate:
        """A weighted sum of recalls, by run and category, on trajectories that all runs test."""
        rows: dict[Any, np.ndarray] = {}
        for (run, category), weight in weights.items():
            row = rows.setdefault(run, np.zeros(len(self.categories)))
            row[self.categories.index(category)] += weight
        return self.contrast(rows)

    def contrast(self, weights: Mapping[Any, np.ndarray], *, common: bool = True) -> Estimate:
        """A weighted sum of recalls, mean over folds and seeds.

        Args:
            weights: by run, float64 (C,).
            common: count only trajectories that all these runs test, fold by fold.
        """
        shared = self.common(list(weights)) if common and len(weights) > 1 else None
        needed = np.any([row != 0 for row in weights.values()], axis=0)
        value = 0.0
        change, videos, there = [], [], []
        for run, row in weights.items():
            tested, correct = self.tested[run], self.correct[run]
            if shared is not None:
                tested, correct = tested * shared, correct * shared
            there.append((tested > 0).any(axis=(0, 1)))
            # (F, S, N) -> (F * S, V)
            tested, correct = (
                self._by_video(array).reshape(-1, len(self.labels)) for array in (tested, correct)
            )
            of_class = [array @ self._one_hot for array in (tested, correct)]
            number = (tested > 0) @ self._one_hot
            videos.append(np.where(tested > 0, number[:, self.labels], np.inf).min(axis=0))
            with np.errstate(invalid="ignore", divide="ignore"):
                recall = of_class[1] / of_class[0]
                without = (of_class[1][:, self.labels] - correct) / (
                    of_class[0][:, self.labels] - tested
                )
            each = np.where(tested > 0, without - recall[:, self.labels], 0.0).mean(axis=0)
            change.append(np.where(row[self.labels] != 0, row[self.labels] * each, 0.0))
            value += float(row[needed] @ recall.mean(axis=0)[needed])
        trajectories = int(np.any(there, axis=0).sum())
        # Fewest test videos of a class, among all folds, seeds and runs in which a video is tested.
        members = np.min(videos, axis=0)
        classes = range(len(self.categories))
        least = np.array([members[self.labels == c].min(initial=np.inf) for c in classes])
        fewest = int(least[needed].min()) if np.isfinite(value) else 0
        of_class_variance, freedoms = self._of_videos(np.sum(change, axis=0), members)
        usable = needed & (least >= LEAST_VIDEOS)
        if not np.isfinite(value) or not usable.any():
            return Estimate(value, np.inf, 0.0, np.inf, trajectories, fewest)
        # One video says nothing about the others of its class: the mean of the other classes.
        of_class_variance[needed & ~usable] = of_class_variance[usable].mean()
        of_training, freedom = self._of_training(weights)
        return Estimate(
            value,
            float(of_class_variance[needed].sum()),
            of_training,
            satterthwaite([*of_class_variance[usable], of_training], [*freedoms[usable], freedom]),
            trajectories,
            fewest,
        )

    def _of_videos(self, change: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Jackknife variance of each class, float64 (C,), and its degrees of freedom.

        Args:
            change: float64 (V,), of the number when a video is left out.
            members: float64 (V,), test videos of the class in the fold that has fewest.
        """
        tested = np.isfinite(members)
        factor = np.divide(members - 1, members, out=np.zeros(len(members)), where=tested)
        parts = np.where(tested, np.square(change) * factor, 0.0)
        size = len(self.categories)
        moved = np.bincount(self.labels, tested & (change != 0), minlength=size)
        return np.bincount(self.labels, parts, minlength=size), np.maximum(moved - 1, 1)

    def _of_training(self, weights: Mapping[Any, np.ndarray]) -> tuple[float, float]:
        """Variance of a weighted sum of recalls by training, and its degrees of freedom."""
        covariance, freedom = self._training
        if not freedom:
            return np.inf, 1.0
        # Classes that no run tests have no covariance, and no weight.
        known = np.nan_to_num(covariance)
        total = sum(
            float(row @ known @ row) / len(self.tested[run]) for run, row in weights.items()
        )
        return total, freedom

    def common(self, runs: Sequence[Hashable]) -> np.ndarray:
        """Trajectories that all these runs test, bool (F, S, N)."""
        return np.logical_and.reduce([self.tested[run] > 0 for run in runs])

    @cached_property
    def _one_hot(self) -> np.ndarray:
        return (self.labels[:, None] == np.arange(len(self.categories))).astype(np.float64)

    def _by_video(self, array: np.ndarray) -> np.ndarray:
        """(F, S, N) -> float64 (F, S, V)."""
        rows = [
            np.bincount(self.video, row, minlength=len(self.labels))
            for row in array.reshape(-1, len(self.video))
        ]
        return np.reshape(rows, (*array.shape[:2], len(self.labels)))

    def _by_class(self, array: np.ndarray) -> np.ndarray:
        """(F, S, N) -> float64 (F, S, C)."""
        return self._by_video(array) @ self._one_hot

    @cached_property
    def _training(self) -> tuple[np.ndarray, float]:
        """Covariance (C, C) of the recalls over folds, pooled over runs, and its freedom."""
        residuals = [self.recalls(run) for run in self.tested]
        residuals = [recalls - recalls.mean(axis=0) for recalls in residuals]
        freedom = sum(len(recalls) - 1 for recalls in residuals)
        covariance = sum(recalls.T @ recalls for recalls in residuals) / max(freedom, 1)
        if self.pool_classes:
            size = len(covariance)
            return np.eye(size) * np.nanmean(np.diag(covariance)), float(freedom * size)
        return covariance, float(freedom)


def by_trajectory(
    place: Mapping[str, Any], trajectory: np.ndarray, score: np.ndarray, trajectories: pd.DataFrame
) -> pd.DataFrame:
    """Return the rows of one model in a table that ``Counts.of`` reads.

    Args:
        place: run, fold, seed and the like: columns of one value.
        trajectory: int64 (n,), trajectory of each test segment.
        score: (n,): whether it is classified correctly, or another score.
        trajectories: of the frame store.
    """
    there, index = np.unique(trajectory, return_inverse=True)
    owners = trajectories.iloc[there]
    correct = np.bincount(index, score)
    return pd.DataFrame(
        {
            **place,
            "category": owners["category"].astype(str).to_numpy(),
            "video": owners["video"].astype(str).to_numpy(),
            "trajectory": there,
            "tested": np.bincount(index),
            "correct": correct.astype(np.int64) if score.dtype == bool else correct,
        }
    )


def bounds(
    estimate: Estimate, name: str, within: tuple[float, float] = (-np.inf, np.inf)
) -> dict[str, float]:
    """Columns ``<name>_low`` and ``<name>_high`` of a table; NaN where the error is not known.

    Args:
        estimate: with the interval.
        name: of the columns.
        within: least and greatest value of the number; the interval ends there.
    """
    ends = np.clip(estimate.interval(), *within) if np.isfinite(estimate.error) else [np.nan] * 2
    return dict(zip((f"{name}_low", f"{name}_high"), map(float, ends), strict=True))
