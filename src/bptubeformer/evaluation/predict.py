"""The stage that classifies the test segments of folds with their trained models."""

from pathlib import Path

import numpy as np
import pandas as pd

from bptubeformer.errors import InputError
from bptubeformer.evaluation.learned import LOOK_AT, folds_differ, has_learned
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.evaluation.trained import TrainedFold, TrainedFolds
from bptubeformer.kinds import Fraction, Precision
from bptubeformer.study import PREDICTIONS
from bptubeformer.training.forward import predict
from bptubeformer.training.precision import check_precision


def predict_folds(
    models: TrainedFolds,
    precision: Precision = "fp32",
    learned: Fraction | None = None,
) -> None:
    """Classify the test segments of folds; write predictions.parquet into each folder.

    Args:
        models: of the folds.
        precision: of matrix products: fp32, tf32 or bf16.
        learned: least balanced accuracy of a fold; below it, a warning is printed; left out: see
            ``has_learned``.

    Raises:
        InputError: files do not belong together, or the device or precision is not there.
    """
    tested = pd.DataFrame(
        predict_fold(fold, precision, place / PREDICTIONS) | {"fold": place.name}
        for fold, place in models
    )
    found = ", ".join(f"{100 * value:.1f} %" for value in tested["balanced_accuracy"])
    chance = f"chance: {100 / tested['classes'].max():.1f} %"
    if not has_learned(tested, learned):
        print(f"has not learned: balanced accuracy {found}; {chance}; {LOOK_AT}")
    elif folds_differ(tested):
        print(f"folds differ widely: balanced accuracy {found}; {chance}")


def logits_of(fold: TrainedFold, precision: str) -> np.ndarray:
    """Logits float32 (n, classes) of all test segments of a fold.

    Raises:
        InputError: some are not finite.
    """
    logits = predict(fold.model, fold.segments(), precision).cpu().numpy()
    if not np.isfinite(logits).all():
        raise InputError(
            f"the model of {fold.run['model']} with the content {fold.content[:16]} gives values "
            "that are not finite; train it again with: bptubeformer train"
        )
    return logits


def predict_fold(fold: TrainedFold, precision: str, output: Path) -> dict[str, float]:
    """Logits of all test segments of a fold, written as ``predictions.parquet``.

    Returns:
        balanced_accuracy, classes and predicted_classes, of the classes that are tested.
    """
    check_precision(precision, fold.device)
    logits = logits_of(fold, precision)
    Predictions(
        starts=fold.starts,
        trajectory=fold.trajectory,
        labels=fold.labels,
        logits=logits,
        categories=fold.categories,
        data=fold.store.fingerprint,
        model=fold.content,
    ).save(output)
    predicted = logits.argmax(axis=1)
    correct = predicted == fold.labels
    print(f"{len(logits)} test segments, {100 * correct.mean():.1f} % classified correctly")
    # Not by evaluation.metrics: importing scikit-learn costs each job a second.
    tested = np.bincount(fold.labels)
    recalls = np.bincount(fold.labels, correct)[tested > 0] / tested[tested > 0]
    return {
        "balanced_accuracy": float(recalls.mean()),
        "classes": len(fold.categories),
        "predicted_classes": len(np.unique(predicted)),
    }
