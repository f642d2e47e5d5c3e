import numpy as np

from bptubeformer.figures.embeddings import cluster, draw_silhouettes, draw_tsne, tsne


def test_too_few_segments_for_a_silhouette_are_drawn_without_one(saved):
    embedding = np.arange(6.0).reshape(3, 2)
    groups = cluster(embedding, 13, seed=0)
    figure, mean = draw_silhouettes(embedding, groups, ["a", "b", "c"], "title")
    assert mean == 0
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
    figure, mean = draw_silhouettes(embedding, labels, names, "title")
    assert mean > 0.8
    assert f"mean {mean:.4f}" in saved(figure)
