"""The stage that embeds test segments: the class tokens of t-SNE and silhouettes."""

from pathlib import Path
from typing import Any

from bptubeformer.evaluation.inference import embed
from bptubeformer.evaluation.inspection import Embeddings, sample_per_class
from bptubeformer.evaluation.trained import TrainedFold, trained_folds
from bptubeformer.kinds import Count, Index, Seed


def embed_folds(
    store: Path,
    splits: Path,
    folder: Path,
    run: dict[str, Any] | None = None,
    folds: list[Index] | None = None,
    per_class: Count = 500,
    seed: Seed = 0,
    device: str = "auto",
    slots_per_gpu: Count = 1,
    threads: Count = 1,
) -> None:
    """Embed test segments of folds; write embeddings.safetensors into each folder.

    Args:
        store: frame store, written by ingest.
        splits: folder with fold<k>.parquet, written by split.
        folder: folder of a fold, with {fold} for its number; its model is read there.
        run: model and hyperparameters that the model must have; left out: any.
        folds: numbers of the folds; left out: the first.
        per_class: test segments of each class, at most.
        seed: of their choice.
        device: auto, cpu, cuda or cuda:<n>.
        slots_per_gpu: jobs that share a GPU.
        threads: CPU threads of torch.

    Raises:
        InputError: files do not belong together, or the device is not there.
    """
    chosen = trained_folds(store, splits, folder, folds or [0], run, device, slots_per_gpu, threads)
    for fold, place in chosen:
        embed_fold(fold, per_class, seed, place / "embeddings.safetensors")


def embed_fold(fold: TrainedFold, per_class: int, seed: int, output: Path) -> None:
    """Class-token embeddings of at most ``per_class`` test segments of each class."""
    chosen = sample_per_class(fold.labels, per_class, seed)
    embedding, predicted = embed(fold.model, fold.segments(chosen))
    shown = (embedding, fold.labels[chosen], predicted, fold.categories, fold.trajectory[chosen])
    Embeddings(*shown).save(output)
