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
COSTS = {"run": ["ST-Tran", "BPT-V2"], "batch_size": 1000, "macs_with_attention": [14.25, 1.5],
         "params": [1.2345, 0.089]}  # fmt: skip
LEAKAGE = {
    "run": ["BPT-V2"] * 2, "protocol": ["as-published", "video"],
    "balanced_accuracy_mean": [0.9, 0.25], "balanced_accuracy_std": [0.1, 0.05],
    "gap": [0.65, float("nan")], "gap_low": [0.5, float("nan")], "gap_high": [0.8, float("nan")],
    "learned": [True, False], "folds_differ": False,
}  # fmt: skip
FINDINGS = {"question": ["Is it better?"], "answer": ["no"], "reason": ["worse"],
            "difference": [-0.25], "difference_low": [-0.5], "difference_high": [-0.1]}  # fmt: skip
MOVEMENT = {"level": ["tubelets"] * 2, "part": ["knees"] * 2, "order": ["true", "shuffled"],
            "rank_correlation": [0.12, 0.08], "interval_low": 0.05, "interval_high": 0.2,
            "minus_shuffled": [0.04, float("nan")], "minus_shuffled_low": [0.01, float("nan")],
            "minus_shuffled_high": [0.08, float("nan")]}  # fmt: skip
RECORD = {"device": "a GPU", "seconds": 3600.0, "versions": {"torch": "2"},
          "training": {"batch_size": 100, "max_epochs": 9}}  # fmt: skip


@pytest.fixture
def shop(tmp_path):
    study = tmp_path / "shop" / "paper"
    (study / "tables").mkdir(parents=True)
    for name, table in {"accuracy": ACCURACY, "complexity": COSTS, "leakage": LEAKAGE,
                        "findings": FINDINGS, "movement": MOVEMENT}.items():  # fmt: skip
        pd.DataFrame(table).to_csv(study / "tables" / f"{name}.csv", index=False)
    (study / "figures").mkdir()
    (study / "figures" / "learning_curves.svg").write_text("<svg/>")
    for run, epochs in (("ST-Tran", 3), ("BPT-V2", 5)):
        folder = tmp_path / "shop" / "video" / run / "fold0"
        folder.mkdir(parents=True)
        pd.DataFrame({"epoch": range(epochs)}).to_csv(folder / "history.csv", index=False)
        (folder / "run.json").write_text(json.dumps(RECORD))
    return study


def test_a_table_goes_to_its_place_and_the_words_stay(shop, tmp_path, monkeypatch):
    page = tmp_path / "results.md"
    page.write_text("Before.\n<!-- shop/paper -->\nearlier\n<!-- end -->\nAfter.\n")
    monkeypatch.setattr(results, "PAGE", page)
    monkeypatch.setattr(results, "PICTURES", tmp_path)
    results.main([str(shop)])
    text = page.read_text()
    assert text.startswith("Before.\n<!-- shop/paper -->\n")
    assert text.endswith("<!-- end -->\nAfter.\n")
    assert "earlier" not in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]]
            for line in text.splitlines() if line.startswith("|")]  # fmt: skip
    assert rows[2] == [
        "ST-Tran", "60", "0.5000 ± 0.1000", "0.30 to 0.70", "-", "14.2", "1.23", "3",
    ]  # fmt: skip
    assert rows[3][:3] == ["BPT-V2 †", "24", "0.2500 ± 0.0500"]
    assert rows[3][4:] == ["-0.2500 (-0.50 to +0.00)", "1.5", "0.09", "5"]
    assert rows[6] == ["BPT-V2", "as-published", "0.9000 ± 0.1000", "+0.6500 (+0.50 to +0.80)"]
    assert rows[7][0] == "BPT-V2 †"
    assert rows[10] == ["Is it better?", "no: worse", "-0.2500 (-0.50 to -0.10)"]
    assert rows[13:] == [
        ["tubelets", "knees", "+0.1200 (+0.05 to +0.20)", "+0.0400 (+0.01 to +0.08)"]
    ]
    assert "chance is 0.2500" in text
    assert (tmp_path / "learning-shop.svg").read_text() == "<svg/>"
    assert "learning-shop.svg)" in text
    assert "2 trainings with batches of 100, at most 9 epochs, on a GPU" in text


def test_a_page_without_the_place_is_refused(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    (tmp_path / "results.md").write_text("")
    with pytest.raises(SystemExit, match="no place for shop/paper"):
        results.main([str(shop)])
