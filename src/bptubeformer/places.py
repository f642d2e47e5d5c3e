"""Paths of the results of a run, below ``results/<dataset>``."""

from collections.abc import Iterator, Sequence
from pathlib import Path


def repeats(seeds: Sequence[int]) -> dict[str, int]:
    """Map the ending of a fold's folder to its seed: empty for the first, then ``-seed<n>``."""
    return {"" if not i else f"-seed{seed}": seed for i, seed in enumerate(seeds)}


def fold_folders(
    results: Path, protocol: str, run: str, folds: int, seeds: Sequence[int]
) -> Iterator[tuple[int, int, Path]]:
    """Number, seed and folder of every fold of a run, fold by fold.

    Args:
        results: ``results/<dataset>``.
        protocol: name of the protocol.
        run: name of the run.
        folds: number of folds.
        seeds: each fold is trained with each.
    """
    for fold in range(folds):
        for ending, seed in repeats(seeds).items():
            yield fold, seed, results / protocol / run / f"fold{fold}{ending}"
