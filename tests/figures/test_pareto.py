import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.figures.pareto import draw_pareto, pareto_front

points = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(points)
def test_nothing_beats_what_is_on_the_front(points):
    macs, accuracy = np.array(points, dtype=float).T
    on_front = pareto_front(macs, accuracy)
    for i in range(len(points)):
        beaten = any(
            macs[j] <= macs[i] and accuracy[j] >= accuracy[i]
            and (macs[j], accuracy[j]) != (macs[i], accuracy[i])
            for j in range(len(points))
        )  # fmt: skip
        assert on_front[i] != beaten


def test_every_run_is_drawn_and_equal_input_gives_equal_files(saved):
    table = pd.DataFrame(
        {"run": list("abcdefgh"), "experiment": ["x", "y"] * 4, "macs": np.arange(8) % 3 + 1.0,
         "mean": 0.4 + 0.01 * (np.arange(8) % 3), "low": 0.3, "high": 0.5}
    )  # fmt: skip
    svg = saved(draw_pareto(table, 0.1, "title"))
    for text in (*(f">{name}<" for name in "abcdefgh"), "Pareto front", "chance"):
        assert text in svg
    assert svg == saved(draw_pareto(table, 0.1, "title"))


def test_a_front_of_one_point_is_not_drawn_and_not_named(saved):
    table = pd.DataFrame(
        {"run": list("ab"), "experiment": "x", "macs": [1.0, 2.0], "mean": [0.5, 0.4],
         "low": 0.3, "high": 0.6}
    )  # fmt: skip
    assert "Pareto front" not in saved(draw_pareto(table, 0.1, "title"))
