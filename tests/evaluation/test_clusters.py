import numpy as np

from bptubeformer.evaluation.clusters import (
    ALL,
    BY_CLASS,
    BY_CLUSTER,
    cluster,
    silhouettes,
    silhouettes_table,
)
from bptubeformer.evaluation.inspection import Embeddings
from fakes import CONTENT


def test_too_few_segments_have_no_silhouette():
    embedding = np.arange(6.0).reshape(3, 2)
    groups = cluster(embedding, 13, seed=0)
    assert sorted(groups) == [0, 1, 2]
    assert silhouettes(embedding, groups).tolist() == [0, 0, 0]
    assert silhouettes(embedding, np.zeros(3, dtype=int)).tolist() == [0, 0, 0]


def test_both_readings_are_named():
    """Two clouds, but their true classes cut across them."""
    generator = np.random.default_rng(0)
    cloud = np.repeat([0, 1], 10)
    embedding = generator.normal(0, 0.1, (20, 4)).astype(np.float32) + 5 * cloud[:, None]
    label = np.tile([0, 1], 10)
    shown = Embeddings(embedding, label, label, ("a", "b"), np.arange(20), CONTENT)
    table = silhouettes_table(shown, seed=0).set_index(["grouping", "group"])
    assert table.loc[(BY_CLUSTER, ALL), "mean"] > 0.9
    assert table.loc[(BY_CLASS, ALL), "mean"] < 0.1
    assert table.loc[(BY_CLASS, "a"), "segments"] == 10
    assert table.loc[(BY_CLUSTER, "cluster 1"), "share_positive"] == 1
