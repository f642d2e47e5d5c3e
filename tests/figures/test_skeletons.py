import numpy as np

from bptubeformer.figures.skeletons import draw_skeletons
from bptubeformer.skeleton import COCO_17

ATTENTION = dict(zip(COCO_17.parts, (0.1, 0.2, 0.3, 0.3, 0.1), strict=True))


def test_missing_joints_are_not_drawn(saved):
    segment = np.random.default_rng(0).uniform(50, 100, (24, 34)).astype(np.float32)
    segment[:, 20:] = 0
    svg = saved(draw_skeletons(COCO_17, segment, np.arange(7, 31), ATTENTION, "title"))
    for text in ("frame 1", "(video 7)", "frame 24", "wrists 0.30"):
        assert text in svg


def test_a_segment_without_joints_is_drawn_empty(saved):
    figure = draw_skeletons(
        COCO_17, np.zeros((24, 34), np.float32), np.arange(24), ATTENTION, "title"
    )
    assert "frame 24" in saved(figure)


def test_wide_segments_stand_in_two_rows():
    segment = np.random.default_rng(0).uniform(50, 100, (24, 17, 2))
    for stretch, rows in (((1, 3), 1), ((3, 1), 2)):
        stretched = (segment * stretch).reshape(24, 34)
        figure = draw_skeletons(COCO_17, stretched, np.arange(24), ATTENTION, "title")
        grids = {axes.get_subplotspec().get_gridspec().nrows for axes in figure.axes}
        assert grids == {rows}
