"""The stage that embeds test segments: the class tokens of t-SNE and silhouettes."""

from pathlib import Path

from bptubeformer.evaluation.inference import embed
from bptubeformer.evaluation.inspection import Embeddings, sample_per_class
from bptubeformer.evaluation.trained import TrainedFold, TrainedFolds
from bptubeformer.kinds import Count, Seed
from bptubeformer.study import EMBEDDINGS


def embed_folds(
    models: TrainedFolds,
    per_class: Count = 500,
    seed: Seed = 0,
) -> None:
    """Embed test segments of folds; write embeddings.safetensors into each folder.

    Args:
        models: of the folds.
        per_class: test segments of each class, at most.
        seed: of their choice.

    Raises:
        InputError: files do not belong together, or the device is not there.
    """
    for fold, place in models:
        embed_fold(fold, per_class, seed, place / EMBEDDINGS)


def embed_fold(fold: TrainedFold, per_class: int, seed: int, output: Path) -> None:
    """Class-token embeddings of at most ``per_class`` test segments of each class."""
    chosen = sample_per_class(fold.labels, per_class, seed)
    embedding, predicted = embed(fold.model, fold.segments(chosen))
    Embeddings(
        embedding=embedding,
        label=fold.labels[chosen],
        predicted=predicted,
        categories=fold.categories,
        trajectory=fold.trajectory[chosen],
        model=fold.content,
    ).save(output)
