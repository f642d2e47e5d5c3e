"""Figures are drawn and saved; how they look is for eyes to judge."""

import numpy as np
import pytest

from bptubeformer.figures.attention import draw_heads, frame_ranges
from bptubeformer.figures.confusion import draw_confusion
from bptubeformer.figures.embeddings import cluster, draw_silhouettes, draw_tsne, tsne
from bptubeformer.figures.skeletons import draw_skeletons
from bptubeformer.figures.style import apply_style, class_colours, save_figure
from bptubeformer.skeleton import PARTS


@pytest.fixture(autouse=True)
def style():
    apply_style()


def saved(figure, folder):
    save_figure(figure, folder / "figure")
    png, svg = (folder / "figure.png").read_bytes(), (folder / "figure.svg").read_text()
    assert png.startswith(b"\x89PNG")
    return svg


@pytest.mark.parametrize("classes", [2, 10, 13, 16, 20])
def test_every_class_has_a_colour_of_its_own(classes):
    assert len(set(class_colours(classes))) == classes


@pytest.mark.parametrize(
    ("tokens", "length", "kernel", "stride", "expected"),
    [
        (12, 24, 2, 2, ["1-2", "3-4", "23-24"]),
        (24, 24, 1, 1, ["1", "2", "24"]),
        (4, 24, 5, 5, ["1-5", "6-10", "16-20"]),
        (92, 24, 2, 1, ["1-2", "1-2", "23-24"]),
    ],
)
def test_tubelets_are_labelled_by_their_frames(tokens, length, kernel, stride, expected):
    labels = frame_ranges(tokens, length, kernel, stride)
    assert len(labels) == tokens
    assert [labels[0], labels[1], labels[-1]] == expected


def test_the_confusion_matrix_shows_shares_of_rows(tmp_path):
    counts = np.array([[3, 1], [0, 0]])
    svg = saved(draw_confusion(counts, ["Abuse", "Arson"], "title"), tmp_path)
    for text in ("title", ">75<", ">25<", "Abuse", "(4)", "Arson", "(0)"):
        assert text in svg


def test_every_head_is_drawn(tmp_path):
    weights = {"torso": np.full((8, 12, 12), 1 / 12), "wrists": np.full((8, 12, 12), 1 / 12)}
    labels = dict.fromkeys(weights, frame_ranges(12, 24, 2, 2))
    svg = saved(draw_heads(weights, labels, "title"), tmp_path)
    for text in ("torso", "wrists", "head 1", "head 8", "23-24"):
        assert text in svg


def test_missing_joints_are_not_drawn(tmp_path):
    segment = np.random.default_rng(0).uniform(50, 100, (24, 34)).astype(np.float32)
    segment[:, 20:] = 0
    attention = dict(zip(PARTS, (0.1, 0.2, 0.3, 0.3, 0.1), strict=True))
    svg = saved(draw_skeletons(segment, np.arange(7, 31), attention, "title"), tmp_path)
    for text in ("frame 1", "(video 7)", "frame 24", "wrists 0.30"):
        assert text in svg


def test_embeddings_are_drawn(tmp_path):
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 12)
    embedding = generator.normal(0, 0.1, (36, 8)) + labels[:, None]
    points = tsne(embedding, perplexity=30, seed=0)
    assert points.shape == (36, 2)
    names = ["Abuse", "Arson", "Arrest"]
    assert "Arson" in saved(draw_tsne(points, labels, names, "title"), tmp_path)
    groups = cluster(embedding, 3, seed=0)
    assert sorted(np.bincount(groups)) == [12, 12, 12]
    figure, mean = draw_silhouettes(embedding, labels, names, "title")
    assert mean > 0.8
    assert f"mean {mean:.4f}" in saved(figure, tmp_path)


def test_equal_figures_are_equal_files(tmp_path):
    for name in ("a", "b"):
        save_figure(draw_confusion(np.eye(3, dtype=int), list("xyz"), "t"), tmp_path / name)
    for suffix in (".png", ".svg"):
        one, two = (tmp_path / f"{name}{suffix}" for name in "ab")
        assert one.read_bytes() == two.read_bytes()
