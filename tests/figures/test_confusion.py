import numpy as np
import pandas as pd

from bptubeformer.figures.confusion import draw_confusion, draw_recalls


def test_the_confusion_matrix_shows_shares_of_rows_and_counts(saved):
    counts = np.array([[3001, 1000], [0, 0]])
    svg = saved(draw_confusion(counts, ["Abuse", "Arson"], "title"))
    for text in ("title", ">75<", ">25<", "(3,001)", "(1,000)", "Abuse", "(4,001)", "Arson", "(0)"):
        assert text in svg


def test_recalls_stand_side_by_side(saved):
    rows = [
        {"run": run, "fold": fold, "seed": 0, "category": category, "recall": 0.1 * fold + 0.3}
        for run in ("BPT-V2", "ST-Tran", "other")
        for fold in range(3)
        for category in ("Abuse", "Arson")
    ]
    svg = saved(draw_recalls(pd.DataFrame(rows), ["BPT-V2", "ST-Tran"], "title"))
    for text in ("BPT-V2", "ST-Tran", "Abuse", "Arson", "chance"):
        assert text in svg
    assert ">other<" not in svg
