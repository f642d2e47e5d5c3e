import pandas as pd
import pytest

from bptubeformer.evaluation.tables import read_table, render, write_table


def test_a_table_is_written_as_csv_and_markdown(tmp_path):
    table = pd.DataFrame({"run": ["a"], "value": [0.1]})
    write_table(tmp_path / "t" / "accuracy.csv", table, render("Title", table, ["A note."]))
    assert (tmp_path / "t" / "accuracy.csv").read_text() == "run,value\na,0.1\n"
    assert (tmp_path / "t" / "accuracy.md").read_text().startswith("# Title\n\n| run ")
    assert pd.read_csv(tmp_path / "t" / "accuracy.csv").equals(table)


def test_a_bar_in_a_name_stays_in_its_cell():
    text = render("T", pd.DataFrame({"Run": ["a|b"], "N": [1]}), [])
    assert "| a\\|b " in text


def test_names_that_mean_nothing_elsewhere_are_names_here(tmp_path):
    table = pd.DataFrame({"run": ["NA", "null", "None"], "value": [0.5, None, 1.0]})
    write_table(tmp_path / "t.csv", table)
    assert read_table(tmp_path / "t.csv")["run"].tolist() == ["NA", "null", "None"]
    assert read_table(tmp_path / "t.csv")["value"].isna().tolist() == [False, True, False]


def test_a_column_of_texts_must_be_known(tmp_path):
    with pytest.raises(TypeError, match="a column of texts that read_table does not know: words"):
        write_table(tmp_path / "t.csv", pd.DataFrame({"run": ["a"], "words": ["0012"]}))
    assert not (tmp_path / "t.csv").exists()
