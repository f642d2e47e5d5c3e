"""A study: a question, the runs that answer it, and the places of its results.

Results of trainings are in ``results/<dataset>/<protocol>/<run>/fold<k>``: studies share them. A
study's own tables, figures, notebooks and summary are in ``results/<dataset>/<study>``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bptubeformer.errors import InputError
from bptubeformer.kinds import CHANCE, OF_ANY_DATA

ABSENT: Any = object()
"""Value of a setting that is not in the part of a study."""
STORE = "data/frames.safetensors"
"""The frame store, below ``results/<dataset>``."""
MODEL, RECORD, HISTORY = "model.safetensors", "run.json", "history.csv"
PREDICTIONS, EMBEDDINGS = "predictions.parquet", "embeddings.safetensors"
ATTENTION, MOVEMENT = "attention.safetensors", "movement.parquet"
IDENTITY, CALIBRATION = "identity.csv", "calibration.csv"
"""Files in the folder of a fold; some of the run of the figures, or of runs that a study names."""
TABLES, FIGURES, NOTEBOOKS, PROJECTOR = "tables", "figures", "notebooks", "projector"
SUMMARY_FILE = "summary.md"
"""Folders and page below the folder of a study."""


@dataclass(frozen=True)
class Study:
    """The settings that the tables and figures of a study depend on.

    A stage is given a part of a study: the settings that it reads. A change of another setting
    then repeats nothing, and reading one that is not in the part is refused.
    """

    name: str
    results: Path
    """``results/<dataset>``."""
    question: str = ABSENT
    runs: Mapping[str, Mapping[str, Any]] = ABSENT
    """Experiment, model and hyperparameters of each run, by its name."""
    counted: Mapping[str, Mapping[str, Any]] = ABSENT
    """The same of the runs whose cost is counted: ``runs``, and others that are not trained."""
    training: Mapping[str, Mapping[str, Any]] = ABSENT
    """Training settings of each run."""
    protocols: Sequence[str] = ABSENT
    """The first is that of the figures and verdicts."""
    folds: int = ABSENT
    seeds: Sequence[int] = ABSENT
    """Each fold is trained with each."""
    baseline: str = ABSENT
    """The run that the others are compared with."""
    findings: Mapping[str, Sequence[str]] = ABSENT
    """Questions, each with two runs: is the first better than the second? A third text is the
    measure of uncertainty by which; else it is balanced accuracy."""
    leakage: Sequence[str] = ABSENT
    """Runs that are trained under every protocol."""
    identity: Sequence[str] = ABSENT
    """Runs whose segments are probed for their videos, under every protocol."""
    calibration: Sequence[str] = ABSENT
    """Runs whose uncertainty is measured."""
    shown: str = ABSENT
    """The run of the attention and embedding figures."""
    shown_settings: Mapping[str, Any] = ABSENT
    """Its experiment, model and hyperparameters."""
    shown_fold: int = ABSENT
    perplexity: float = ABSENT
    figures_seed: int = ABSENT
    batch_size: int = ABSENT
    """Segments of the batch whose MACs are counted."""
    learned: float | None = ABSENT
    """Balanced accuracy from which a run has learned; None: ``learned.has_learned`` decides."""
    margin: float = ABSENT
    minimum_videos: int = ABSENT
    bootstrap: Sequence[int] = ABSENT
    """Resamples and seed."""
    claims: bool = ABSENT
    """True if the claims of the paper are judged."""
    printed: Mapping[str, Mapping[str, Mapping[str, float]]] = ABSENT
    """The paper's Table 1 (``accuracy``) and Table 2 (``complexity``), by run."""
    config: Mapping[str, Any] = ABSENT
    """The whole configuration, as any machine has it."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if value is ABSENT:
            raise InputError(f"--study has no {name}; add it")
        return value

    @classmethod
    def read(cls, part: Mapping[str, Any]) -> "Study":
        """Return the study of which ``part`` gave some settings.

        Raises:
            InputError: a key is unknown, or name or results is missing.
        """
        known = [field.name for field in fields(cls)]
        for key in part:
            if key not in known:
                raise InputError(f"--study has an unknown key {key}; known: {', '.join(known)}")
        for key in ("name", "results"):
            if key not in part:
                raise InputError(f"--study has no {key}; add it")
        return cls(**{**part, "results": Path(part["results"])})

    def part(self, *keys: str) -> dict[str, Any]:
        """Return some settings of the study, as JSON has them, with its name and results."""
        chosen = {key: getattr(self, key) for key in keys}
        return {"name": self.name, "results": str(self.results), **chosen}

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.results.name

    @property
    def store(self) -> Path:
        """The frame store."""
        return self.results / STORE

    @property
    def folder(self) -> Path:
        """Folder of the results that are the study's own."""
        return self.results / self.name

    def table(self, name: str) -> Path:
        """Path of a table of the study, such as ``accuracy.csv``."""
        return self.folder / TABLES / name

    def figure(self, name: str) -> Path:
        """Path of a figure of the study, such as ``tsne.svg``, or of its stem."""
        return self.folder / FIGURES / name

    @property
    def protocol(self) -> str:
        """The protocol of the figures and verdicts: the first."""
        return self.protocols[0]

    @property
    def compared_protocols(self) -> list[str]:
        """Protocols of the leakage table: those that any dataset has, and those of the study."""
        return list(dict.fromkeys([*OF_ANY_DATA, *self.protocols]))

    @property
    def asked_of_uncertainty(self) -> list[str]:
        """Runs whose uncertainty a question is about."""
        asked = [run for pair in self.findings.values() if len(pair) > 2 for run in pair[:2]]
        return [run for run in dict.fromkeys(asked) if run != CHANCE]

    @property
    def shown_folder(self) -> Path:
        """Folder of the fold that the figures show."""
        return self.results / self.protocol / self.shown / f"fold{self.shown_fold}"

    def fold_folders(self, protocol: str, run: str) -> Iterator[tuple[int, int, Path]]:
        """Yield number, seed and folder of every fold of a run, fold by fold."""
        return fold_folders(self.results, protocol, run, self.folds, self.seeds)

    def files(
        self, name: str, runs: Iterable[str] | None = None, protocols: Iterable[str] | None = None
    ) -> list[Path]:
        """Return a file of every fold and seed.

        Args:
            name: of the file, such as ``predictions.parquet``.
            runs: names of runs; all of the study if left out.
            protocols: names of protocols; all of the study if left out.
        """
        return [
            folder / name
            for protocol in (self.protocols if protocols is None else protocols)
            for run in (self.runs if runs is None else runs)
            for _, _, folder in self.fold_folders(protocol, run)
        ]

    def shown_files(self, name: str) -> list[Path]:
        """Return a file of every fold of the run of the figures, their fold first."""
        run = self.results / self.protocol / self.shown
        folds = sorted(range(self.folds), key=lambda fold: (fold != self.shown_fold, fold))
        return [run / f"fold{fold}" / name for fold in folds]


def of_fold(pattern: Path, fold: int) -> Path:
    """Return the folder of a fold, from one with ``{fold}`` in place of its number."""
    return Path(str(pattern).replace("{fold}", str(fold)))


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


def leftovers(
    results: Path,
    protocols: Iterable[str],
    runs: Collection[str],
    studies: Collection[str],
    folds: int,
    seeds: Sequence[int],
) -> list[Path]:
    """List the folders of results that no configured run or study has.

    Args:
        results: ``results/<dataset>``.
        protocols: names of all protocols.
        runs: names of the configured runs.
        studies: names of the configured studies.
        folds: number of folds.
        seeds: each fold is trained with each.

    Returns:
        folders of studies, of runs, and of single folds of runs; TensorBoard's are included.
    """
    own = {f"fold{fold}{ending}" for fold in range(folds) for ending in repeats(seeds)}
    found = [path.parent for path in results.glob("*/tables") if path.parent.name not in studies]
    places = [place / name for place in (results, results / "tensorboard") for name in protocols]
    for run in (run for place in places for run in place.glob("*")):
        made = list(run.glob("fold*/"))
        if made and run.name not in runs:
            found.append(run)
        elif run.name in runs:
            found += [fold for fold in made if fold.name not in own]
    return sorted(found)
