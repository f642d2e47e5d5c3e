"""The gate: are results comparable with the paper's? Data is HR-Crime, settings are the paper's.

The content of the store decides, never the name of the dataset. Sources of the counts: the paper
(section 3) for categories and videos; a public implementation of the same group, which prints the
test windows of each class, for the frames (see docs/fidelity.md).
"""

import pandas as pd

from bptubeformer.claims import papers_runs
from bptubeformer.study import Study

VIDEOS = 789
"""Anomaly videos (paper, section 3)."""
WITHOUT_TRAJECTORIES = 0.1
"""Largest share of them that may have no trajectory left after the detector and filtering."""
LENGTH = 60
WINDOWS = {
    "Abuse": 47939, "Arrest": 79273, "Arson": 11152, "Assault": 70182, "Burglary": 50236,
    "Explosion": 20424, "Fighting": 100543, "RoadAccidents": 27617, "Robbery": 120163,
    "Shooting": 38374, "Shoplifting": 101685, "Stealing": 47212, "Vandalism": 26287,
}  # fmt: skip
"""Test windows of 60 frames, by class; a fifth of the trajectories is for the test."""
TEST_SHARE = 0.2
TOTAL_TOLERANCE, CLASS_TOLERANCE = 0.15, 0.6
"""Relative differences that a test set of a fifth of the trajectories leaves open."""
SHORTEST = 24
"""Rows; shorter trajectories are left out, also of the printed windows."""

BATCH_SIZES = (1000, 500, 100)
OF_A_RUN = {"learning_rate": 0.001, "early_stopping_patience": 3}
SHOWN = 3
"""Runs that are named beside a setting of theirs."""
LEAST_EPOCHS = 100
"""Fewer would cut short a training that early stopping has not ended."""


def closed_by(study: Study, trajectories: pd.DataFrame) -> list[str]:
    """Reasons why claims about results are not judged; none where they are.

    Args:
        study: whose settings count.
        trajectories: columns category, video, person, rows; of the frame store.
    """
    return [*content(trajectories), *settings(study)]


def content(trajectories: pd.DataFrame) -> list[str]:
    """Name what of the data is not HR-Crime's."""
    found = []
    categories = sorted(map(str, trajectories["category"].unique()))
    if categories != sorted(WINDOWS):
        found.append(f"{len(categories)} categories that are not HR-Crime's 13")
    videos = len(trajectories.drop_duplicates(["category", "video"]))
    if not (1 - WITHOUT_TRAJECTORIES) * VIDEOS <= videos <= VIDEOS:
        found.append(f"{videos} videos, HR-Crime has {VIDEOS}")
    rows = trajectories["rows"]
    windows = (rows - LENGTH + 1).clip(lower=0).where(rows >= SHORTEST, 0)
    expected = sum(WINDOWS.values()) / TEST_SHARE
    if abs(windows.sum() / expected - 1) > TOTAL_TOLERANCE:
        found.append(
            f"{windows.sum()} windows of {LENGTH} frames, HR-Crime has about {expected:.0f}"
        )
    elif categories == sorted(WINDOWS):
        by_class = windows.groupby(trajectories["category"].astype(str)).sum()
        other = [
            name
            for name, count in WINDOWS.items()
            if abs(by_class[name] * TEST_SHARE / count - 1) > CLASS_TOLERANCE
        ]
        if other:
            found.append(f"other numbers of frames in {', '.join(other)}")
    return found


def settings(study: Study) -> list[str]:
    """Name settings that are not the paper's, with their values; more seeds are welcome."""
    config = study.config
    of_all_runs = {
        "protocols": (study.protocol, "as-published"),
        "split.folds": (study.folds, 3),
        "split.minimum_rows": (config["split"]["minimum_rows"], SHORTEST),
        "windows.step": (config["windows"]["step"], 1),
    }
    found = [
        f"{key} = {value}, the paper's is {papers}"
        for key, (value, papers) in of_all_runs.items()
        if value != papers
    ]
    different: dict[str, list[str]] = {}
    trained = [run for run in papers_runs() if run in study.runs]
    for run in trained:
        training = study.training[run]
        for name, papers in OF_A_RUN.items():
            if training[name] != papers:
                different.setdefault(f"{name} = {training[name]}, not {papers}", []).append(run)
        if training["batch_size"] not in BATCH_SIZES:
            text = f"batch_size = {training['batch_size']}, not one of {BATCH_SIZES}"
            different.setdefault(text, []).append(run)
        if training["max_epochs"] < LEAST_EPOCHS:
            text = f"max_epochs = {training['max_epochs']}, less than {LEAST_EPOCHS}"
            different.setdefault(text, []).append(run)
    for text, runs in different.items():
        more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
        found.append(text if runs == trained else f"{text} ({', '.join(runs[:SHOWN])}{more})")
    return found
