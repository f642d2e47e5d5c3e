import numpy as np

from bptubeformer.evaluation.clusters import cluster, silhouettes
from bptubeformer.figures.embeddings import draw_silhouettes, draw_tsne, tsne


def test_too_few_segments_for_a_silhouette_are_drawn_without_one(saved):
    figure = draw_silhouettes(np.zeros(3), np.arange(3), ["a", "b", "c"], "title")
    assert "mean 0.0000" in saved(figure)


def test_embeddings_are_drawn(saved):
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 12)
    embedding = generator.normal(0, 0.1, (36, 8)) + labels[:, None]
    points = tsne(embedding, perplexity=30, seed=0)
    assert points.shape == (36, 2)
    names = ["Abuse", "Arson", "Arrest"]
    assert "Arson" in saved(draw_tsne(points, labels, names, "title"))
    groups = cluster(embedding, 3, seed=0)
    assert sorted(np.bincount(groups)) == [12, 12, 12]
    values = silhouettes(embedding, labels)
    assert values.mean() > 0.8
    assert f"mean {values.mean():.4f}" in saved(draw_silhouettes(values, labels, names, "title"))
