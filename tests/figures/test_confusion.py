import numpy as np

from bptubeformer.figures.confusion import draw_confusion


def test_the_confusion_matrix_shows_shares_of_rows(saved):
    counts = np.array([[3, 1], [0, 0]])
    svg = saved(draw_confusion(counts, ["Abuse", "Arson"], "title"))
    for text in ("title", ">75<", ">25<", "Abuse", "(4)", "Arson", "(0)"):
        assert text in svg
