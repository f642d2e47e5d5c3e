"""When claims about results are judged: on HR-Crime by content, with the paper's settings."""

import numpy as np
import pandas as pd
import pytest

from bptubeformer.config import studies_of
from bptubeformer.data.synthetic import MOVEMENTS
from bptubeformer.verdict import gate
from checkout import base_config


@pytest.fixture
def config():
    return base_config()


def closed_by(config, trajectories):
    return gate.closed_by(studies_of(config)["paper"], trajectories)


def settings(config):
    return gate.settings(studies_of(config)["paper"])


def hr_crime(videos=780, seed=0):
    """Trajectories with the printed numbers of windows, spread over videos at random."""
    generator = np.random.default_rng(seed)
    rows, names = [], list(gate.WINDOWS)
    for number in range(videos):
        category = names[number % len(names)]
        of_class = videos // len(names) + (number % len(names) < videos % len(names))
        windows = 5 * gate.WINDOWS[category] * generator.uniform(0.9, 1.1) / of_class
        rows.append((category, f"{category}{number}", "1", round(windows) + gate.LENGTH - 1))
    return pd.DataFrame(rows, columns=["category", "video", "person", "rows"])


def test_hr_crime_with_the_papers_settings_is_judged(config):
    assert closed_by(config, hr_crime()) == []


def test_the_name_of_the_dataset_proves_nothing(config):
    walkers = pd.DataFrame(
        [(name, f"{name}{i}", "1", 90) for name, m in MOVEMENTS.items() for i in range(m.videos)],
        columns=["category", "video", "person", "rows"],
    )
    config["dataset"]["name"] = "hr-crime"
    reasons = closed_by(config, walkers)
    assert "166 videos, HR-Crime has 789" in reasons
    assert any("windows of 60 frames, HR-Crime has about" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t[t["category"] != "Arson"], "12 categories that are not HR-Crime's 13"),
        (lambda t: t.assign(category=t["category"].replace("Arson", "Fire")),
         "13 categories that are not HR-Crime's 13"),
        (lambda t: pd.concat([t, t.assign(video="more" + t["video"])]), "1560 videos"),
        (lambda t: t.assign(rows=t["rows"] // 2), "windows of 60 frames"),
        (lambda t: t.assign(rows=t["rows"].where(t["category"] != "Arson", 61)),
         "other numbers of frames in Arson"),
    ],
)  # fmt: skip
def test_other_content_closes_it(config, change, reason):
    assert any(reason in found for found in closed_by(config, change(hr_crime())))


@pytest.mark.parametrize(
    ("section", "key", "value", "reason"),
    [
        ("split", "folds", 5, "split.folds = 5, the paper's is 3"),
        ("split", "minimum_rows", 12, "split.minimum_rows = 12, the paper's is 24"),
        ("windows", "step", 16, "windows.step = 16, the paper's is 1"),
        ("training", "batch_size", 16, "batch_size = 16, not one of (1000, 500, 100)"),
        ("training", "learning_rate", 0.01, "learning_rate = 0.01, not 0.001"),
        ("training", "early_stopping_patience", 10, "early_stopping_patience = 10, not 3"),
        ("training", "max_epochs", 5, "max_epochs = 5, less than 100"),
    ],
)
def test_each_setting_that_is_not_the_papers_is_named(config, section, key, value, reason):
    config[section][key] = value
    assert settings(config) == [reason]


def test_a_setting_of_one_run_names_the_run(config):
    config["runs"]["BPT-V2"]["training"] = {"max_epochs": 5}
    config["protocols"] = ["video"]
    assert settings(config) == [
        "protocols = video, the paper's is as-published",
        "max_epochs = 5, less than 100 (BPT-V2)",
    ]


def test_of_many_runs_three_are_named(config):
    for run in ("ST-Tran", "BPT-V1", "BPT-V2", "BPT-V3", "BPT-V4"):
        config["runs"][run]["training"] = {"batch_size": 16}
    assert settings(config) == [
        "batch_size = 16, not one of (1000, 500, 100) (ST-Tran, BPT-V1, BPT-V2 and 2 more)"
    ]


def test_more_seeds_smaller_batches_and_fewer_runs_are_no_difference(config):
    config["seeds"] = [0, 1, 2]
    config["runs"]["BPT-8-V2"]["training"] = {"batch_size": 100, "max_epochs": 200}
    del config["runs"]["M1.2"]
    config["studies"]["paper"]["runs"].remove("M1.2")
    del config["studies"]["comparators"]
    assert settings(config) == []
