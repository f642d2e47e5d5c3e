import html

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bptubeformer.figures.confusion import draw_confusion
from bptubeformer.figures.style import apply_style, class_colours, save_figure


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
    apply_style()
    for name in ("a", "b"):
        save_figure(draw_confusion(np.eye(3, dtype=int), list("xyz"), "t"), tmp_path / name)
    for suffix in (".png", ".svg"):
        one, two = (tmp_path / f"{name}{suffix}" for name in "ab")
        assert one.read_bytes() == two.read_bytes()


def test_a_solved_layout_is_the_same_file_whatever_its_last_digits(tmp_path):
    """They differ from process to process; here they are made to."""

    class Noisy(ConstrainedLayoutEngine):
        noise = 0.0

        def execute(self, figure):
            super().execute(figure)
            for axes in figure.axes:
                axes._set_position(axes.get_position().translated(self.noise, self.noise))

    apply_style()
    for name, noise in (("a", 0), ("b", 1e-12)):
        engine = Noisy()
        engine.noise = noise
        figure = Figure(layout=engine)
        for axes in figure.subplots(1, 3):
            axes.plot([0, 1], [0, 1])
        save_figure(figure, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_names_of_classes_are_shown_as_they_are(tmp_path):
    apply_style()
    names = ["a$b$", "$(touch owned)", "x_{y}^2", "Grüße & <b>", "\\frac"]
    save_figure(draw_confusion(np.eye(5, dtype=int), names, "t"), tmp_path / "a")
    text = html.unescape((tmp_path / "a.svg").read_text())
    for name in names:
        assert f">{name}</text>" in text
