import numpy as np
import pytest

from bptubeformer.figures.confusion import draw_confusion
from bptubeformer.figures.style import class_colours, save_figure


@pytest.mark.parametrize("classes", [2, 10, 13, 16, 20])
def test_every_class_has_a_colour_of_its_own(classes):
    assert len(set(class_colours(classes))) == classes


def test_the_thirteen_classes_of_the_paper_are_told_apart_by_colour():
    """No two are nearer than the nearest two of the first ten, in a space of equal differences."""

    def lab(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        x, y, z = np.array(matrix) @ linear / (0.9505, 1, 1.089)
        f = [v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    def nearest(colours):
        points = np.array([lab(colour) for colour in colours])
        apart = np.linalg.norm(points[:, None] - points, axis=-1)
        return apart[np.triu_indices(len(points), 1)].min()

    assert nearest(class_colours(13)) >= nearest(class_colours(10)) > 25


def test_equal_figures_are_equal_files(tmp_path):
    for name in ("a", "b"):
        save_figure(draw_confusion(np.eye(3, dtype=int), list("xyz"), "t"), tmp_path / name)
    for suffix in (".png", ".svg"):
        one, two = (tmp_path / f"{name}{suffix}" for name in "ab")
        assert one.read_bytes() == two.read_bytes()
