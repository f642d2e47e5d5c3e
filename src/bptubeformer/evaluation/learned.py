"""Decide if a run has learned and if its folds agree, and mark it; not in the paper."""

import pandas as pd

NOT_LEARNED = "†"
"""Mark of a run that has not learned, in tables for people."""
FOLDS_DIFFER = "‡"
"""Mark of a run whose folds differ widely."""
LOOK_AT = (
    "look at its learning curves, at the coordinates (expected: pixels; a missing joint is 0,0), "
    "at the share of missing joints, and at the labels"
)
"""Advice for a run that has not learned."""


def threshold(classes: int) -> float:
    """Balanced accuracy from which a model has learned: a sixth of the way from chance to 1.

    With 13 classes it is three times chance.
    """
    return 1 / classes + (1 - 1 / classes) / 6


def has_learned(models: pd.DataFrame, least: float | None = None) -> bool:
    """Return True if every model of a run is well above chance, and in more than a few classes.

    Args:
        models: columns balanced_accuracy, classes and predicted_classes; one row a fold and seed.
        least: balanced accuracy that each has to reach; None: ``threshold``.
    """
    classes = models["classes"]
    floor = classes.map(threshold) if least is None else least
    # The threshold of 13 classes is 3 / 13 but for rounding.
    above = models["balanced_accuracy"] >= floor - 1e-12
    return bool((above & (2 * models["predicted_classes"] >= classes)).all())


def folds_differ(models: pd.DataFrame) -> bool:
    """Return True if the best fold has learned and the worst is less than half as far above chance.

    Args:
        models: columns fold, balanced_accuracy and classes; one row a fold and seed.
    """
    classes = models["classes"].max()
    above = models.groupby("fold")["balanced_accuracy"].mean() - 1 / classes
    return bool(above.max() >= threshold(classes) - 1 / classes and 2 * above.min() < above.max())


def judged(models: pd.DataFrame, least: float | None = None) -> dict[str, bool]:
    """Return the columns ``learned`` and ``folds_differ`` of a run; arguments as above."""
    return {"learned": has_learned(models, least), "folds_differ": folds_differ(models)}


def marked(table: pd.DataFrame) -> list[str]:
    """Return the names of the runs of a table for people, with their marks."""
    return [
        f"{run}{'' if learned else f' {NOT_LEARNED}'}{f' {FOLDS_DIFFER}' if differ else ''}"
        for run, learned, differ in zip(
            table["run"], table["learned"], table["folds_differ"], strict=True
        )
    ]


def notes_of_marks(table: pd.DataFrame) -> list[str]:
    """Return the notes below a table that has marks."""
    notes = []
    if not table["learned"].all():
        notes.append(
            f"{NOT_LEARNED} has not learned: in some fold, balanced accuracy is too near to chance "
            "(docs/fidelity.md), or fewer than half of the classes are predicted. Its number says "
            f"nothing about the model: {LOOK_AT}."
        )
    if table["folds_differ"].any():
        notes.append(
            f"{FOLDS_DIFFER} folds differ: the worst is less than half as far above chance as the "
            "best. Their mean describes neither: look at folds.csv and the learning curves."
        )
    return notes
