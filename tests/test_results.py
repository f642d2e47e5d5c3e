"""The page of results on real skeletons is written from results of the workflow."""

import importlib.util
import json

import pandas as pd
import pytest

from checkout import REPOSITORY

spec = importlib.util.spec_from_file_location("results", REPOSITORY / "docs" / "results.py")
results = importlib.util.module_from_spec(spec)
spec.loader.exec_module(results)

ACCURACY = {
    "run": ["ST-Tran", "BPT-V2"], "segment_length": [60, 24], "protocol": ["video"] * 2, "folds": 2,
    "balanced_accuracy_mean": [0.5, 0.25], "balanced_accuracy_std": [0.1, 0.05],
    "interval_low": [0.3, 0.2], "interval_high": [0.7, 0.3], "classes": 4,
    "difference_to_baseline": [float("nan"), -0.25], "difference_low": [float("nan"), -0.5],
    "difference_high": [float("nan"), 0.0], "learned": [True, False], "folds_differ": False,
}  # fmt: skip
RECORD = {"device": "a GPU", "seconds": 3600.0, "versions": {"torch": "2"},
          "training": {"batch_size": 100, "max_epochs": 9}}  # fmt: skip


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop" / "paper" / "tables").mkdir(parents=True)
    pd.DataFrame(ACCURACY).to_csv(
        tmp_path / "shop" / "paper" / "tables" / "accuracy.csv", index=False
    )
    for run, epochs in (("ST-Tran", 3), ("BPT-V2", 5)):
        folder = tmp_path / "shop" / "video" / run / "fold0"
        folder.mkdir(parents=True)
        pd.DataFrame({"epoch": range(epochs)}).to_csv(folder / "history.csv", index=False)
        (folder / "run.json").write_text(json.dumps(RECORD))
    return tmp_path / "shop"


def test_a_table_goes_to_its_place_and_the_words_stay(shop, tmp_path, monkeypatch):
    page = tmp_path / "results.md"
    page.write_text("Before.\n<!-- shop -->\nearlier\n<!-- end -->\nAfter.\n")
    monkeypatch.setattr(results, "PAGE", page)
    results.main([str(shop)])
    text = page.read_text()
    assert text.startswith("Before.\n<!-- shop -->\n")
    assert text.endswith("<!-- end -->\nAfter.\n")
    assert "earlier" not in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]]
            for line in text.splitlines() if line.startswith("|")]  # fmt: skip
    assert rows[2] == ["ST-Tran", "60", "0.5000 ± 0.1000", "0.30 to 0.70", "-", "3"]
    assert rows[3][:3] == ["BPT-V2 †", "24", "0.2500 ± 0.0500"]
    assert rows[3][4:] == ["-0.2500 (-0.50 to +0.00)", "5"]
    assert "chance is 0.2500" in text
    assert "2 trainings with batches of 100, at most 9 epochs, on a GPU" in text


def test_a_page_without_the_place_is_refused(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    (tmp_path / "results.md").write_text("")
    with pytest.raises(SystemExit, match="no place for shop"):
        results.main([str(shop)])
