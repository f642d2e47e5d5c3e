import html
import re

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bptubeformer.atomic import write_csv
from bptubeformer.evaluation.pages import page
from bptubeformer.evaluation.tables import read_table, render
from bptubeformer.texts import FORMULA, NUMBER, from_table, in_figure, in_markdown, in_table, shown
from ugly import LABELS

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


def test_names_are_shown_in_one_printable_line():
    assert shown("a b/Grüße.csv") == "a b/Grüße.csv"
    assert shown("a\nb\tc\x1b[0m") == "a\\nb\\tc\\x1b[0m"
    assert shown("\udce9") == "\\udce9"


@given(st.text())
@example("'=1")
@example("-")
@example("+1.5")
def test_a_cell_is_no_formula_and_gives_its_text_back(text):
    cell = in_table(text)
    assert from_table(cell) == text
    assert not FORMULA.match(cell) or cell.startswith("'") or NUMBER.fullmatch(cell)


@pytest.mark.parametrize("label", LABELS)
def test_a_text_in_a_table_is_read_as_it_was(label, tmp_path):
    write_csv(tmp_path / "t.csv", pd.DataFrame({"run": [label], "value": [1.5]}))
    assert read_table(tmp_path / "t.csv").to_dict("records") == [{"run": label, "value": 1.5}]


@given(NAMES)
@example("_a_ __b__ snake_case")
def test_a_text_in_markdown_is_a_text_on_the_page(name):
    text = page(render("Title", pd.DataFrame({"Run": [name], "N": [1]}), []))
    (cell,) = re.findall(r"<td[^>]*>(.*?)</td>", text, re.S)[:1]
    assert html.unescape(cell) == name


@pytest.mark.parametrize("label", LABELS)
def test_a_label_on_a_page_makes_no_tag(label):
    text = page(f"# {in_markdown(label)}\n\n{in_markdown(label)}\n")
    (line,) = re.findall("<p>(.*?)</p>", text, re.S)
    assert html.unescape(line) == label


@pytest.mark.parametrize("label", LABELS)
def test_a_legend_shows_every_label(label):
    axes = Figure().subplots()
    axes.plot([1], label=in_figure(label))
    assert axes.get_legend_handles_labels()[1] == [in_figure(label)]
    axes.set_title(in_figure(label))
    axes.figure.canvas.draw()
