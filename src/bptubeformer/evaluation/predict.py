"""The stage that classifies the test segments of folds with their trained models."""

from pathlib import Path

from bptubeformer.evaluation.predictions import FILE, Predictions
from bptubeformer.evaluation.trained import TrainedFold, TrainedFolds
from bptubeformer.kinds import Precision
from bptubeformer.training.forward import predict
from bptubeformer.training.precision import check_precision


def predict_folds(
    models: TrainedFolds,
    precision: Precision = "fp32",
) -> None:
    """Classify the test segments of folds; write predictions.parquet into each folder.

    Args:
        models: of the folds.
        precision: of matrix products: fp32, tf32 or bf16.

    Raises:
        InputError: files do not belong together, or the device or precision is not there.
    """
    for fold, place in models:
        predict_fold(fold, precision, place / FILE)


def predict_fold(fold: TrainedFold, precision: str, output: Path) -> None:
    """Logits of all test segments of a fold, written as ``predictions.parquet``."""
    check_precision(precision, fold.device)
    logits = predict(fold.model, fold.segments(), precision).cpu().numpy()
    Predictions(
        starts=fold.starts,
        trajectory=fold.trajectory,
        labels=fold.labels,
        logits=logits,
        categories=fold.categories,
        data=fold.store.fingerprint,
        model=fold.content,
    ).save(output)
    correct = float((logits.argmax(axis=1) == fold.labels).mean())
    print(f"{len(logits)} test segments, {100 * correct:.1f} % classified correctly")
