"""Clusters of class-token embeddings: k-means and silhouettes (paper, Fig. 5b)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples

from bptubeformer.data.store import read_trajectories
from bptubeformer.evaluation.inspection import Embeddings
from bptubeformer.evaluation.tables import write_table
from bptubeformer.evaluation.uncertainty import by_trajectory
from bptubeformer.study import EMBEDDINGS, Study

BY_CLASS, BY_CLUSTER = "true class", "k-means cluster"
"""The two readings of Fig. 5b: the paper does not say what its silhouettes group."""
ALL = "all"
MEAN, POSITIVE = "mean", "share positive"
"""Scores of a segment, in the table of silhouettes by trajectory."""


def cluster(embedding: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """k-means clusters of an embedding (n, D), int (n,); fewer where there are too few points."""
    clusters = min(clusters, len(embedding))
    return KMeans(clusters, n_init=10, random_state=seed).fit_predict(embedding)


def silhouettes(embedding: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Silhouette coefficient of each point, float (n,), from -1 to 1.

    Zeros where it is not defined: it needs at least two groups, and one of at least two points.

    Args:
        embedding: float32 (n, D).
        groups: int (n,), group of each point.
    """
    if 2 <= len(np.unique(groups)) < len(groups):
        return silhouette_samples(embedding, groups)
    return np.zeros(len(groups))


def cluster_names(clusters: int) -> list[str]:
    """Names of k-means clusters, counted from 1."""
    return [f"cluster {number + 1}" for number in range(clusters)]


def silhouettes_table(shown: Embeddings, seed: int) -> pd.DataFrame:
    """Silhouettes of class tokens, by true class and by k-means cluster (as many as classes).

    Args:
        shown: class-token embeddings of test segments.
        seed: of k-means.

    Returns:
        columns grouping, group (``all`` for all segments), segments, mean, share_positive.
    """
    clusters = cluster(shown.embedding, len(shown.categories), seed)
    readings = {
        BY_CLASS: (shown.label, shown.categories),
        BY_CLUSTER: (clusters, cluster_names(len(shown.categories))),
    }
    rows = []
    for grouping, (groups, names) in readings.items():
        values = silhouettes(shown.embedding, groups)
        members = {ALL: np.ones(len(groups), dtype=bool)}
        members |= {name: groups == group for group, name in enumerate(names)}
        for name, chosen in members.items():
            if chosen.any():
                rows.append(
                    {
                        "grouping": grouping,
                        "group": name,
                        "segments": int(chosen.sum()),
                        "mean": values[chosen].mean(),
                        "share_positive": (values[chosen] > 0).mean(),
                    }
                )
    return pd.DataFrame(rows)


def silhouette_counts(folds: Sequence[Embeddings], store: Path) -> pd.DataFrame:
    """Sum up silhouettes by true class for each trajectory; intervals are made of these sums.

    Args:
        folds: embeddings of the test segments of each fold.
        store: the frame store, whose videos the trajectories belong to.

    Returns:
        columns as ``uncertainty.Counts.of`` takes them; ``run`` is ``MEAN`` (``correct`` holds sums
        of silhouettes) or ``POSITIVE`` (numbers of segments with a positive one).
    """
    trajectories, _ = read_trajectories(store)
    rows = []
    for fold, shown in enumerate(folds):
        values = silhouettes(shown.embedding, shown.label)
        for run, scores in ((MEAN, values), (POSITIVE, values > 0)):
            place = {"run": run, "fold": fold, "seed": 0}
            rows.append(by_trajectory(place, shown.trajectory, scores, trajectories))
    return pd.concat(rows, ignore_index=True)


def write_silhouettes(study: Study, output: Path) -> None:
    """Write silhouettes of class tokens, by true class and by k-means cluster.

    Args:
        study: whose run of the figures was embedded.
        output: silhouettes.csv; silhouette_counts.csv, the sums by trajectory, is written to the
            same folder.

    Raises:
        InputError: a file holds no embeddings.
    """
    folds = [Embeddings.load(path) for path in study.shown_files(EMBEDDINGS)]
    write_table(output, silhouettes_table(folds[0], study.figures_seed))
    write_table(output.with_name("silhouette_counts.csv"), silhouette_counts(folds, study.store))
