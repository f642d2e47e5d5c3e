"""The stage that classifies the test segments of folds with their trained models."""

from pathlib import Path
from typing import Any

from bptubeformer.evaluation.predictions import FILE, Predictions
from bptubeformer.evaluation.trained import TrainedFold, trained_folds
from bptubeformer.kinds import Count, Index, Precision
from bptubeformer.training.forward import predict
from bptubeformer.training.precision import check_precision


def predict_folds(
    store: Path,
    splits: Path,
    folder: Path,
    run: dict[str, Any] | None = None,
    folds: list[Index] | None = None,
    precision: Precision = "fp32",
    device: str = "auto",
    slots_per_gpu: Count = 1,
    threads: Count = 1,
) -> None:
    """Classify the test segments of folds; write predictions.parquet into each folder.

    Args:
        store: frame store, written by ingest.
        splits: folder with fold<k>.parquet, written by split.
        folder: folder of a fold, with {fold} for its number; its model is read there.
        run: model and hyperparameters that the model must have; left out: any.
        folds: numbers of the folds; left out: the first.
        precision: of matrix products: fp32, tf32 or bf16.
        device: auto, cpu, cuda or cuda:<n>.
        slots_per_gpu: jobs that share a GPU.
        threads: CPU threads of torch.

    Raises:
        InputError: files do not belong together, or the device or precision is not there.
    """
    chosen = trained_folds(store, splits, folder, folds or [0], run, device, slots_per_gpu, threads)
    for fold, place in chosen:
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
