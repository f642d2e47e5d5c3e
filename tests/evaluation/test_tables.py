import pandas as pd

from bptubeformer.evaluation.tables import render, write_table


def test_a_table_is_written_as_csv_and_markdown(tmp_path):
    table = pd.DataFrame({"run": ["a"], "value": [0.1]})
    write_table(tmp_path / "t" / "accuracy.csv", table, render("Title", table, ["A note."]))
    assert (tmp_path / "t" / "accuracy.csv").read_text() == "run,value\na,0.1\n"
    assert (tmp_path / "t" / "accuracy.md").read_text().startswith("# Title\n\n| run ")
    assert pd.read_csv(tmp_path / "t" / "accuracy.csv").equals(table)
