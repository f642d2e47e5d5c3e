"""Cost before any training."""

import pytest
import torch

from bptubeformer.config import model_of, studies_of
from bptubeformer.data.splits import make_splits
from bptubeformer.evaluation.complexity import complexity
from bptubeformer.evaluation.cost import cost_markdown, cost_table
from bptubeformer.settings import SplitSettings
from checkout import base_config

CPU = torch.device("cpu")


@pytest.fixture
def config():
    config = base_config()
    config["runs"] = {name: config["runs"][name] for name in ("ST-Tran", "BPT-V2", "BPT-V2-T12")}
    papers, controls = (config["studies"][name] for name in ("paper", "controls"))
    papers |= {"runs": ["ST-Tran", "BPT-V2"], "counted": ["BPT-V2-T12"]}
    controls |= {"runs": ["BPT-V2"], "counted": []}
    config["studies"] = {"paper": papers, "controls": controls}
    config["dataset"]["name"] = "small"
    config["architecture"] |= {"token_width": 8, "depth": 1}
    config["training"] |= {"batch_size": 16, "max_epochs": 5}
    return config


@pytest.fixture
def table(store, config, tmp_path):
    for length in (24, 60):
        split, *_ = make_splits(store, "as-published", length, 24, SplitSettings())
        split.save(tmp_path / "as-published" / f"T{length}" / "fold0.parquet")
    return cost_table(store, tmp_path, list(studies_of(config).values()), CPU, 15).set_index("run")


def test_every_run_has_its_windows_macs_time_and_memory(table, store, config):
    assert list(table.index) == ["ST-Tran", "BPT-V2"]
    split, *_ = make_splits(store, "as-published", 24, 24, SplitSettings())
    row = table.loc["BPT-V2"]
    counts = [len(split.windows(part)[0]) for part in ("train", "validation", "test")]
    assert row[["train_windows", "validation_windows", "test_windows"]].tolist() == counts
    macs = complexity(model_of(config, "BPT-V2"), 13, 1).macs_with_attention
    assert row["macs_epoch"] == pytest.approx((3 * counts[0] + counts[1]) * macs / 1e12)
    assert row["epochs"] == 5  # no more than max_epochs
    assert row["trainings"] == 3 * 3  # folds, and every protocol for the leakage table
    assert row["hours"] > row["trainings"] * row["epochs"] * row["seconds_epoch"] / 3600 > 0
    frames = store.frames.nbytes / 1e9
    assert frames < row["memory_gb"] < 1
    assert table.loc["ST-Tran", "memory_gb"] > row["memory_gb"]


def test_a_run_that_leaves_out_other_classes_is_named_and_not_measured(table, config):
    config["runs"]["few"] = {**config["runs"]["BPT-V2"], "training": {"left_out": ["Swimming"]}}
    config["studies"]["controls"]["runs"] = ["BPT-V2", "few"]
    text = cost_markdown(table.reset_index(), list(studies_of(config).values()), CPU, 1)
    assert "lacks classes that they leave out: few." in text


def test_the_page_names_the_device_and_the_sums(table, config):
    text = cost_markdown(table.reset_index(), list(studies_of(config).values()), CPU, 2)
    assert text.startswith("# Cost of the runs on small\n")
    assert "cores, a few steps of each run, in fp32" in text
    hours = table["hours"].sum()
    assert f"all together, {hours:,.2f} hours; {hours / 2:,.2f} with 2" in text
    # Three trainings of BPT-V2 that the paper's study has too, of its nine.
    shared = table.loc["BPT-V2", "hours"] / 3
    assert f"paper {hours:,.2f}, controls {shared:,.2f}" in text
