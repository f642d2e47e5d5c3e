import numpy as np
import pytest

from bptubeformer.figures.confusion import draw_confusion
from bptubeformer.figures.style import class_colours, save_figure


@pytest.mark.parametrize("classes", [2, 10, 13, 16, 20])
def test_every_class_has_a_colour_of_its_own(classes):
    assert len(set(class_colours(classes))) == classes


def test_equal_figures_are_equal_files(tmp_path):
    for name in ("a", "b"):
        save_figure(draw_confusion(np.eye(3, dtype=int), list("xyz"), "t"), tmp_path / name)
    for suffix in (".png", ".svg"):
        one, two = (tmp_path / f"{name}{suffix}" for name in "ab")
        assert one.read_bytes() == two.read_bytes()
